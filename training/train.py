"""Train a network: clips -> features -> network -> checkpoint, test figures, windows.

A run's folder:

    RUN/checkpoint.safetensors   the network and all that describes it
    RUN/windows.safetensors      windows for the export: to calibrate by, to judge by
    RUN/metrics.json             figures on the test clips, with intervals
    RUN/tensorboard/             curves
    RUN/fold1/ ...               with --test-fold all: one such folder a fold, and pooled metrics
"""

from __future__ import annotations

import json
import platform
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from lightning_fabric import Fabric

from edge_asc import __version__
from edge_asc.atomic import atomic_path
from edge_asc.errors import DataError
from edge_asc.features import FeatureConfig
from edge_asc.scenes import CITIES
from edge_asc.training.augment import Augmenter
from edge_asc.training.checkpoint import Checkpoint, Windows, save_checkpoint, save_windows
from edge_asc.training.corpus import (
    FeatureReader,
    Standardization,
    hold_out_groups,
    make_splits,
    make_windows,
    measure_standardization,
    read_clips,
    sampling_weights,
    scene_names,
)
from edge_asc.training.datasets import Clip
from edge_asc.training.loop import Fitted, StateDict, fit, make_writer, predict
from edge_asc.training.metrics import Scores, format_percent, score
from edge_asc.training.models.mobile_asc_net import MobileASCNet, NetworkConfig, count_parameters
from edge_asc.training.recipe import Recipe, load_recipe
from edge_asc.training.splits import Split

NUM_CALIBRATION_WINDOWS = 512


def train_command(
    recipe: str,
    data: list[Path],
    out: Path,
    train_folds: list[str] | None,
    test_folds: list[str] | None,
    seed: int | None,
    device: str,
    epochs: int | None,
) -> None:
    """Train as a recipe says and print the figures on the test clips.

    Args:
        recipe: name of a shipped recipe, or path of a TOML file.
        data: folders with a table of clips.
        out: folder for the run, new or empty.
        train_folds: folds to train on; None = all that are not tested.
        test_folds: folds to test on; ["all"] = each in turn; ["none"] = train on everything.
        seed: replaces the recipe's.
        device: "cpu", "cuda", "mps" or "auto"; "cuda:2" = two processes.
        epochs: replaces the recipe's.

    Raises:
        DataError: the recipe, the data, the folds or `out` are not as they should be.
    """
    settings = override(load_recipe(recipe), seed, epochs)
    fabric = launch(device, settings)
    # Every process comes through here; the first to write must not make the others find a run.
    fabric.barrier()
    require_empty(out)
    fabric.barrier()

    with fabric.rank_zero_first():  # the first one fills the feature cache, the others read it
        clips = read_clips(data, settings.data)
        scenes = scene_names(clips, settings.data.scenes)
        splits = make_splits(clips, settings.data, train_folds, test_folds, settings.loop.seed)
        features = FeatureReader(settings.data.window_s, FeatureConfig())
        for split in splits:
            features.read(split.train, settings.data.train_hop_s)

    results = []
    for split in splits:
        folder = out / split.name if len(splits) > 1 else out
        results.append(train_split(fabric, settings, split, scenes, features, folder))
    if fabric.is_global_zero and len(splits) > 1:
        report_folds(results, splits, scenes, out)


@dataclass(frozen=True, slots=True)
class SplitResult:
    """What the network of one split made of its test windows."""

    label: npt.NDArray[np.int64]
    predicted: npt.NDArray[np.int64]
    group: list[str]
    scores: Scores


