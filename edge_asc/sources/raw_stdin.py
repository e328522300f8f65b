"""Raw PCM on standard input, as `arecord`, `ffmpeg` and `sox` write it."""

from __future__ import annotations

import io
import os
import stat
import sys
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Protocol, cast

import numpy as np

from edge_asc.audio import check_finite, to_mono
from edge_asc.errors import SourceError
from edge_asc.features import Samples
from edge_asc.sources import CHUNK_S, Chunk, RawFormat

# format: type of one sample (little-endian), full scale
_FORMATS = {"s16": ("<i2", 2.0**15), "s32": ("<i4", 2.0**31), "f32": ("<f4", 1.0)}

SAMPLE_FORMATS = tuple(_FORMATS)


class ByteStream(Protocol):
    """What is needed of a buffered binary stream."""

    def read1(self, size: int, /) -> bytes: ...

    def isatty(self) -> bool: ...

    def fileno(self) -> int: ...


class RawStdin:
    """Yields chunks of raw PCM until the writer closes the pipe.

    Reads may end within a sample: the odd bytes wait for the next read, and are dropped, with a
    word to `say`, if none comes. The sound counts as live unless it is `recorded` or standard input
    is a file. Raises SourceError for a terminal and, while iterating, AudioError for NaN.
    """

    def __init__(
        self,
        raw: RawFormat,
        *,
        recorded: bool,
        say: Callable[[str], None],
        stream: ByteStream | None = None,
    ) -> None:
        self._stream = stream or cast(io.BufferedReader, sys.stdin.buffer)
        if self._stream.isatty():
            raise SourceError(
                "standard input is a terminal; pipe raw PCM into it, for instance"
                f" arecord -t raw -f S16_LE -r {raw.sample_rate_hz} | edge-asc listen --source -"
            )
        self.name = "standard input"
        self.sample_rate_hz = raw.sample_rate_hz
        self.live = not (recorded or _is_file(self._stream))
        self._channels = raw.channels
        name, self._full_scale = _FORMATS[raw.sample_format]
        self._dtype = np.dtype(name)
        self._say = say

    def __enter__(self) -> RawStdin:
        return self

    def __exit__(self, *exc: object) -> None:
        """Standard input belongs to the process and stays open."""

    def __iter__(self) -> Iterator[Chunk]:
        frame_bytes = self._channels * self._dtype.itemsize
        chunk_bytes = max(1, round(CHUNK_S * self.sample_rate_hz)) * frame_bytes
        waiting = b""
        heard_samples = 0
        # A short read returns what is there: waiting for a full chunk would only delay it.
        while data := self._stream.read1(chunk_bytes):
            waiting += data
            whole = len(waiting) // frame_bytes * frame_bytes
            if whole == 0:
                continue
            samples = self._decode(waiting[:whole], heard_samples)
            waiting = waiting[whole:]
            heard_samples += len(samples)
            yield Chunk(samples, datetime.now().astimezone())
        if waiting:
            self._say(
                f"{self.name} ended within a sample: its last {len(waiting)} bytes, of"
                f" {frame_bytes} a sample, are left out; check --sample-format and --channels"
            )

    def _decode(self, data: bytes, heard_samples: int) -> Samples:
        values = np.frombuffer(data, self._dtype).reshape(-1, self._channels)
        frames = (values / self._full_scale).astype(np.float32)
        start_s = heard_samples / self.sample_rate_hz
        check_finite(frames, self.name, start_s, self.sample_rate_hz)
        return to_mono(frames)


def _is_file(stream: ByteStream) -> bool:
    """Whether the stream is a file (`< sound.raw`), whose sound does not happen now."""
    try:
        return stat.S_ISREG(os.fstat(stream.fileno()).st_mode)
    except OSError:  # not of the operating system: io.BytesIO
        return False
