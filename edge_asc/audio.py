"""Sound files: opened with clear errors, read in blocks, mixed to mono."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from edge_asc.errors import AudioError
from edge_asc.features import Samples
from edge_asc.resample import resample

if TYPE_CHECKING:
    import soundfile


def check_file(path: Path) -> None:
    """Raise AudioError unless `path` is a file with something in it."""
    if path.is_dir():
        raise AudioError(f"{path} is a folder; name the files in it, for instance {path}/*.wav")
    if not path.exists():
        raise AudioError(f"{path}: no such file")
    if path.is_file() and path.stat().st_size == 0:
        raise AudioError(f"{path} is empty (0 bytes): nothing was ever written to it")


def open_audio(path: Path) -> soundfile.SoundFile:
    """Open a sound file for reading. The caller closes it. Raises AudioError."""
    check_file(path)
    library = _soundfile()
    try:
        file = library.SoundFile(path)
    # A TypeError is soundfile asking for the rate of a file whose name ends in .raw.
    except (library.LibsndfileError, TypeError) as error:
        raise AudioError(
            f"{path} cannot be read as sound: {error}. Allowed are WAV, FLAC, Ogg, MP3, AIFF and"
            " the other formats of libsndfile; raw PCM goes to standard input with --source -"
        ) from error
    if file.frames == 0:
        file.close()
        raise AudioError(f"{path} holds no sound: its header is there, but 0 samples follow")
    return file


def read_blocks(file: soundfile.SoundFile, block_samples: int) -> Iterator[Samples]:
    """The rest of an open file as mono blocks, shape (block_samples or fewer,), or AudioError."""
    library = _soundfile()
    while True:
        start_s = file.tell() / file.samplerate
        try:
            frames = file.read(block_samples, dtype="float32", always_2d=True)
        except library.LibsndfileError as error:
            raise AudioError(f"{file.name} is damaged at {start_s:.2f} s: {error}") from error
        if len(frames) == 0:
            return
        check_finite(frames, str(file.name), start_s, file.samplerate)
        yield to_mono(frames)


def read_audio(
    path: Path, sample_rate_hz: int, start_s: float = 0.0, duration_s: float | None = None
) -> Samples:
    """A sound file or a piece of it, shape (num_samples,), mono, at `sample_rate_hz`.

    A piece that runs over the end of the file is shorter than `duration_s`. Raises AudioError for a
    file that is missing, empty, not sound or holds NaN or infinite samples, and for a piece that
    starts after the end.
    """
    with open_audio(path) as file:
        first = round(start_s * file.samplerate)
        if not 0 <= first < file.frames:
            raise AudioError(
                f"{path} lasts {file.frames / file.samplerate:.2f} s; it cannot be read from"
                f" {start_s:.2f} s on"
            )
        file.seek(first)
        wanted = file.frames - first
        if duration_s is not None:
            wanted = min(wanted, round(duration_s * file.samplerate))
        samples = next(read_blocks(file, wanted), np.empty(0, np.float32))
        return resample(samples, file.samplerate, sample_rate_hz)


def to_mono(frames: npt.NDArray[np.float32]) -> Samples:
    """The mean of the channels of `frames`, shape (num_samples, channels)."""
    if frames.shape[1] == 1:
        return frames[:, 0].copy()
    mean: Samples = frames.mean(axis=1, dtype=np.float32)
    return mean


def check_finite(
    frames: npt.NDArray[np.float32], name: str, start_s: float, sample_rate_hz: int
) -> None:
    """Raise AudioError, naming the time, if `frames`, time along axis 0, holds NaN or infinity."""
    if np.isfinite(frames).all():
        return
    finite = np.isfinite(frames.reshape(len(frames), -1)).all(axis=1)
    at_s = start_s + int(np.argmin(finite)) / sample_rate_hz
    raise AudioError(
        f"{name} holds a sample that is not a finite number at {at_s:.4f} s; write the sound again,"
        " with samples from -1 to +1"
    )


def _soundfile() -> Any:  # noqa: ANN401
    try:
        import soundfile
    except OSError as error:
        raise AudioError(
            "the library libsndfile, which reads sound files, is not installed:"
            " sudo apt install libsndfile1"
        ) from error
    return soundfile
