"""Windows of real sound with the answers that a package must give: for `firmware check --vectors`.

    python -m edge_asc.firmware_bridge.boards.model_vectors DIR -o windows.npz

DIR holds recordings. Features and context go to encoder and head as the runtime quantizes them;
the interpreter whose arithmetic the package follows says the answers. Sound is heard as a stream
with its city and time unknown, and answered by the runtime's front end and the same interpreter.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from pathlib import Path

import click
import numpy as np

from edge_asc.audio import read_audio
from edge_asc.classifier import SceneClassifier
from edge_asc.context import SceneContext
from edge_asc.errors import EdgeAscError, FirmwareError
from edge_asc.features import LogMelStream
from edge_asc.firmware_bridge.boards.vectors import Int8, Int16, Vectors
from edge_asc.firmware_bridge.codegen.compare import Inputs, real_windows
from edge_asc.firmware_bridge.codegen.compiler import compile_model
from edge_asc.firmware_bridge.codegen.oracle import ARITHMETICS, Arithmetic
from edge_asc.firmware_bridge.codegen.vectors import ModelOracle, Vector
from edge_asc.mel_bands import BLOCK_FRAMES
from edge_asc.model_file import ModelFile, default_model_path
from edge_asc.windows import fit_to_window

FULL_SCALE = 32_768


class Answers:
    """What a package of `model` must answer."""

    def __init__(self, model: ModelFile, arithmetic: Arithmetic) -> None:
        """Raises FirmwareError for a model that cannot become firmware."""
        self.model = model
        encoder, head = compile_model(model, arithmetic)
        self._oracle = ModelOracle(model, encoder, head)
        self._classifier = SceneClassifier(model)

    def of_features(self, windows: Sequence[Inputs]) -> Vectors:
        """Of standardised features with city and time."""
        cells, heads = [], []
        for window in windows:
            encoded = self._oracle.encode(window.features)
            cells.append(np.stack([_input(cell, "features") for cell in encoded]))
            heads.append(self._oracle.classify(encoded, window.context))
        city, time = (
            np.stack([_input(head, name) for head in heads]) if name in heads[0].inputs else None
            for name in ("city", "time")
        )
        logits = np.stack([head.outputs[0].ravel() for head in heads])
        return Vectors(np.stack(cells), city, time, logits)

    def of_sound(self, windows: Sequence[Int16]) -> Vectors:
        """Of sound, shape (window_samples,) each, nothing before it, city and time unknown."""
        logits = np.stack([self._hear(window) for window in windows])
        return Vectors(samples=np.stack(windows), sound_logits=logits)

    def _hear(self, samples: Int16) -> Int8:
        """As `SceneClassifier.process` does, but for the interpreter's kernels."""
        facts = self.model.manifest
        highest: deque[float] = deque(maxlen=facts.num_frames // BLOCK_FRAMES)
        frames = LogMelStream(facts.features).process(samples.astype(np.float32) / FULL_SCALE)
        cells = []
        for block in frames.reshape(-1, BLOCK_FRAMES, facts.features.num_mels):
            highest.append(float(block.max()))
            floored = np.maximum(block, np.float32(max(highest) - facts.features.top_db))
            cells += self._oracle.encode(self._classifier.standardize(floored))
        context = {}
        if facts.uses_context:
            nowhere = SceneContext(None, None)
            context = {"city": nowhere.encode_city(facts.cities), "time": nowhere.encode_time()}
        answer: Int8 = self._oracle.classify(cells, context).outputs[0].ravel()
        return answer


def sound_windows(folder: Path, sample_rate_hz: int, samples: int, count: int) -> list[Int16]:
    """A window of each of `count` recordings, chosen by a seed; shorter ones are repeated.

    Raises FirmwareError for too few.
    """
    paths = sorted(path for end in ("wav", "flac", "ogg") for path in folder.rglob(f"*.{end}"))
    if len(paths) < count:
        raise FirmwareError(
            f"{folder} holds {len(paths)} recordings (wav, flac, ogg), {count} were asked for: name"
            " another folder, or fewer"
        )
    chosen = np.random.default_rng(0).permutation(len(paths))[:count]
    return [_window(paths[at], sample_rate_hz, samples) for at in chosen]


def _window(path: Path, sample_rate_hz: int, samples: int) -> Int16:
    sound, _ = fit_to_window(read_audio(path, sample_rate_hz)[:samples], samples)
    scaled = np.rint(sound * FULL_SCALE).clip(-FULL_SCALE, FULL_SCALE - 1)
    window: Int16 = scaled.astype(np.int16)
    return window


def model_vectors(
    model: ModelFile, folder: Path, arithmetic: Arithmetic, num_features: int, num_sounds: int
) -> Vectors:
    """Windows of recordings in `folder`; raises FirmwareError for too few."""
    answers = Answers(model, arithmetic)
    features = answers.of_features(list(real_windows(model, folder, num_features)))
    facts = model.manifest
    sounds = sound_windows(folder, facts.features.sample_rate_hz, facts.window_samples, num_sounds)
    heard = answers.of_sound(sounds)
    return Vectors(
        features.features,
        features.city,
        features.time,
        features.logits,
        heard.samples,
        heard.sound_logits,
    )


def _input(vector: Vector, name: str) -> Int8:
    values: Int8 = np.asarray(vector.inputs[name], np.int8).ravel()
    return values


@click.command(help=__doc__)
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--model", type=click.Path(path_type=Path), help="Default: the shipped one.")
@click.option("--arith", type=click.Choice(ARITHMETICS), default="litert", show_default=True)
@click.option("--windows", type=click.IntRange(min=1), default=20, show_default=True)
@click.option("--sounds", type=click.IntRange(min=1), default=4, show_default=True)
@click.option("-o", "--out", type=click.Path(path_type=Path), required=True)
def main(
    folder: Path, model: Path | None, arith: Arithmetic, windows: int, sounds: int, out: Path
) -> None:
    """Write the windows of one model."""
    try:
        read = ModelFile.read(model or default_model_path())
        model_vectors(read, folder, arith, windows, sounds).write(out)
    except EdgeAscError as error:
        raise click.ClickException(str(error)) from error


if __name__ == "__main__":
    main()
