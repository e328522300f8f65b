"""`edge-asc train`: clips -> splits -> a run for each -> figures over all of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from lightning_fabric import Fabric

from edge_asc.errors import DataError
from edge_asc.features import FeatureConfig
from edge_asc.training.corpus import (
    FeatureReader,
    hide_labels,
    make_splits,
    needed_clips,
    read_clips,
    scene_names,
)
from edge_asc.training.datasets import Clip
from edge_asc.training.protocols import protocol_splits
from edge_asc.training.recipe import Recipe, load_recipe
from edge_asc.training.run_report import report_folds
from edge_asc.training.split_run import SplitRun
from edge_asc.training.splits import Split
from edge_asc.training.train_options import TrainOptions, override


def train_command(recipe: str, options: TrainOptions) -> None:
    """Train as `recipe`, a shipped name or a TOML file, says; print the figures on the test clips.

    Raises:
        DataError: the recipe, the data, the folds or the options are not as they should be.
        CheckpointError: the run in `options.out` is another one, or the backbone cannot be used.
    """
    settings = override(load_recipe(recipe), options)
    fabric = launch(options, settings)
    # Every process comes through here; the first to write must not make the others find a run.
    fabric.barrier()
    if not options.resume:
        require_empty(options.out)
    fabric.barrier()

    clips = read_clips(options.data, settings.data, with_unlabelled=True)
    scenes = scene_names(clips, settings.data.scenes)
    splits = [
        hide_labels(split, settings.data.labelled_share, settings.loop.seed)
        for split in choose_splits(clips, settings, options)
    ]
    features = FeatureReader(settings.data.window_s, FeatureConfig())
    with fabric.rank_zero_first():  # the first one fills the feature cache, the others map it
        # Of all clips, whatever the split: so runs side by side map one and the same pack.
        needed = needed_clips(clips, settings)
        for hop_s in {settings.data.train_hop_s, settings.data.test_hop_s}:
            features.prepare(needed, hop_s)

    results = []
    for split in splits:
        folder = options.out / split.name if len(splits) > 1 else options.out
        run = SplitRun(fabric, settings, split, scenes, features, folder, options)
        results.append(run.result() if run.is_done else run.train())
    if fabric.is_global_zero and len(splits) > 1:
        report_folds(results, splits, scenes, options.out)


def choose_splits(clips: Sequence[Clip], recipe: Recipe, options: TrainOptions) -> list[Split]:
    """Divide `clips` by the protocol if one is named, else by folds."""
    if options.protocol is None:
        return make_splits(
            clips, recipe.data, options.train_folds, options.test_folds, recipe.loop.seed
        )
    if options.train_folds or options.test_folds:
        raise DataError("a protocol makes its own splits: give --protocol or folds, not both")
    splits = protocol_splits(clips, options.protocol, recipe.loop.seed)
    if options.part is None:
        return splits
    if not 1 <= options.part <= len(splits):
        raise DataError(
            f"{options.protocol} has the parts 1 to {len(splits)}, got part {options.part}"
        )
    return [splits[options.part - 1]]


def launch(options: TrainOptions, recipe: Recipe) -> Fabric:
    """Start the process or processes that train."""
    fabric = Fabric(
        accelerator=options.device, devices=options.num_devices, precision=recipe.loop.precision
    )
    fabric.launch()
    return fabric


def require_empty(out: Path) -> None:
    """Refuse to mix a run with whatever is in `out` already."""
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise DataError(
            f"--out must be a new or empty folder, but {out} holds something; choose another"
        )
