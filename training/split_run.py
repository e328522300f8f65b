"""Train on one split: clips -> windows -> network -> checkpoint and test figures.

A run's folder:

    RUN/checkpoint.safetensors     the network and all that describes it
    RUN/stage1.safetensors         the network after stage 1, where a stage 3 follows
    RUN/unbounded.safetensors      the network before [int8] bounded it, where the recipe does
    RUN/last-stage1.safetensors    the state after the last epoch, for --resume
    RUN/windows.safetensors        windows for the export: to calibrate by, to judge by
    RUN/predictions.npz            logits, labels and groups of the test windows
    RUN/metrics.json               figures on the test clips, with intervals
    RUN/tensorboard/               curves
    RUN/fold1/ ...                 with several splits: one such folder each, and pooled metrics
"""

from __future__ import annotations

import hashlib
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from lightning_fabric import Fabric
from torch import nn

from edge_asc.atomic import atomic_path
from edge_asc.features import FeatureConfig
from edge_asc.training.augment import Augmenter
from edge_asc.training.calibration import fit_temperature
from edge_asc.training.checkpoint import (
    Windows,
    load_checkpoint,
    save_checkpoint,
    save_windows,
)
from edge_asc.training.controls import metadata_controls
from edge_asc.training.corpus import (
    FeatureReader,
    Standardization,
    forget_cities,
    make_windows,
    measure_standardization,
    sampling_weights,
)
from edge_asc.training.datasets import Clip
from edge_asc.training.int8_stage import make_int8_network
from edge_asc.training.loop import Fitted, make_writer, predict
from edge_asc.training.metrics import Scores, score
from edge_asc.training.models import NetworkConfig, SceneNetwork, count_parameters
from edge_asc.training.network_setup import describe, draw_windows, make_network
from edge_asc.training.optimization import StateDict, copy_weights
from edge_asc.training.recipe import Recipe
from edge_asc.training.run_report import (
    SplitResult,
    count_sources,
    print_split,
    versions,
    write_json,
)
from edge_asc.training.splits import Split, apart_from, hold_out
from edge_asc.training.stages import (
    Place,
    StageData,
    first_stage,
    joint_stage,
    pseudo_label,
    resume_random,
    run_stage,
    third_stage_recipe,
)
from edge_asc.training.train_options import TrainOptions
from edge_asc.training.training_state import require_same
from edge_asc.training.transfer import take_over


