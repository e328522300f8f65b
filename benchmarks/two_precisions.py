"""Does an answer depend on the way in which the front end computes?

    python -m edge_asc.benchmarks.two_precisions FOLDER ... [--every 1] [--model FILE]

Every window of every recording below each FOLDER, by FourierBands in double and by ProductBands in
single precision: how far features and probabilities are apart, which int8 inputs differ, and
whether a scene does. A recording that is shorter than a window is repeated.
"""

from __future__ import annotations

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # numpy reads it when it is loaded

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import click
import numpy as np

from edge_asc.audio import read_audio
from edge_asc.classifier import SceneClassifier
from edge_asc.context import SceneContext
from edge_asc.features import Samples, log_mel
from edge_asc.interpreter import Network
from edge_asc.mel_bands import FourierBands, MelBands, ProductBands
from edge_asc.model_file import ModelFile, default_model_path
from edge_asc.windows import fit_to_window


@dataclass
class Differences:
    """Between the two ways, over all windows."""

    num_windows: int = 0
    num_other_scenes: int = 0
    largest_db: float = 0.0
    largest_probability: float = 0.0
    other_inputs: list[float] = field(default_factory=list)
    """Share of the int8 inputs that differ, for each window"""


def compare(model: ModelFile, windows: Iterator[Samples]) -> Differences:
    """Run each window, as long as the model's, by either way."""
    classifier, found = SceneClassifier(model), Differences()
    config = classifier.manifest.features
    ways: tuple[MelBands, MelBands] = (FourierBands(config), ProductBands(config))
    taken = Network(model.whole).inputs["features"]
    for window in windows:
        exact, rounded = (log_mel(window, config, bands) for bands in ways)
        inputs = [classifier.standardize(frames) for frames in (exact, rounded)]
        before, after = (taken.quantize(values) for values in inputs)
        one, other = (classifier.probabilities(values, SceneContext()) for values in inputs)
        found.num_windows += 1
        found.num_other_scenes += int(one.argmax() != other.argmax())
        found.largest_db = max(found.largest_db, float(np.abs(exact - rounded).max()))
        apart = float(np.abs(one - other).max())
        found.largest_probability = max(found.largest_probability, apart)
        found.other_inputs.append(float(np.mean(before != after)))
    return found


def windows_below(folder: Path, every: int, rate_hz: int, window_samples: int) -> Iterator[Samples]:
    """Windows that follow each other, of every so many-th recording."""
    paths = sorted(path for path in folder.rglob("*") if path.suffix in (".flac", ".ogg", ".wav"))
    if not paths:
        raise click.UsageError(f"no recording (.flac, .ogg, .wav) in or below {folder}")
    for path in paths[::every]:
        samples = read_audio(path, rate_hz)
        for start in range(0, max(1, len(samples) - window_samples + 1), window_samples):
            yield fit_to_window(samples[start : start + window_samples], window_samples)[0]


@click.command()
@click.argument("folders", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--every", type=click.IntRange(min=1), default=1, show_default=True)
@click.option("--model", type=click.Path(exists=True, path_type=Path), default=default_model_path)
def main(folders: tuple[Path, ...], every: int, model: Path) -> None:
    """Print how far the two ways are apart, a row for each FOLDER."""
    file = ModelFile.read(model)
    rate_hz, size = file.manifest.features.sample_rate_hz, file.manifest.window_samples
    click.echo("| recordings | windows | other scene | probability | features | int8 inputs |")
    click.echo("|---|---:|---:|---:|---:|---:|")
    for folder in folders:
        found = compare(file, windows_below(folder, every, rate_hz, size))
        click.echo(
            f"| {folder.name} | {found.num_windows} | {found.num_other_scenes} |"
            f" {found.largest_probability:.3f} | {found.largest_db:.3f} dB |"
            f" {100 * np.mean(found.other_inputs):.3f} % |"
        )


if __name__ == "__main__":
    main()
