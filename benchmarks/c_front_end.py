"""How far is the C front end of firmware from the front end of the runtime, and does it matter?

    python -m edge_asc.benchmarks.c_front_end FOLDER ... [--every 1] [--model FILE]

The first ten seconds of every recording below each FOLDER, as 16 bits, through the C code as gcc
compiles it for this computer (a board gives the same bits), in single precision and in integers,
against FourierBands in double precision: levels by how quiet they are, int8 features, and answers
of the model's streaming networks. A recording that is shorter than a window is repeated.
"""

from __future__ import annotations

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # numpy reads it when it is loaded

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click
import numpy as np
import numpy.typing as npt

from edge_asc.audio import read_audio
from edge_asc.context import SceneContext
from edge_asc.features import FeatureConfig, LogMelStream, standardize
from edge_asc.firmware_bridge.frontend.host import HeardCells, HostFrontEnd
from edge_asc.interpreter import Network
from edge_asc.mel_bands import BLOCK_FRAMES, FourierBands, hann, mel_matrix
from edge_asc.model_file import ModelFile, default_model_path
from edge_asc.windows import fit_to_window

LIMITS_DB = (0, 20, 40, 60, 80, 100, 120)
"""Below the loudest bin of a frame; the last row is all that is quieter."""

SILENCE_DB = -99.999
Doubles = npt.NDArray[np.float64]
Sound = npt.NDArray[np.int16]


@dataclass
class Errors:
    """Of one arithmetic, over all recordings."""

    cells: npt.NDArray[np.int64] = field(default_factory=lambda: np.zeros(7, np.int64))
    """For each row of LIMITS_DB"""
    largest_db: Doubles = field(default_factory=lambda: np.zeros(7))
    coarse: npt.NDArray[np.int64] = field(default_factory=lambda: np.zeros(7, np.int64))
    """Cells that are off by more than 1e-4 dB"""
    num_features: int = 0
    other_features: int = 0
    windows: int = 0
    other_scenes: int = 0
    largest_logit_steps: int = 0


class Answers:
    """Int8 logits of a model's encoder and head, with unknown context."""

    def __init__(self, model: ModelFile) -> None:
        assert model.encoder is not None
        assert model.head is not None
        self._encoder, self._head = Network(model.encoder), Network(model.head)
        self.features = self._encoder.inputs["features"]
        context = SceneContext()
        cities = model.manifest.cities
        known = {"city": context.encode_city(cities)[None], "time": context.encode_time()[None]}
        self._context = known if model.manifest.uses_context else {}

    def logits(self, features: npt.NDArray[np.int8]) -> npt.NDArray[Any]:
        """Of one window, features of shape (num_frames, num_mels)."""
        cells = features.reshape(-1, BLOCK_FRAMES, features.shape[1])
        steps = [self._encoder.invoke(features=cell[None, :, :, None]) for cell in cells]
        whole = self._head.inputs["steps"].quantize(
            self._encoder.output.dequantize(np.concatenate(steps, axis=1))
        )
        logits: npt.NDArray[Any] = self._head.invoke(steps=whole, **self._context)[0]
        return logits.astype(int)