def train_split(
    fabric: Fabric,
    recipe: Recipe,
    split: Split,
    scenes: tuple[str, ...],
    features: FeatureReader,
    out: Path,
) -> SplitResult:
    """Train on one split, write its run folder and print its figures."""
    started = time.monotonic()
    fabric.seed_everything(recipe.loop.seed, verbose=False)
    train_clips = split.train
    validation_clips: list[Clip] = []
    if recipe.loop.validation_share > 0.0:
        train_clips, validation_clips = hold_out_groups(
            split.train, recipe.loop.validation_share, recipe.loop.seed
        )

    # Windows: log-mel, standardised by the training windows alone.
    train_pieces, train_features = features.read(train_clips, recipe.data.train_hop_s)
    weights = sampling_weights(train_pieces, recipe.data.balance)
    scale = measure_standardization(train_features, weights, recipe.network.standardized_range)
    train = make_windows(train_pieces, train_features, scale, scenes)
    validation = read_windows(features, validation_clips, recipe, scale, scenes)
    test = read_windows(features, split.test, recipe, scale, scenes)

    network = make_network(recipe, num_scenes=len(scenes), num_frames=train.features.shape[1])
    say(
        fabric,
        f"{split.name}: {len(train)} training windows of {len(train_clips)} clips, "
        f"{len(validation)} validation windows, {len(test)} test windows of {len(split.test)} "
        f"clips, {count_parameters(network):,} parameters",
    )

    def checkpoint(weights: StateDict, metrics: dict[str, Any]) -> Checkpoint:
        return describe(recipe, network.config, scenes, train_clips, scale, weights, metrics)

    def keep(weights: StateDict, epoch: int) -> None:
        if fabric.is_global_zero:
            save_checkpoint(out / "checkpoint.safetensors", checkpoint(weights, {"epoch": epoch}))

    writer = make_writer(out / "tensorboard") if fabric.is_global_zero else None
    # From here on the processes must differ, or they would all augment alike.
    torch.manual_seed(recipe.loop.seed + fabric.global_rank)
    fitted = fit(
        fabric,
        network,
        recipe,
        train,
        weights=weights,
        augment=Augmenter(
            recipe.augment,
            mel_std=scale.std,
            limits=scale.limits,
            frames_per_second=FeatureConfig().frames_per_second,
        ),
        validation=validation if validation_clips else None,
        writer=writer,
        on_best=keep,
    )
    if writer is not None:
        writer.close()

    network.load_state_dict(fitted.state_dict)
    predicted = predict(network, network, test, fabric.device).argmax(dim=1).numpy()
    scores = score(scenes, test.label, predicted, test.group, seed=recipe.loop.seed)
    if fabric.is_global_zero:
        metrics = run_metrics(recipe, split, scores, fitted, time.monotonic() - started)
        save_checkpoint(out / "checkpoint.safetensors", checkpoint(fitted.state_dict, metrics))
        save_windows(
            out / "windows.safetensors", calibration=draw_windows(train, recipe), test=test
        )
        write_json(out / "metrics.json", metrics)
        print_split(split, scores, out)
    return SplitResult(test.label, predicted, test.group, scores)


def override(recipe: Recipe, seed: int | None, epochs: int | None) -> Recipe:
    """Return `recipe` with another seed or number of epochs, where given."""
    loop = recipe.loop
    if seed is not None:
        loop = replace(loop, seed=seed)
    if epochs is not None:
        if epochs < 1:
            raise DataError(f"epochs must be at least 1, got {epochs}")
        loop = replace(loop, epochs=epochs)
    return replace(recipe, loop=loop)


def launch(device: str, recipe: Recipe) -> Fabric:
    """Start the process or processes of `device`: "cpu", "cuda", "cuda:2" (two), "mps", "auto"."""
    accelerator, _, count = device.partition(":")
    if accelerator not in ("cpu", "cuda", "mps", "auto") or not (count or "1").isdecimal():
        raise DataError(
            f"device must be cpu, cuda, mps or auto, or several processes as in cuda:2; "
            f"got {device!r}"
        )
    fabric = Fabric(
        accelerator=accelerator, devices=int(count or 1), precision=recipe.loop.precision
    )
    fabric.launch()
    return fabric


def require_empty(out: Path) -> None:
    """Refuse to mix a run with whatever is in `out` already."""
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise DataError(
            f"--out must be a new or empty folder, but {out} holds something; choose another"
        )


def read_windows(
    features: FeatureReader,
    clips: Sequence[Clip],
    recipe: Recipe,
    scale: Standardization,
    scenes: tuple[str, ...],
) -> Windows:
    """Read windows to judge by: cut by the test hop, never changed."""
    pieces, log_mels = features.read(clips, recipe.data.test_hop_s)
    return make_windows(pieces, log_mels, scale, scenes)


def make_network(recipe: Recipe, num_scenes: int, num_frames: int) -> MobileASCNet:
    """Build the recipe's network with fresh weights."""
    try:
        config = NetworkConfig(
            variant=recipe.network.variant,
            fusion=recipe.network.fusion,
            num_scenes=num_scenes,
            num_cities=len(CITIES) + 1,
            num_frames=num_frames,
            num_mels=FeatureConfig().num_mels,
            cell_frames=recipe.network.cell_frames or None,
        )
    except ValueError as error:
        raise DataError(f"the recipe's network does not fit its windows: {error}") from error
    return MobileASCNet(config)


