"""Raw PCM that was recorded before is heard whole, and as fast as it comes."""

from __future__ import annotations

import io

import numpy as np
import pytest

from edge_asc.errors import SourceError
from edge_asc.sources import RawFormat
from edge_asc.sources.recorded_pcm import RecordedPcm


class Pieces(io.BytesIO):
    """A stream that gives a few bytes at a time."""

    def __init__(self, data: bytes, size: int = 7, *, terminal: bool = False) -> None:
        super().__init__(data)
        self._size, self._terminal = size, terminal

    def read1(self, size: int | None = -1, /) -> bytes:
        return self.read(self._size)

    def isatty(self) -> bool:
        return self._terminal


def test_all_of_it_in_order(rng: np.random.Generator) -> None:
    frames = rng.integers(-(2**15), 2**15, 500).astype("<i2")
    notes: list[str] = []
    with RecordedPcm(RawFormat(16_000), notes.append, Pieces(frames.tobytes() + b"\1")) as source:
        assert not source.live
        assert source.description == "standard input (16000 Hz, as fast as it can be read)"
        chunks = list(source)
    np.testing.assert_array_equal(
        np.concatenate([chunk.samples for chunk in chunks]), frames / np.float32(2**15)
    )
    assert {(chunk.sample_rate_hz, chunk.lost_s) for chunk in chunks} == {(16_000, 0.0)}
    assert "its last 1 bytes, of 2 a sample, are left out" in notes[0]


def test_nothing_gives_no_chunk() -> None:
    with RecordedPcm(RawFormat(), print, Pieces(b"")) as source:
        assert list(source) == []


def test_long_sound_comes_in_tenths_of_a_second() -> None:
    stream = io.BufferedReader(io.BytesIO(bytes(2 * 4_410)))
    with RecordedPcm(RawFormat(), print, stream) as source:
        assert len(next(iter(source)).samples) == 4_410


def test_a_terminal_is_refused() -> None:
    with pytest.raises(SourceError, match=r"terminal; pipe raw PCM into it.*arecord.*-r 16000"):
        RecordedPcm(RawFormat(16_000), print, Pieces(b"", terminal=True))
