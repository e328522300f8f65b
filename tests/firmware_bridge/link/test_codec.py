"""Frames and ADPCM: C and Python against the same vectors, and against each other."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edge_asc.firmware_bridge.link import adpcm
from edge_asc.firmware_bridge.link.frames import Frame, FrameReader, encode
from edge_asc.firmware_bridge.link.streams import Adpcm, Flow

SETTINGS = settings(
    max_examples=300,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)

FRAMES = st.builds(
    Frame,
    st.integers(0, 255),
    st.integers(0, 65_535),
    st.one_of(
        st.binary(max_size=600),
        st.builds(bytes, st.lists(st.sampled_from([0, 1, 255]), max_size=600)),
        st.integers(0, 600).map(lambda size: b"\x55" * size),
    ),
)


def read(line: bytes) -> tuple[list[Frame], int]:
    reader = FrameReader()
    return reader.process(line), reader.num_damaged


def test_frames_of_the_vectors(vectors: dict[str, Any], harness: Any) -> None:
    assert len(vectors["frames"]) == 43
    for vector in vectors["frames"]:
        line, payload = bytes.fromhex(vector["line"]), bytes.fromhex(vector["payload"])
        frame = Frame(vector["type"], vector["sequence"], payload)
        assert encode(frame) == line, vector["name"]
        assert read(line) == ([frame], 0), vector["name"]
        assert harness.encode(frame.type, frame.sequence, payload) == line, vector["name"]
        assert harness.decode(line) == ([(1, frame.type, frame.sequence, payload)], 0)


def test_lines_of_the_vectors(vectors: dict[str, Any], harness: Any) -> None:
    for vector in vectors["lines"]:
        line = bytes.fromhex(vector["line"])
        frames, damaged = read(line)
        assert [frame.sequence for frame in frames] == vector["sequences"], vector["name"]
        assert damaged == vector["damaged"], vector["name"]
        in_c, damaged_in_c = harness.decode(line)
        assert [sequence for _, _, sequence, _ in in_c] == vector["sequences"], vector["name"]
        assert damaged_in_c == vector["damaged"], vector["name"]


def test_adpcm_of_the_vectors(vectors: dict[str, Any], harness: Any) -> None:
    assert len(vectors["adpcm"]) == 12
    for vector in vectors["adpcm"]:
        predictor, index = vector["start"]
        samples, codes = bytes.fromhex(vector["samples"]), bytes.fromhex(vector["codes"])
        assert harness.adpcm((predictor, index), samples) == (codes, tuple(vector["end"]))
        decoded = adpcm.decode(predictor, index, codes)
        assert decoded.astype("<i2").tobytes() == bytes.fromhex(vector["decoded"])


@SETTINGS
@given(frame=FRAMES)
def test_a_frame_comes_back_from_both(frame: Frame, harness: Any) -> None:
    line = encode(frame)
    assert line[0] == line[-1] == 0
    assert 0 not in line[1:-1]
    assert len(line) <= len(frame.payload) + 8 + (len(frame.payload) + 8) // 254 + 1 + 2
    assert harness.encode(frame.type, frame.sequence, frame.payload) == line
    assert read(line) == ([frame], 0)
    assert harness.decode(line) == ([(1, frame.type, frame.sequence, frame.payload)], 0)


@SETTINGS
@given(
    parts=st.lists(st.one_of(FRAMES.map(encode), st.binary(max_size=40)), max_size=6),
    cuts=st.lists(st.integers(0, 2000), max_size=5),
)
def test_any_bytes_are_read_alike_in_any_pieces(
    parts: list[bytes], cuts: list[int], harness: Any
) -> None:
    line = b"".join(parts)
    whole = read(line)
    reader = FrameReader()
    places = [0, *sorted(min(cut, len(line)) for cut in cuts), len(line)]
    frames = [
        frame
        for begin, end in itertools.pairwise(places)
        for frame in reader.process(line[begin:end])
    ]
    assert (frames, reader.num_damaged) == whole
    in_c, damaged = harness.decode(line)
    assert [Frame(kind, number, data, version) for version, kind, number, data in in_c] == whole[0]
    assert damaged == whole[1]


@SETTINGS
@given(
    samples=st.lists(st.integers(-32_768, 32_767), max_size=200),
    start=st.tuples(st.integers(-32_768, 32_767), st.integers(0, 88)),
)
def test_a_decoder_ends_where_the_encoder_did(
    samples: list[int], start: tuple[int, int], harness: Any
) -> None:
    codes, (predictor, _) = harness.adpcm(start, np.array(samples, "<i2").tobytes())
    decoded = Adpcm(Flow(0, 0, 0), *start, len(samples) % 2 == 1, codes).samples
    assert len(decoded) == len(samples)
    assert (decoded[-1] if samples else start[0]) == predictor


def test_adpcm_of_a_voice_like_sound_is_near_it(harness: Any) -> None:
    """A slow tone at 44.1 kHz: 4 bits a sample leave at least 30 dB."""
    tone = np.round(10_000 * np.sin(2 * np.pi * 440 * np.arange(4410) / 44_100)).astype("<i2")
    codes, _ = harness.adpcm((0, 0), tone.tobytes())
    error = adpcm.decode(0, 0, codes).astype(float) - tone
    assert 10 * np.log10(np.mean(tone.astype(float) ** 2) / np.mean(error**2)) > 30


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(ValueError, match="at most 4096 bytes, got 4097"):
        encode(Frame(0, 0, bytes(4097)))
    with pytest.raises(ValueError, match="below 89, got 89"):
        adpcm.decode(0, 89, b"")


def test_noise_without_a_zero_takes_no_memory() -> None:
    reader = FrameReader()
    for _ in range(100):
        assert reader.process(b"\x11" * 10_000) == []
    assert len(reader._piece) == 0
    assert reader.process(b"\0" + encode(Frame(3, 4, b"5"))) == [Frame(3, 4, b"5")]
    assert reader.num_damaged == 1
