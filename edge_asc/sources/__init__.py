"""Where sound comes from: a microphone, a file, a pipe, a command. Each source yields chunks.

The sources themselves are imported when they are opened: a file can be heard where there is no
PortAudio.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from datetime import datetime

    from edge_asc.features import Samples
    from edge_asc.sources.live import Capture

CHUNK_S = 0.1
"""Length of the chunks that sources yield: ten a second cost little and are soon enough for any
window.
"""

MAX_LAG_S = 5.0
"""Live sound waits for a listener who is held up for so long at most."""

COMMAND_PREFIX = "exec:"


@dataclass(frozen=True, slots=True)
class Chunk:
    """A piece of a stream of sound."""

    samples: Samples
    """shape (num_samples,), mono"""

    sample_rate_hz: int
    """The same in every chunk, unless sound was lost before this one."""

    arrived: datetime
    """Wall clock, with its zone, when the last sample arrived."""

    lost_s: float = 0.0
    """Sound known to be lost just before this chunk, in seconds."""

    cause: str = ""
    """Why it was lost."""


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
    description: str
    """The name, with what is known before sound comes: rate, pace."""
    live: bool
    """Whether the sound happens now, so that the clock tells its local time."""

    @property
    def trouble(self) -> str:
        """Why no sound comes, for people; "" if it does, or nobody knows."""

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
    retry: bool = True,
    max_lag_s: float = MAX_LAG_S,
    say: Callable[[str], None],
) -> AudioSource:
    """The source that `spec` names.

    "mic"; "-" (raw PCM on standard input); "exec:COMMAND" (raw PCM that a command writes); a sound
    file's path. "serial:PORT" belongs to another room: see `edge_asc.commands.serial_source`.
    `preferred_rate_hz` is what a microphone is asked for first, `device` a part of its name. `fast`
    does not wait for the time at which a recording would have been heard. A live source that stops
    is waited for and started again, for ever, unless `retry` is False. `say` takes notes for the
    user. Raises AudioError and SourceError.
    """
    raw = raw or RawFormat()
    capture: Capture
    if spec == "mic":
        from edge_asc.sources.microphone import Microphone

        capture = Microphone(device, preferred_rate_hz)
    elif spec.startswith(COMMAND_PREFIX):
        from edge_asc.sources.pipes import Command

        capture = Command(spec.removeprefix(COMMAND_PREFIX), raw)
    elif spec == "-":
        from edge_asc.sources.pipes import StandardInput, stdin_is_recorded

        if fast or stdin_is_recorded():
            from edge_asc.sources.recorded_pcm import RecordedPcm

            return RecordedPcm(raw, say)
        capture = StandardInput(raw, say)
    else:
        from edge_asc.sources.audio_file import AudioFile

        return AudioFile(Path(spec), fast=fast)
    from edge_asc.sources.live import LiveSource

    return LiveSource(capture, retry=retry, max_lag_s=max_lag_s, say=say)
