"""Raw PCM is heard whole, however the pipe cuts it."""

from __future__ import annotations

import io
import itertools
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from edge_asc.errors import AudioError, SourceError
from edge_asc.features import Samples
from edge_asc.sources import Chunk, RawFormat
from edge_asc.sources.raw_stdin import RawStdin

SAMPLES = np.array([0.0, 0.5, -0.5, -1.0, 0.25], np.float32)


class Pipe:
    """A stream that gives its bytes in the pieces in which they were written."""

    def __init__(self, pieces: Iterable[bytes], terminal: bool = False) -> None:
        self._pieces = iter(pieces)
        self._terminal = terminal

    def read1(self, size: int, /) -> bytes:
        piece = next(self._pieces, b"")
        assert len(piece) <= size
        return piece

    def isatty(self) -> bool:
        return self._terminal

    def fileno(self) -> int:
        raise OSError("not a file")


def hear(
    pieces: Iterable[bytes], raw: RawFormat | None = None, notes: list[str] | None = None
) -> list[Chunk]:
    say = ([] if notes is None else notes).append
    with RawStdin(raw or RawFormat(), recorded=False, say=say, stream=Pipe(pieces)) as source:
        return list(source)


def joined(chunks: list[Chunk]) -> Samples:
    return np.concatenate([chunk.samples for chunk in chunks])


@pytest.mark.parametrize(
    ("sample_format", "data"),
    [
        ("s16", (SAMPLES * 2**15).astype("<i2")),
        ("s32", (SAMPLES.astype(np.float64) * 2**31).astype("<i4")),
        ("f32", SAMPLES.astype("<f4")),
    ],
)
def test_sample_formats(sample_format: str, data: npt.NDArray[Any]) -> None:
    chunks = hear([data.tobytes()], RawFormat(48_000, 1, sample_format))
    np.testing.assert_array_equal(joined(chunks), SAMPLES)
    assert chunks[0].samples.dtype == np.float32


def test_channels_are_averaged() -> None:
    data = np.array([[100, 300], [-200, 0]], "<i2").tobytes()
    chunks = hear([data], RawFormat(channels=2))
    np.testing.assert_array_equal(joined(chunks) * 2**15, [200, -100])


def test_cuts_within_a_sample_do_not_matter(rng: np.random.Generator) -> None:
    frames = rng.integers(-(2**15), 2**15, (500, 2)).astype("<i2")
    data, notes = frames.tobytes(), list[str]()
    cuts = [0, 1, 2, 3, 7, 8, 1_001, 1_003, len(data)]
    pieces = [data[start:end] for start, end in itertools.pairwise(cuts)]
    chunks = hear(pieces, RawFormat(channels=2), notes)
    np.testing.assert_array_equal(joined(chunks), frames.mean(axis=1) / 2**15)
    assert notes == []


def test_an_end_within_a_sample_is_told() -> None:
    notes: list[str] = []
    chunks = hear([b"\x00\x40\x00\x40\x01"], notes=notes)
    np.testing.assert_array_equal(joined(chunks), [0.5, 0.5])
    (note,) = notes
    assert "its last 1 bytes, of 2 a sample, are left out" in note


def test_nothing_gives_no_chunk() -> None:
    assert hear([]) == []


def test_long_sound_comes_in_tenths_of_a_second() -> None:
    stream = io.BufferedReader(io.BytesIO(bytes(2 * 4_410)))
    with RawStdin(RawFormat(), recorded=False, say=print, stream=stream) as source:
        assert len(next(iter(source)).samples) == 4_410


def test_nan_is_refused() -> None:
    data = np.zeros(44_100, "<f4")
    data[22_050] = np.nan
    tenths = [tenth.tobytes() for tenth in np.split(data, 10)]
    with pytest.raises(AudioError, match=r"standard input .* not a finite number at 0\.5000 s"):
        hear(tenths, RawFormat(sample_format="f32"))


def test_a_terminal_is_refused() -> None:
    with pytest.raises(SourceError, match=r"terminal; pipe raw PCM into it.*arecord.*-r 16000"):
        RawStdin(RawFormat(16_000), recorded=False, say=print, stream=Pipe([], terminal=True))


def test_a_pipe_is_live_unless_it_is_said_to_be_recorded() -> None:
    assert RawStdin(RawFormat(), recorded=False, say=print, stream=Pipe([])).live
    assert not RawStdin(RawFormat(), recorded=True, say=print, stream=Pipe([])).live


def test_a_redirected_file_is_not_live(tmp_path: Path) -> None:
    path = tmp_path / "sound.raw"
    path.write_bytes(bytes(100))
    with path.open("rb") as stream:
        assert not RawStdin(RawFormat(), recorded=False, say=print, stream=stream).live