def reference(sound: Sound, model: ModelFile, answers: Answers) -> HeardCells:
    """What the runtime makes of a window with FourierBands."""
    facts = model.manifest
    frames = LogMelStream(facts.features, FourierBands(facts.features)).process(
        sound / np.float32(32768.0)
    )
    cells, highest = [], -np.inf
    for cell in np.split(frames, len(frames) // BLOCK_FRAMES):
        highest = max(highest, float(cell.max()))
        floored = np.maximum(cell, np.float32(highest - facts.features.top_db))
        limits = facts.standardized_range
        cells.append(standardize(floored, facts.mel_mean, facts.mel_std, limits))
    numbers = answers.features.quantize(np.concatenate(cells))
    return HeardCells(frames.astype(np.float64), numbers)


def decibels_below(levels: Doubles, sound: Sound, config: FeatureConfig) -> Doubles:
    """How far each band's mean magnitude is below the loudest bin of its frame, DC included."""
    padded = np.concatenate([np.zeros(config.hop_samples), sound / 32768.0])
    starts = np.arange(len(levels))[:, None] * config.hop_samples
    frames = padded[starts + np.arange(config.window_samples)] * hann(config.window_samples)
    loudest = np.abs(np.fft.rfft(frames, config.fft_size)).max(axis=1, keepdims=True)
    means = 10.0 ** (levels / 10.0) / mel_matrix(config).sum(axis=1)
    return np.asarray(20.0 * np.log10(np.maximum(loudest, 1e-12) / means))


def add(
    errors: Errors, found: HeardCells, expected: HeardCells, below: Doubles, answers: Answers
) -> None:
    """Count one window."""
    off = np.abs(found.levels - expected.levels)
    rows = np.clip(np.digitize(below, LIMITS_DB) - 1, 0, len(LIMITS_DB) - 1)
    audible = expected.levels > SILENCE_DB
    for row in range(len(LIMITS_DB)):
        chosen = off[(rows == row) & audible]
        errors.cells[row] += len(chosen)
        errors.coarse[row] += np.count_nonzero(chosen > 1e-4)
        errors.largest_db[row] = max(errors.largest_db[row], chosen.max(initial=0.0))
    errors.num_features += found.features.size
    errors.other_features += np.count_nonzero(found.features != expected.features)
    one, other = (answers.logits(heard.features) for heard in (expected, found))
    errors.windows += 1
    errors.other_scenes += int(one.argmax() != other.argmax())
    errors.largest_logit_steps = max(errors.largest_logit_steps, int(np.abs(one - other).max()))


def windows_below(folder: Path, every: int, model: ModelFile) -> Iterator[Sound]:
    """A window of every so many-th recording, as a microphone of 16 bits gives it."""
    paths = sorted(path for path in folder.rglob("*") if path.suffix in (".flac", ".ogg", ".wav"))
    if not paths:
        raise click.UsageError(f"no recording (.flac, .ogg, .wav) in or below {folder}")
    facts = model.manifest
    for path in paths[::every]:
        heard = read_audio(path, facts.features.sample_rate_hz, 0.0, facts.window_s)
        samples, _ = fit_to_window(heard[: facts.window_samples], facts.window_samples)
        yield np.clip(np.rint(samples * 32768.0), -32768, 32767).astype(np.int16)


def show(errors: dict[str, Errors]) -> None:
    """Two tables in Markdown."""
    names = list(errors)
    click.echo(
        "| below the loudest bin | cells |"
        + "".join(f" {name}: largest error | more than 1e-4 dB |" for name in names)
    )
    click.echo("|---|---:|" + "---:|---:|" * len(names))
    for row, low in enumerate(LIMITS_DB):
        title = f"{low} to {LIMITS_DB[row + 1]} dB" if row + 1 < len(LIMITS_DB) else "more"
        told = "".join(
            f" {one.largest_db[row]:.1e} dB | {one.coarse[row]} |" for one in errors.values()
        )
        click.echo(f"| {title} | {errors[names[0]].cells[row]:,} |{told}")
    click.echo("\n| arithmetic | windows | other scene | other int8 features | largest step |")
    click.echo("|---|---:|---:|---:|---:|")
    for name, one in errors.items():
        share = 100.0 * one.other_features / one.num_features
        click.echo(
            f"| {name} | {one.windows} | {one.other_scenes} | {one.other_features} of"
            f" {one.num_features:,} ({share:.4f} %) | {one.largest_logit_steps} of a logit |"
        )


@click.command()
@click.argument("folders", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--every", type=click.IntRange(min=1), default=1, show_default=True)
@click.option("--model", type=click.Path(exists=True, path_type=Path), default=default_model_path)
def main(folders: tuple[Path, ...], every: int, model: Path) -> None:
    """Print how far the C front end is from the runtime's."""
    file = ModelFile.read(model)
    answers, config = Answers(file), file.manifest.features
    errors = {"single precision": Errors(), "integers": Errors()}
    with tempfile.TemporaryDirectory() as folder:
        ways = {
            name: HostFrontEnd(file, Path(folder) / name, fixed_point=name == "integers")
            for name in errors
        }
        for recordings in folders:
            for sound in windows_below(recordings, every, file):
                expected = reference(sound, file, answers)
                below = decibels_below(expected.levels, sound, config)
                for name, way in ways.items():
                    add(errors[name], way.hear(sound), expected, below, answers)
    show(errors)


if __name__ == "__main__":
    main()
