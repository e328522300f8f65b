"""Raw PCM becomes samples, however it is cut."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from edge_asc.errors import AudioError
from edge_asc.features import Samples
from edge_asc.sources import RawFormat
from edge_asc.sources.pcm import PcmDecoder

SAMPLES = np.array([0.0, 0.5, -0.5, -1.0, 0.25], np.float32)


def decode(pieces: Iterable[bytes], raw: RawFormat | None = None) -> tuple[Samples, str | None]:
    decoder = PcmDecoder(raw or RawFormat(), "the pipe")
    return np.concatenate([decoder.process(piece) for piece in pieces]), decoder.finish()


@pytest.mark.parametrize(
    ("sample_format", "data"),
    [
        ("s16", (SAMPLES * 2**15).astype("<i2")),
        ("s32", (SAMPLES.astype(np.float64) * 2**31).astype("<i4")),
        ("f32", SAMPLES.astype("<f4")),
    ],
)
def test_sample_formats(sample_format: str, data: npt.NDArray[Any]) -> None:
    samples, note = decode([data.tobytes()], RawFormat(48_000, 1, sample_format))
    np.testing.assert_array_equal(samples, SAMPLES)
    assert samples.dtype == np.float32
    assert note is None


def test_channels_are_averaged() -> None:
    data = np.array([[100, 300], [-200, 0]], "<i2").tobytes()
    samples, _ = decode([data], RawFormat(channels=2))
    np.testing.assert_array_equal(samples * 2**15, [200, -100])


def test_cuts_within_a_sample_do_not_matter(rng: np.random.Generator) -> None:
    frames = rng.integers(-(2**15), 2**15, (500, 2)).astype("<i2")
    data = frames.tobytes()
    cuts = [0, 1, 2, 3, 7, 8, 1_001, 1_003, len(data)]
    pieces = [data[start:end] for start, end in itertools.pairwise(cuts)]
    samples, note = decode(pieces, RawFormat(channels=2))
    np.testing.assert_array_equal(samples, frames.mean(axis=1) / 2**15)
    assert note is None


def test_an_end_within_a_sample_is_told() -> None:
    samples, note = decode([b"\x00\x40\x00\x40\x01"])
    np.testing.assert_array_equal(samples, [0.5, 0.5])
    assert note is not None
    assert "its last 1 bytes, of 2 a sample, are left out" in note


def test_nan_is_refused() -> None:
    data = np.zeros(44_100, "<f4")
    data[22_050] = np.nan
    tenths = [tenth.tobytes() for tenth in np.split(data, 10)]
    with pytest.raises(AudioError, match=r"the pipe .* not a finite number at 0\.5000 s"):
        decode(tenths, RawFormat(sample_format="f32"))


@pytest.mark.parametrize(
    ("start", "kind"), [(b"RIFF$\0\0\0WAVE", "WAV"), (b"fLaC\0", "FLAC"), (b"OggS\0", "Ogg")]
)
def test_a_sound_file_is_not_raw(start: bytes, kind: str) -> None:
    with pytest.raises(AudioError, match=f"the pipe is a {kind} file, not raw PCM.*-t raw"):
        decode([start + bytes(1_000)])


def test_those_bytes_later_on_are_sound() -> None:
    samples, _ = decode([bytes(100), b"RIFF"])
    assert len(samples) == 52
