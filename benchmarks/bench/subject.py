"""What is measured: models, and the sound that they hear."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import soundfile

from edge_asc.archive import read_file
from edge_asc.audio import open_audio, read_blocks
from edge_asc.errors import AudioError
from edge_asc.interpreter import runtime_name
from edge_asc.mel_bands import BLOCK_FRAMES
from edge_asc.model_file import ModelFile

CLIP = Path(__file__).parent / "clip.ogg"
"""clip.md tells what it is and who made it."""

BUILT_IN = "built-in clip: 10 s inside a train"


@dataclass(frozen=True, slots=True)
class Subject:
    """A model under a name that no other of the run has."""

    name: str
    path: Path
    sha256: str
    model: ModelFile

    @property
    def hop_s(self) -> float:
        """Seconds of sound between two answers of a stream."""
        return BLOCK_FRAMES / self.model.manifest.features.frames_per_second

    def facts(self) -> dict[str, Any]:
        """As in `Result.models`."""
        manifest = self.model.manifest
        return {
            "name": self.name,
            "sha256": self.sha256,
            "variant": manifest.variant,
            "quantization": manifest.quantization,
            "window_s": manifest.window_s,
            "hop_s": self.hop_s,
            "streams": self.model.encoder is not None,
            "bytes": self.model.size_bytes,
            "runtime": runtime_name(),
        }


def read_subjects(paths: Sequence[Path]) -> list[Subject]:
    """Raises ModelFileError for a file that is no model or damaged, InterpreterError."""
    subjects: dict[str, Subject] = {}
    for path in {path.resolve(): path for path in paths}.values():
        data = read_file(path)
        model = ModelFile.from_bytes(data, str(path))
        name = next(name for name in _names(model, path) if name not in subjects)
        subjects[name] = Subject(name, path, hashlib.sha256(data).hexdigest(), model)
    return list(subjects.values())


def _names(model: ModelFile, path: Path) -> Iterator[str]:
    """Its own, with its file's, and then with numbers: no folders, which are nobody's business."""
    yield model.manifest.name
    yield f"{model.manifest.name} ({path.name})"
    yield from (f"{model.manifest.name} ({path.name} {number})" for number in itertools.count(2))


@dataclass(frozen=True, slots=True)
class Sound:
    """A sound file of at least one window."""

    path: Path
    facts: dict[str, Any]
    """`audio`, its name without folders; `audio_format`,
    `audio_seconds`, `rate_hz`, `channels`; `synthetic` if known"""
    window_path: Path
    """A WAV file of its first window, mono"""


@contextmanager
def opened_sound(path: Path | None, longest_window_s: float) -> Iterator[Sound]:
    """`path`, or the built-in clip as a 16-bit WAV file, as a recorder writes it.

    Raises AudioError for a file that is no sound or shorter than the longest window.
    """
    with TemporaryDirectory(prefix="edge-asc-bench-") as folder:
        window = Path(folder) / "window.wav"
        _write_window(path or CLIP, longest_window_s, window)
        if path is None:
            yield Sound(window, {"audio": BUILT_IN, **_facts(window), "synthetic": False}, window)
        else:
            yield Sound(path, {"audio": path.name, **_facts(path)}, window)


def _facts(path: Path) -> dict[str, Any]:
    with open_audio(path) as file:
        return {
            "audio_format": f"{file.format} {file.subtype}",
            "audio_seconds": round(file.frames / file.samplerate, 3),
            "rate_hz": file.samplerate,
            "channels": file.channels,
        }


def _write_window(source: Path, window_s: float, out: Path) -> None:
    with open_audio(source) as file:
        num_samples = round(window_s * file.samplerate)
        if file.frames < num_samples:
            raise AudioError(
                f"{source} lasts {file.frames / file.samplerate:.2f} s; a window of the model is"
                f" {window_s:g} s long: give a recording that is at least as long"
            )
        samples = next(read_blocks(file, num_samples))
        soundfile.write(out, samples, file.samplerate, subtype="PCM_16")
