"""Raw PCM on standard input that was recorded before: heard as fast as it comes."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Protocol, cast

from edge_asc.sources import Chunk, RawFormat
from edge_asc.sources.pcm import PcmDecoder
from edge_asc.sources.pipes import STDIN_NAME, refuse_terminal


class ByteStream(Protocol):
    """What is needed of a buffered binary stream."""

    def read1(self, size: int, /) -> bytes: ...

    def isatty(self) -> bool: ...


class RecordedPcm:
    """Yields chunks of raw PCM until the writer closes the pipe; nothing is lost, however slow we
    are, because the writer waits.

    Raises SourceError for a terminal and, while iterating, AudioError for NaN.
    """

    live = False
    trouble = ""

    def __init__(
        self, raw: RawFormat, say: Callable[[str], None], stream: ByteStream | None = None
    ) -> None:
        self._stream = stream or cast(io.BufferedReader, sys.stdin.buffer)
        refuse_terminal(self._stream.isatty(), raw)
        self.name = STDIN_NAME
        self.description = f"{self.name} ({raw.sample_rate_hz} Hz, as fast as it can be read)"
        self._raw, self._say = raw, say

    def __enter__(self) -> RecordedPcm:
        return self

    def __exit__(self, *exc: object) -> None:
        """Standard input belongs to the process and stays open."""

    def __iter__(self) -> Iterator[Chunk]:
        decoder = PcmDecoder(self._raw, self.name)
        # A short read returns what is there: waiting for a full chunk would only delay it.
        while data := self._stream.read1(decoder.chunk_bytes):
            samples = decoder.process(data)
            if len(samples):
                yield Chunk(samples, self._raw.sample_rate_hz, datetime.now().astimezone())
        if note := decoder.finish():
            self._say(note)
