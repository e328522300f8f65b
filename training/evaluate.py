"""How good a model is on labelled clips: a checkpoint, or the model file that devices run."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from tqdm import tqdm

from edge_asc.audio import read_audio
from edge_asc.classifier import SceneClassifier
from edge_asc.errors import DataError
from edge_asc.model_file import ModelFile
from edge_asc.training.checkpoint import Checkpoint, load_checkpoint
from edge_asc.training.corpus import (
    FeatureReader,
    Standardization,
    make_windows,
    read_clips,
)
from edge_asc.training.datasets import Clip
from edge_asc.training.datasets.folder import cut_windows
from edge_asc.training.loop import predict
from edge_asc.training.metrics import Scores, score
from edge_asc.training.recipe import DataRecipe
from edge_asc.training.splits import select_folds

CHECKPOINT_SUFFIX = ".safetensors"
OUTPUT_FORMATS = ("text", "json")

Labels = npt.NDArray[np.int64]


def evaluate_command(
    model: Path, data: list[Path], folds: list[str] | None, output_format: str
) -> None:
    """Print how good `model` is on the labelled clips of `data`.

    A model file is judged by the way it is used: sound through resampler, features and the TFLite
    interpreter to the estimate of each window. Whether it was trained on these clips it cannot
    know: name the folds that it was not trained on.

    Args:
        model: a checkpoint (.safetensors) or a model file (.tflite).
        data: folders with a table of clips.
        folds: folds to use, or None for all clips.
        output_format: "text" or "json".

    Raises:
        DataError: no clips, an unknown fold, or a label that the model does not know.
        CheckpointError, ModelFileError: the model cannot be used.
    """
    if output_format not in OUTPUT_FORMATS:
        raise DataError(f"format must be one of {', '.join(OUTPUT_FORMATS)}, got {output_format!r}")
    clips = read_clips(data, DataRecipe())
    if folds is not None:
        clips = select_folds(clips, folds)
    if model.suffix == CHECKPOINT_SUFFIX:
        scores = evaluate_checkpoint(load_checkpoint(model), clips)
    else:
        scores = evaluate_model_file(ModelFile.read(model), clips)
    if output_format == "json":
        description = {
            "model": model.name,
            "data": [folder.resolve().name for folder in data],
            "folds": folds,
            "num_clips": len(clips),
        }
        print(json.dumps({**description, **scores.to_dict()}))
        return
    part = "all folds" if folds is None else f"folds {', '.join(folds)}"
    names = ", ".join(folder.resolve().name for folder in data)
    print(f"{model.name} on {len(clips)} clips of {names} ({part})")
    print("\n".join(f"  {line}" for line in scores.lines()))


def evaluate_checkpoint(checkpoint: Checkpoint, clips: Sequence[Clip]) -> Scores:
    """Score a checkpoint on whole windows of `clips`, end to end."""
    check_labels(checkpoint.scenes, clips)
    reader = FeatureReader(checkpoint.window_s, checkpoint.features)
    pieces, features = reader.read(clips, hop_s=checkpoint.window_s)
    scale = Standardization(checkpoint.mel_mean, checkpoint.mel_std, checkpoint.standardized_range)
    windows = make_windows(pieces, features, scale, checkpoint.scenes)
    network = checkpoint.build_network()
    predicted = predict(network, network, windows, torch.device("cpu")).argmax(dim=1).numpy()
    return score(checkpoint.scenes, windows.label, predicted, windows.group)


def evaluate_model_file(model: ModelFile, clips: Sequence[Clip]) -> Scores:
    """Score a model file on whole windows of `clips`, by the runtime's own path from sound on."""
    scenes = model.manifest.scenes
    check_labels(scenes, clips)
    classifier = SceneClassifier(model)
    window_s = model.manifest.window_s
    pieces = cut_windows(clips, window_s, window_s)
    label, predicted = [], []
    for piece in tqdm(pieces, "windows", disable=not sys.stderr.isatty()):
        samples = read_audio(piece.path, classifier.sample_rate_hz, piece.start_s, piece.duration_s)
        # Lossy formats and resampling may round a clip's length up.
        estimate = classifier.classify(samples[: classifier.window_samples], piece.context)
        label.append(scenes.index(str(piece.scene)))
        predicted.append(scenes.index(estimate.scene))
    groups = [piece.group for piece in pieces]
    return score(scenes, np.array(label), np.array(predicted), groups)


def check_labels(scenes: Sequence[str], clips: Sequence[Clip]) -> None:
    """Raise DataError for a clip whose label the model cannot answer."""
    foreign = sorted({str(clip.scene) for clip in clips} - set(scenes))
    if foreign:
        raise DataError(
            f"the data has the label {foreign[0]!r}, which this model does not know; "
            f"it knows {', '.join(scenes)}"
        )