@dataclass(frozen=True, slots=True)
class SplitWindows:
    """The windows of one split, standardised by its training windows."""

    train: Windows
    weights: npt.NDArray[np.float64] | None
    validation: Windows | None
    unlabelled: Windows
    test: Windows
    scale: Standardization
    train_clips: list[Clip]

    def digest(self) -> str:
        """What the data of an interrupted run must share with that of its continuation."""
        parts = (self.train, self.unlabelled, self.test)
        facts = [self.scale.mean, *(part.label.tolist() for part in parts)]
        groups = [part.group for part in parts]
        return hashlib.sha256(json.dumps([facts, groups]).encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class SplitRun:
    """Trains on one split and writes its folder."""

    fabric: Fabric
    recipe: Recipe
    split: Split
    scenes: tuple[str, ...]
    features: FeatureReader
    out: Path
    options: TrainOptions

    @property
    def is_done(self) -> bool:
        """Whether an interrupted command had finished this split."""
        return self.options.resume and (self.out / "metrics.json").is_file()

    def result(self) -> SplitResult:
        """Return what a finished run predicted. Raises CheckpointError if it is another run."""
        path = self.out / "checkpoint.safetensors"
        require_same(path, load_checkpoint(path).recipe, self.recipe.to_dict())
        with np.load(self.out / "predictions.npz", allow_pickle=False) as stored:
            return self._score(stored["logits"], stored["label"], stored["group"].tolist())

    def train(self) -> SplitResult:
        """Train through all stages, test, and write what came of it."""
        started = time.monotonic()
        recipe, fabric = self.recipe, self.fabric
        fabric.seed_everything(recipe.loop.seed, verbose=False)
        windows = self._read_windows()
        network = make_network(recipe, len(self.scenes), windows.train.features.shape[1])
        frozen = take_over(network, recipe.transfer, self.options.backbone)
        self._say_what(windows, network)
        fitted, metrics = self._run_stages(windows, network, frozen)
        if recipe.int8.clip_share > 0.0:
            network, fitted = self._make_int8(windows, network, fitted, metrics)
        logits = self._predict(network, windows.test)
        result = self._score(logits, windows.test.label, windows.test.group)
        temperature = self._fit_temperature(network, windows.validation)
        metrics |= self._run_metrics(result.scores, fitted, temperature)
        metrics["parameters"] = count_parameters(network)
        metrics["seconds"] = round(time.monotonic() - started, 1)
        if fabric.is_global_zero:
            self._save(
                network.config,
                windows,
                fitted.state_dict,
                metrics=metrics,
                temperature=temperature or 1.0,
            )
            calibration = draw_windows(windows.train, recipe)
            save_windows(
                self.out / "windows.safetensors", calibration=calibration, test=windows.test
            )
            save_predictions(self.out / "predictions.npz", logits, windows.test)
            write_json(self.out / "metrics.json", metrics)
            print_split(self.split, metrics, result.scores, self.out)
        return result

    def _run_stages(
        self, windows: SplitWindows, network: SceneNetwork, frozen: nn.Module | None
    ) -> tuple[Fitted, dict[str, Any]]:
        """Stage 1 and, where the recipe has them and there is sound for them, stages 2 and 3.

        Leaves the final weights in `network`; returns them with what was measured on the way.
        """
        fabric, recipe, semi = self.fabric, self.recipe, self.recipe.semi
        writer = make_writer(self.out / "tensorboard") if fabric.is_global_zero else None
        run, resume = self._identity(windows), self.options.resume
        place = partial(Place, self.out, run=run, resume=resume, writer=writer)
        data = self._stage_data(windows)
        save = partial(self._save, network.config, windows)
        metrics: dict[str, Any] = {}
        has_more = semi.epochs > 0 and len(windows.unlabelled) > 0
        if semi.epochs > 0 and not has_more:
            say(fabric, "no clip without label on the training side: stage 1 is all there is")

        stage1_path = self.out / "stage1.safetensors"
        if resume and stage1_path.is_file():
            resume_random(place(stage=1))
            stage1 = load_checkpoint(stage1_path)
            network.load_state_dict(stage1.state_dict)
            metrics["stage1"] = stage1.metrics
        else:
            task = first_stage(network, data, frozen)
            fitted = run_stage(fabric, task, recipe, place(stage=1), save)
            network.load_state_dict(fitted.state_dict)
            if has_more:
                metrics["stage1"] = self._stage_metrics(network, windows, fitted)
                save(fitted.state_dict, metrics=metrics["stage1"], name=stage1_path.name)
        if has_more:
            pseudo, target = pseudo_label(fabric, network, windows.unlabelled, semi)
            metrics["num_pseudo_labelled"] = len(pseudo)
            say(fabric, f"stage 3: {len(pseudo)} of {len(windows.unlabelled)} windows labelled")
            task = joint_stage(network, data, pseudo, target, semi, frozen)
            fitted = run_stage(fabric, task, third_stage_recipe(recipe), place(stage=3), save)
            network.load_state_dict(fitted.state_dict)
        if writer is not None:
            writer.close()
        return fitted, metrics

    def _make_int8(
        self,
        windows: SplitWindows,
        network: SceneNetwork,
        fitted: Fitted,
        metrics: dict[str, Any],
    ) -> tuple[SceneNetwork, Fitted]:
        """The last stage: bound the network and put its weights on the int8 grid.

        Keeps the network as it was trained in a file of its own and its figures in `metrics`.
        """
        metrics["unbounded"] = self._stage_metrics(network, windows, fitted)
        name = "unbounded.safetensors"
        self._save(
            network.config, windows, fitted.state_dict, metrics=metrics["unbounded"], name=name
        )
        cities = {clip.context.city for clip in windows.train_clips}
        place = Place(self.out, 4, self._identity(windows), self.options.resume, writer=None)
        data = self._stage_data(windows)
        device = make_int8_network(
            self.fabric, network, data, self.recipe, windows.scale.limits, cities, place
        )
        return device, replace(fitted, state_dict=copy_weights(device))

    def _identity(self, windows: SplitWindows) -> dict[str, Any]:
        """What an interrupted run must share with its continuation."""
        backbone = self.options.backbone
        return {
            "recipe": self.recipe.to_dict(),
            "split": self.split.name,
            "data": windows.digest(),
            "backbone": None
            if backbone is None
            else hashlib.sha256(backbone.read_bytes()).hexdigest()[:16],
        }

    def _stage_data(self, windows: SplitWindows) -> StageData:
        augment = Augmenter(
            self.recipe.augment,
            mel_mean=windows.scale.mean,
            mel_std=windows.scale.std,
            limits=windows.scale.limits,
            frames_per_second=FeatureConfig().frames_per_second,
        )
        return StageData(windows.train, windows.weights, windows.validation, augment)

    def _read_windows(self) -> SplitWindows:
        recipe, split = self.recipe, self.split
        train_clips = split.train
        validation_clips: list[Clip] = []
        if recipe.loop.validation_share > 0.0:
            train_clips, validation_clips = hold_out(
                train_clips, recipe.loop.validation_share, recipe.loop.seed, split.held_out_by
            )
        unlabelled_clips = apart_from(
            validation_clips, split.unlabelled if recipe.semi.epochs else [], split.held_out_by
        )
        pieces, log_mels = self.features.read(train_clips, recipe.data.train_hop_s)
        weights = sampling_weights(pieces, recipe.data.balance)
        scale = measure_standardization(log_mels, weights, recipe.network.standardized_range)

        cities = {clip.context.city for clip in train_clips}

        def read(clips: Sequence[Clip]) -> Windows:
            found, some = self.features.read(clips, recipe.data.test_hop_s)
            return make_windows(forget_cities(found, cities), some, scale, self.scenes)

        return SplitWindows(
            train=make_windows(pieces, log_mels, scale, self.scenes),
            weights=weights,
            validation=read(validation_clips) if validation_clips else None,
            unlabelled=read(unlabelled_clips),
            test=read(split.test),
            scale=scale,
            train_clips=train_clips,
        )

    def _say_what(self, windows: SplitWindows, network: SceneNetwork) -> None:
        validation = 0 if windows.validation is None else len(windows.validation)
        say(
            self.fabric,
            f"{self.split.name}: {len(windows.train)} training windows of "
            f"{len(windows.train_clips)} clips, {len(windows.unlabelled)} without label, "
            f"{validation} validation windows, {len(windows.test)} test windows of "
            f"{len(self.split.test)} clips, {count_parameters(network):,} parameters",
        )

    def _predict(self, network: SceneNetwork, windows: Windows) -> npt.NDArray[np.float32]:
        return predict(network, network, windows, self.fabric.device).numpy()

    def _score(
        self, logits: npt.NDArray[np.float32], label: npt.NDArray[np.int64], group: list[str]
    ) -> SplitResult:
        predicted = logits.argmax(axis=1)
        scores = score(self.scenes, label, predicted, group, seed=self.recipe.loop.seed)
        return SplitResult(label, predicted, group, scores)

    def _fit_temperature(self, network: SceneNetwork, validation: Windows | None) -> float | None:
        """The temperature that makes confidence on validation windows true; None without any."""
        if validation is None:
            return None
        return fit_temperature(self._predict(network, validation), validation.label)

    def _stage_metrics(
        self, network: SceneNetwork, windows: SplitWindows, fitted: Fitted
    ) -> dict[str, Any]:
        test = windows.test
        scores = self._score(self._predict(network, test), test.label, test.group).scores
        return {"test": scores.to_dict(), "epoch": fitted.epoch, "epochs_run": fitted.epochs_run}

    def _save(
        self,
        network: NetworkConfig,
        windows: SplitWindows,
        weights: StateDict,
        epoch: int = 0,
        *,
        metrics: dict[str, Any] | None = None,
        temperature: float = 1.0,
        name: str = "checkpoint.safetensors",
    ) -> None:
        """Write a checkpoint; only the first process does."""
        if not self.fabric.is_global_zero:
            return
        checkpoint = describe(
            self.recipe,
            network,
            self.scenes,
            windows.train_clips,
            windows.scale,
            weights,
            {"epoch": epoch} if metrics is None else metrics,
        )
        save_checkpoint(self.out / name, replace(checkpoint, temperature=temperature))

    def _run_metrics(
        self, scores: Scores, fitted: Fitted, temperature: float | None
    ) -> dict[str, Any]:
        """Collect what metrics.json and the checkpoint remember of a run."""
        controls = metadata_controls(self.split.train, self.split.test)
        return {
            "recipe": self.recipe.name,
            "split": self.split.name,
            "protocol": self.options.protocol,
            "train_clips": count_sources(self.split.train),
            "train_scenes": sorted({str(clip.scene) for clip in self.split.train}),
            "test_clips": count_sources(self.split.test),
            "test_is_fair": self.split.is_fair_test,
            "test": scores.to_dict(),
            "controls": None if controls is None else controls.to_dict(),
            "controls_line": controls.line() if controls and controls.is_leaky else None,
            "temperature": temperature,
            "epoch": fitted.epoch,
            "epochs_run": fitted.epochs_run,
            "validation_macro_recall": fitted.validation_macro_recall,
            "fit_seconds": round(fitted.seconds, 1),
            "seed": self.recipe.loop.seed,
            "versions": versions(),
        }


def save_predictions(path: Path, logits: npt.NDArray[np.float32], windows: Windows) -> None:
    """Write what was predicted of which windows, whole or not at all."""
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        np.savez(file, logits=logits, label=windows.label, group=np.array(windows.group))


def say(fabric: Fabric, text: str) -> None:
    """Print progress on stderr, once."""
    if fabric.is_global_zero:
        print(text, file=sys.stderr)
