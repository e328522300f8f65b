"""How good a model is on labelled clips: a checkpoint, or the model file that devices run.

Both are asked the same question for every window: how likely is each scene, under each condition of
`context_report`. All figures follow from these answers.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch
from tqdm import tqdm

from edge_asc.audio import read_audio
from edge_asc.classifier import SceneClassifier
from edge_asc.context import SceneContext
from edge_asc.errors import DataError
from edge_asc.model_file import ModelFile
from edge_asc.training.calibration import Calibration, calibration_error, softmax
from edge_asc.training.checkpoint import Checkpoint, load_checkpoint
from edge_asc.training.context_report import (
    Condition,
    ContextReport,
    context_conditions,
    context_report,
)
from edge_asc.training.controls import metadata_controls
from edge_asc.training.corpus import FeatureReader, Standardization, make_windows, read_clips
from edge_asc.training.datasets import Clip
from edge_asc.training.datasets.folder import cut_windows
from edge_asc.training.evaluation_report import OUTPUT_FORMATS, as_json, as_text, write_page
from edge_asc.training.loop import predict
from edge_asc.training.metrics import Part, Scores, break_down, score
from edge_asc.training.protocols import protocol_splits
from edge_asc.training.recipe import DataRecipe
from edge_asc.training.splits import Split, select_folds

CHECKPOINT_SUFFIX = ".safetensors"

Probabilities = npt.NDArray[np.floating[Any]]
"""shape (N, num_scenes)"""


@dataclass(frozen=True, slots=True)
class Subject:
    """What was judged, on what."""

    model: str
    """Name of the file"""
    data: tuple[str, ...]
    """Names of the folders"""
    part: str
    """Which of their clips, in words"""
    folds: tuple[str, ...] | None
    protocol: str | None
    """With its seed and part; None where folds were named."""

    def text(self, num_clips: int) -> str:
        """Say it all in one line."""
        return f"{self.model} on {num_clips} clips of {', '.join(self.data)} ({self.part})"


@dataclass(frozen=True, slots=True)
class Evaluation:
    """All figures of one model on some clips."""

    subject: Subject
    num_clips: int
    window_s: float
    trained_on: dict[str, int] | None
    """Number of training clips by data set, as far as the model remembers."""
    controls_line: str | None
    """What metadata alone reach on this split, where it is known, else on the one the model was
    trained for, if it remembers that."""
    temperature: float
    """1.0 = not fitted"""
    scores: Scores
    calibration: Calibration
    by_city: tuple[Part, ...]
    """Empty where no clip tells its city."""
    by_group: tuple[Part, ...]
    num_untrained_city: int
    """Windows from cities that the model was not trained on: it takes them as unknown."""
    context: ContextReport


class Judge(Protocol):
    """A model that can be asked."""

    scenes: tuple[str, ...]
    trained_cities: tuple[str, ...]
    uses_context: bool
    window_s: float
    temperature: float
    metrics: Mapping[str, Any]
    """What its training run remembers, as in metrics.json"""

    def answer(
        self, pieces: Sequence[Clip], conditions: Sequence[Condition]
    ) -> dict[str, Probabilities]:
        """Calibrated probabilities of every piece under every condition."""


def evaluate_command(
    model: Path,
    data: list[Path],
    folds: list[str] | None,
    output_format: str,
    *,
    html: Path | None = None,
    protocol: str | None = None,
    seed: int = 0,
    part: int | None = None,
) -> None:
    """Print how good `model` is on the labelled clips of `data`.

    A model file is judged by the way it is used: sound through resampler, features and the TFLite
    interpreter to the estimate of each window. Whether it was trained on these clips it cannot
    know: name the folds, or the part of the protocol, that it was not trained on.

    Args:
        model: a checkpoint (.safetensors) or a model file (.tflite).
        data: folders with a data set.
        folds: folds to use, or None for all clips.
        output_format: "text" or "json".
        html: where to write a page with plots as well, or None.
        protocol: judge on the test clips of this protocol, instead of folds.
        seed: the protocol's.
        part: which of the protocol's splits, counted from 1; None where it has only one.

    Raises:
        DataError: no clips, an unknown fold or protocol, or a label that the model does not know.
        CheckpointError, ModelFileError: the model cannot be used.
    """
    if output_format not in OUTPUT_FORMATS:
        raise DataError(f"format must be one of {', '.join(OUTPUT_FORMATS)}, got {output_format!r}")
    judge = load_judge(model)
    if protocol is None:
        clips, words = _chosen_folds(data, folds)
        split = None
    elif folds is None:
        split = _protocol_split(data, protocol, seed, part)
        clips, words = split.test, f"protocol {split.name}, seed {seed}"
    else:
        raise DataError("give either folds or a protocol, which makes its own; got both")
    subject = Subject(
        model=model.name,
        data=tuple(folder.resolve().name for folder in data),
        part=words,
        folds=None if folds is None else tuple(folds),
        protocol=None if protocol is None else words,
    )
    evaluation = evaluate(judge, clips, subject)
    controls = None if split is None else metadata_controls(split.train, split.test)
    if controls is not None:
        evaluation = replace(evaluation, controls_line=controls.line())
    print(as_json(evaluation) if output_format == "json" else as_text(evaluation))
    if html is not None:
        write_page(evaluation, html)
        print(f"written to {html}", file=sys.stderr)


def load_judge(model: Path) -> Judge:
    """Read a checkpoint or a model file. Raises CheckpointError, ModelFileError."""
    if model.suffix == CHECKPOINT_SUFFIX:
        return CheckpointJudge(load_checkpoint(model))
    return ModelFileJudge(ModelFile.read(model))


def _chosen_folds(data: Sequence[Path], folds: list[str] | None) -> tuple[list[Clip], str]:
    """Clips of the folds, and these in words."""
    clips = read_clips(data, DataRecipe())
    if folds is None:
        return clips, "all folds"
    return select_folds(clips, folds), f"folds {', '.join(folds)}"


def _protocol_split(data: Sequence[Path], protocol: str, seed: int, part: int | None) -> Split:
    # Folds are dealt over all clips, unlabelled ones too, as in training.
    clips = read_clips(data, DataRecipe(), with_unlabelled=True)
    splits = protocol_splits(clips, protocol, seed)
    names = ", ".join(f"{number} {split.name}" for number, split in enumerate(splits, start=1))
    if part is None and len(splits) > 1:
        raise DataError(
            f"protocol {protocol} has {len(splits)} parts, and a model is fit to be tested on the "
            f"one that it was not trained on: choose by number ({names})"
        )
    number = 1 if part is None else part
    if not 1 <= number <= len(splits):
        raise DataError(f"protocol {protocol} has no part {number}; its parts: {names}")
    return splits[number - 1]


def evaluate(judge: Judge, clips: Sequence[Clip], subject: Subject, *, seed: int = 0) -> Evaluation:
    """Judge `clips` by whole windows; `seed` shuffles contexts and draws groups.

    Raises:
        DataError: a label that the model does not know.
    """
    check_labels(judge.scenes, clips)
    pieces = cut_windows(clips, judge.window_s, judge.window_s)
    contexts = [_usable(piece.context, judge) for piece in pieces]
    conditions = context_conditions(contexts, uses_context=judge.uses_context, seed=seed)
    answers = judge.answer(pieces, conditions)
    told = next(c.name for c in conditions if c.has_sound and c.contexts == contexts)

    label = np.array([judge.scenes.index(str(piece.scene)) for piece in pieces], np.int64)
    group = [piece.group for piece in pieces]
    predicted = answers[told].argmax(axis=1)
    right = predicted == label
    cities = [piece.context.city for piece in pieces]
    return Evaluation(
        subject=subject,
        num_clips=len(clips),
        window_s=judge.window_s,
        trained_on=judge.metrics.get("train_clips"),
        controls_line=judge.metrics.get("controls_line"),
        temperature=judge.temperature,
        scores=score(judge.scenes, label, predicted, group, seed=seed),
        calibration=calibration_error(answers[told], label, group=group, seed=seed),
        by_city=break_down(cities, right, group, seed=seed) if any(cities) else (),
        by_group=break_down(group, right, group, seed=seed),
        num_untrained_city=_count_untrained(cities, judge),
        context=context_report(answers, label, group, uses_context=judge.uses_context, seed=seed),
    )


class CheckpointJudge:
    """A PyTorch network."""

    def __init__(self, checkpoint: Checkpoint) -> None:
        self._checkpoint = checkpoint
        self.scenes = checkpoint.scenes
        self.trained_cities = checkpoint.trained_cities
        self.uses_context = checkpoint.network.uses_context
        self.window_s = checkpoint.window_s
        self.temperature = checkpoint.temperature
        self.metrics: Mapping[str, Any] = checkpoint.metrics

    def answer(
        self, pieces: Sequence[Clip], conditions: Sequence[Condition]
    ) -> dict[str, Probabilities]:
        """Calibrated probabilities of every piece under every condition."""
        facts = self._checkpoint
        _, features = FeatureReader(facts.window_s, facts.features).read(pieces, facts.window_s)
        scale = Standardization(facts.mel_mean, facts.mel_std, facts.standardized_range)
        windows = make_windows(pieces, features, scale, facts.scenes)
        network = facts.build_network()
        answers = {}
        for condition in conditions:
            asked = replace(
                windows,
                features=windows.features
                if condition.has_sound
                else np.zeros_like(windows.features),
                city=np.stack([c.encode_city(facts.cities) for c in condition.contexts]),
                time=np.stack([c.encode_time() for c in condition.contexts]),
            )
            logits = predict(network, network, asked, torch.device("cpu")).numpy()
            answers[condition.name] = softmax(logits / self.temperature)
        return answers


class ModelFileJudge:
    """A model file, run as on a device."""

    def __init__(self, model: ModelFile) -> None:
        facts = model.manifest
        self._classifier = SceneClassifier(model)
        self.scenes = facts.scenes
        self.trained_cities = facts.trained_cities
        self.uses_context = facts.uses_context
        self.window_s = facts.window_s
        self.temperature = facts.temperature
        self.metrics: Mapping[str, Any] = facts.card.get("evaluation", {})

    def answer(
        self, pieces: Sequence[Clip], conditions: Sequence[Condition]
    ) -> dict[str, Probabilities]:
        """Calibrated probabilities of every piece under every condition."""
        classifier = self._classifier
        rows: dict[str, list[npt.NDArray[np.float32]]] = {c.name: [] for c in conditions}
        for index, piece in enumerate(
            tqdm(pieces, "windows", disable=not sys.stderr.isatty(), leave=False)
        ):
            samples = read_audio(
                piece.path, classifier.sample_rate_hz, piece.start_s, piece.duration_s
            )
            # Lossy formats and resampling may round a clip's length up.
            features, _ = classifier.window_features(samples[: classifier.window_samples])
            seen: dict[tuple[SceneContext, bool], npt.NDArray[np.float32]] = {}
            for condition in conditions:
                key = condition.contexts[index], condition.has_sound
                if key not in seen:
                    heard = features if condition.has_sound else np.zeros_like(features)
                    seen[key] = classifier.probabilities(heard, key[0])
                rows[condition.name].append(seen[key])
        return {name: np.stack(values) for name, values in rows.items()}


def check_labels(scenes: Sequence[str], clips: Sequence[Clip]) -> None:
    """Raise DataError for a clip whose label the model cannot answer."""
    foreign = sorted({str(clip.scene) for clip in clips} - set(scenes))
    if foreign:
        raise DataError(
            f"the data has the label {foreign[0]!r}, which this model does not know; "
            f"it knows {', '.join(scenes)}"
        )


def _usable(context: SceneContext, judge: Judge) -> SceneContext:
    """What a device makes of a context: none if the network takes none, no city it never learnt."""
    if not judge.uses_context:
        return SceneContext()
    return context if context.city in judge.trained_cities else replace(context, city=None)


def _count_untrained(cities: Sequence[str | None], judge: Judge) -> int:
    if not judge.uses_context:
        return 0
    return sum(city is not None and city not in judge.trained_cities for city in cities)
