"""A file is heard whole, at the time at which it would have been heard."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from edge_asc.audio import read_audio
from edge_asc.errors import AudioError
from edge_asc.sources import open_source
from edge_asc.sources.audio_file import AudioFile
from tests.paced_clock import PacedClock

WavWriter = Callable[..., Path]


def no_sleep(seconds: float) -> None:
    raise AssertionError(f"slept for {seconds} s")


@pytest.mark.parametrize("rate_hz", [8_000, 44_100, 192_000])
def test_the_chunks_are_the_file(
    write_wav: WavWriter, rng: np.random.Generator, rate_hz: int
) -> None:
    path = write_wav(rng.uniform(-1, 1, (rate_hz // 4, 2)), rate_hz)
    with AudioFile(path, fast=True, sleep=no_sleep) as source:
        chunks = list(source)
    assert {chunk.sample_rate_hz for chunk in chunks} == {rate_hz}
    assert [len(chunk.samples) for chunk in chunks] == [rate_hz // 10, rate_hz // 10, rate_hz // 20]
    heard = np.concatenate([chunk.samples for chunk in chunks])
    np.testing.assert_array_equal(heard, read_audio(path, rate_hz))
    assert all(chunk.lost_s == 0 for chunk in chunks)
    assert all(chunk.arrived.tzinfo is not None for chunk in chunks)


def test_a_chunk_comes_when_its_last_sample_was_played(write_wav: WavWriter) -> None:
    clock = PacedClock()
    path = write_wav(np.zeros(44_100))
    with AudioFile(path, clock=clock, sleep=clock.sleep) as source:
        heard_at_s = [clock.now_s - 100.0 for _ in source]
    np.testing.assert_allclose(heard_at_s, 0.1 * np.arange(1, 11))


def test_time_taken_by_the_listener_is_caught_up(write_wav: WavWriter) -> None:
    clock = PacedClock()
    path = write_wav(np.zeros(44_100))
    with AudioFile(path, clock=clock, sleep=clock.sleep) as source:
        for number, _ in enumerate(source):
            clock.now_s += 0.35 if number == 0 else 0.0
    # The first chunk was due at 0.1 s and kept the listener until 0.45 s; the fifth is due at
    # 0.5 s.
    np.testing.assert_allclose(clock.slept, [0.1, 0.05, *[0.1] * 5])


def test_after_a_long_wait_it_goes_on_from_where_it_was(write_wav: WavWriter) -> None:
    clock = PacedClock()
    path = write_wav(np.zeros(44_100))
    with AudioFile(path, clock=clock, sleep=clock.sleep) as source:
        for number, _ in enumerate(source):
            clock.now_s += 30.0 if number == 0 else 0.0
    # The second chunk is 29.9 s late, and all that follow come 0.1 s apart.
    np.testing.assert_allclose(clock.slept, [0.1] * 9)


def test_it_is_not_live(write_wav: WavWriter) -> None:
    path = write_wav(np.zeros(100))
    source = open_source(str(path), preferred_rate_hz=44_100, fast=True, say=print)
    assert isinstance(source, AudioFile)
    assert not source.live
    assert source.name == str(path)
    assert source.description == f"{path} (44100 Hz, as fast as it can be read)"


def test_a_bad_file_is_refused_when_it_is_opened(tmp_path: Path) -> None:
    with pytest.raises(AudioError, match="no such file"):
        AudioFile(tmp_path / "nothing.wav")


def test_nan_far_into_the_file(write_wav: WavWriter) -> None:
    samples = np.zeros(44_100)
    samples[33_075] = np.nan
    with (
        AudioFile(write_wav(samples, subtype="FLOAT"), fast=True) as source,
        pytest.raises(AudioError, match=r"at 0\.7500 s"),
    ):
        list(source)