def describe(
    recipe: Recipe,
    network: NetworkConfig,
    scenes: tuple[str, ...],
    train_clips: Sequence[Clip],
    scale: Standardization,
    weights: StateDict,
    metrics: dict[str, Any],
) -> Checkpoint:
    """Put together what the checkpoint says about its network."""
    heard_in = {clip.context.city for clip in train_clips}
    return Checkpoint(
        state_dict=weights,
        network=network,
        features=FeatureConfig(),
        scenes=scenes,
        cities=CITIES,
        trained_cities=tuple(city for city in CITIES if city in heard_in)
        if network.uses_context
        else (),
        window_s=recipe.data.window_s,
        mel_mean=scale.mean,
        mel_std=scale.std,
        standardized_range=scale.limits,
        recipe=recipe.to_dict(),
        versions=versions(),
        metrics=metrics,
        name=recipe.name,
        licence=recipe.licence,
    )


def draw_windows(train: Windows, recipe: Recipe) -> Windows:
    """Draw the training windows that calibrate the int8 ranges."""
    rng = np.random.default_rng(recipe.loop.seed)
    count = min(NUM_CALIBRATION_WINDOWS, len(train))
    return train.take(np.sort(rng.choice(len(train), count, replace=False)))


def run_metrics(
    recipe: Recipe, split: Split, scores: Scores, fitted: Fitted, seconds: float
) -> dict[str, Any]:
    """Collect what metrics.json and the checkpoint remember of a run."""
    return {
        "recipe": recipe.name,
        "split": split.name,
        "train_clips": count_sources(split.train),
        "test_clips": count_sources(split.test),
        "test_is_fair": split.is_fair_test,
        "test": scores.to_dict(),
        "epoch": fitted.epoch,
        "epochs_run": fitted.epochs_run,
        "validation_macro_recall": fitted.validation_macro_recall,
        "fit_seconds": round(fitted.seconds, 1),
        "seconds": round(seconds, 1),
        "seed": recipe.loop.seed,
        "versions": versions(),
    }


def report_folds(
    results: Sequence[SplitResult], splits: Sequence[Split], scenes: tuple[str, ...], out: Path
) -> None:
    """Print and write the figures over all folds: their mean, and all their windows pooled."""
    accuracies = np.array([result.scores.accuracy for result in results])
    pooled = score(
        scenes,
        np.concatenate([result.label for result in results]),
        np.concatenate([result.predicted for result in results]),
        [group for result in results for group in result.group],
    )
    mean, spread = float(accuracies.mean()), float(accuracies.std(ddof=1))
    summary = {
        "folds": {s.name: r.scores.accuracy for s, r in zip(splits, results, strict=True)},
        "mean_accuracy": mean,
        "standard_deviation_over_folds": spread,
        "test_clips": count_sources([clip for split in splits for clip in split.test]),
        "test_is_fair": all(split.is_fair_test for split in splits),
        "pooled": pooled.to_dict(),
        "versions": versions(),
    }
    write_json(out / "metrics.json", summary)
    print(
        f"{len(results)} folds: mean accuracy {format_percent(mean)}, "
        f"standard deviation between folds {100.0 * spread:.1f} %"
    )
    print("all folds pooled:")
    print("\n".join(f"  {line}" for line in pooled.lines()))


def print_split(split: Split, scores: Scores, out: Path) -> None:
    """Print the figures of one run."""
    described = ", ".join(f"{count} of {name}" for name, count in count_sources(split.test).items())
    print(f"{split.name}: tested on {len(split.test)} clips that were not trained on ({described})")
    if not split.is_fair_test:
        print("  of sets that are only ever trained on: this says nothing about real sound")
    print("\n".join(f"  {line}" for line in scores.lines()))
    print(f"  written to {out}")


def count_sources(clips: Sequence[Clip]) -> dict[str, int]:
    """Count the clips of every source set."""
    return dict(sorted(Counter(clip.source_set for clip in clips).items()))


def versions() -> dict[str, str]:
    """Name the versions that a result depends on."""
    return {
        "edge-asc": __version__,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "lightning-fabric": metadata.version("lightning-fabric"),
        "numpy": np.__version__,
        "machine": platform.machine(),
    }


def write_json(path: Path, values: dict[str, Any]) -> None:
    """Write `values`, whole or not at all."""
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")


def say(fabric: Fabric, text: str) -> None:
    """Print progress on stderr, once."""
    if fabric.is_global_zero:
        print(text, file=sys.stderr)
