"""Where sound comes from: a microphone, a file, a pipe. Each source yields chunks of samples.

The sources themselves are imported when they are opened: a file can be heard where there is no
PortAudio.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

from edge_asc.features import Samples

CHUNK_S = 0.1
"""Length of the chunks that sources yield: ten a second cost little and are soon enough for any
window.
"""


@dataclass(frozen=True, slots=True)
class Chunk:
    """A piece of a stream of sound."""

    samples: Samples
    """shape (num_samples,), mono, at the source's sample_rate_hz"""

    arrived: datetime
    """Wall clock, with its zone, when the last sample arrived."""

    lost_samples: int = 0
    """Sound known to be lost just before this chunk."""


@dataclass(frozen=True, slots=True)
class RawFormat:
    """How the samples of a raw PCM stream are written; little-endian, channels interleaved."""

    sample_rate_hz: int = 44_100
    channels: int = 1
    sample_format: str = "s16"
    """s16, s32 (whole numbers) or f32 (full scale +-1.0)"""


class AudioSource(Protocol):
    """A context manager and an iterator over the chunks of one stream."""

    name: str
    sample_rate_hz: int
    live: bool
    """Whether the sound happens now, so that the clock tells its local time."""

    def __enter__(self) -> AudioSource: ...

    def __exit__(self, *exc: object) -> None: ...

    def __iter__(self) -> Iterator[Chunk]: ...


def open_source(
    spec: str,
    *,
    preferred_rate_hz: int,
    device: str | None = None,
    fast: bool = False,
    raw: RawFormat | None = None,
    say: Callable[[str], None],
) -> AudioSource:
    """The source that `spec` names: "mic", "-" (raw PCM on standard input) or a sound file's path.

    `preferred_rate_hz` is what a microphone is asked for first, `device` a part of its name. `fast`
    does not wait for the time at which a recording would have been heard. `say` takes notes for the
    user. Raises AudioError and SourceError.
    """
    if spec == "mic":
        from edge_asc.sources.microphone import Microphone

        return Microphone(device, preferred_rate_hz)
    if spec == "-":
        from edge_asc.sources.raw_stdin import RawStdin

        return RawStdin(raw or RawFormat(), recorded=fast, say=say)
    from edge_asc.sources.audio_file import AudioFile

    return AudioFile(Path(spec), fast=fast)
