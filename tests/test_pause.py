"""What sounds during a pause is heard by nobody, and every second of it is counted."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from edge_asc.pause import PAUSED, PausableSource
from edge_asc.sources import Chunk
from edge_asc.sources.audio_file import AudioFile
from edge_asc.vitals import Vitals

RATE_HZ = 1_000
NOON = datetime(2026, 5, 17, 12, tzinfo=timezone.utc)


class Clock:
    """Time that passes only when somebody says so; the wall clock may be set."""

    def __init__(self) -> None:
        self.passed_s = 1_000.0
        self.wall_ahead_s = 0.0

    def elapsed_s(self) -> float:
        return self.passed_s

    def now(self) -> datetime:
        return NOON + timedelta(seconds=self.passed_s + self.wall_ahead_s)


class Source:
    """Plays chunks of its own sample values; `before` is called before each is handed out."""

    name = description = "test source"
    trouble = "it hums"

    def __init__(self, chunks: list[Chunk], live: bool = True) -> None:
        self.live, self._chunks = live, chunks
        self.entered = self.left = False

    def __enter__(self) -> Source:
        self.entered = True
        return self

    def __exit__(self, *exc: object) -> None:
        self.left = True

    def __iter__(self) -> Iterator[Chunk]:
        yield from self._chunks


def chunk(number: int = 0, *, samples: int = 100, lost_s: float = 0.0, cause: str = "") -> Chunk:
    sound = np.full(samples, number, np.float32)
    return Chunk(sound, RATE_HZ, NOON, lost_s, cause)


class Live:
    """A pausable live source whose chunks are put in one by one, in time or `late_s` late."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.vitals = Vitals("test source", "tiny", live=True)
        self._next: list[Chunk] = []
        self.source = PausableSource(
            Source(self._next), self.vitals, now=self.clock.now, elapsed_s=self.clock.elapsed_s
        )

    def hear(self, sound: Chunk, late_s: float = 0.0) -> Chunk | None:
        """`sound` passes by; what comes out of the source."""
        self.clock.passed_s += sound.lost_s + len(sound.samples) / RATE_HZ
        arrived = self.clock.now() - timedelta(seconds=late_s)
        self._next[:] = [replace(sound, arrived=arrived)]
        return next(iter(self.source), None)


@pytest.fixture
def live() -> Live:
    return Live()


def test_without_a_pause_every_chunk_is_what_it_was(live: Live) -> None:
    for sound in (chunk(1), chunk(2, lost_s=0.25, cause="the device says so"), chunk(3)):
        heard = live.hear(sound)
        assert heard is not None
        assert heard.samples is sound.samples
        assert (heard.lost_s, heard.cause) == (sound.lost_s, sound.cause)


def test_the_first_chunk_after_a_pause_tells_what_was_missed(live: Live) -> None:
    live.hear(chunk(1))
    live.source.pause()
    assert [live.hear(chunk(2)), live.hear(chunk(3, samples=50))] == [None, None]
    live.source.resume()
    heard = live.hear(chunk(4))
    assert heard is not None
    assert heard.samples[0] == 4
    assert heard.lost_s == pytest.approx(0.15)
    assert heard.cause == PAUSED
    again = live.hear(chunk(5))
    assert again is not None
    assert again.lost_s == 0


def test_what_the_source_lost_meanwhile_is_added(live: Live) -> None:
    live.source.pause()
    live.hear(chunk(lost_s=3.0, cause="unplugged"))
    live.source.resume()
    heard = live.hear(chunk(lost_s=0.5, cause="the device says so"))
    assert heard is not None
    assert heard.lost_s == pytest.approx(3.0 + 0.1 + 0.5)
    assert heard.cause == PAUSED


def test_a_source_that_sent_nothing_during_the_pause_says_itself_what_it_lost(live: Live) -> None:
    live.source.pause()
    live.clock.passed_s += 5.0
    live.source.resume()
    heard = live.hear(chunk(lost_s=6.0, cause="unplugged"))
    assert heard is not None
    assert (heard.lost_s, heard.cause) == (6.0, "unplugged")


@pytest.mark.parametrize("wall_ahead_s", [0.0, -3600.0, 3600.0], ids=["", "set back", "set on"])
def test_sound_of_the_pause_that_comes_late_is_not_heard_either(
    live: Live, wall_ahead_s: float
) -> None:
    live.source.pause()
    live.clock.passed_s += 10.0
    live.source.resume()
    live.clock.wall_ahead_s = wall_ahead_s
    assert live.hear(chunk(1), late_s=5.0) is None
    assert live.hear(chunk(2), late_s=0.15) is None  # it ended after the pause, but began before
    heard = live.hear(chunk(3))
    assert heard is not None
    assert heard.lost_s == pytest.approx(0.2)
    # From here on time does not matter: late sound is sound from after the pause.
    assert live.hear(chunk(4), late_s=5.0) is not None


def test_the_vitals_say_it_at_once_and_that_sound_comes(live: Live) -> None:
    states = [live.vitals.state]
    live.source.pause()
    states += [live.vitals.state, live.vitals.health().state]
    live.hear(chunk())
    live.source.toggle()
    states.append(live.vitals.state)  # not for a moment "no sound"
    live.source.toggle()
    states.append(live.vitals.state)
    assert states == ["starting", "paused", "paused", "listening", "paused"]


DURATIONS = st.integers(1, 200)
"""Samples of a chunk, 1 to 200 ms"""
STEPS = st.one_of(
    st.just("toggle"),
    st.tuples(DURATIONS, st.sampled_from([0.0, 0.0, 0.5, 7.0]), st.sampled_from([0.0, 0.3, 4.0])),
)


@given(st.lists(STEPS, max_size=60))
def test_heard_and_lost_are_all_and_nothing_of_a_pause_is_heard(
    steps: list[str | tuple[int, float, float]],
) -> None:
    """Any pauses, in time or late, with losses of the source's own: every second once."""
    live = Live()
    source, clock = live.source, live.clock
    paused: list[tuple[float, float]] = []
    began_s, heard_s, lost_s, all_s = 0.0, 0.0, 0.0, 0.0
    numbers = []
    for number, step in enumerate(steps):
        if isinstance(step, str):
            source.toggle()
            if source.paused:
                began_s = clock.passed_s
            else:
                paused.append((began_s, clock.passed_s))
            continue
        samples, own_lost_s, late_s = step
        heard = live.hear(chunk(number, samples=samples, lost_s=own_lost_s), late_s)
        all_s += samples / RATE_HZ + own_lost_s
        if heard is not None:
            assert not source.paused
            numbers.append(int(heard.samples[0]))
            heard_s += len(heard.samples) / RATE_HZ
            lost_s += heard.lost_s
            assert source.missed_s == 0
            if late_s == 0.0:
                start_s = clock.passed_s - samples / RATE_HZ
                assert not any(begin <= start_s < end - 1e-9 for begin, end in paused)
    assert numbers == sorted(set(numbers))
    assert heard_s + lost_s + source.missed_s == pytest.approx(all_s)


class Pace:
    """The time of a recording, in which pausing takes as long as is said."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s

    def sleep(self, seconds: float) -> None:
        self.now_s += seconds


def test_a_recording_waits_where_it_is_and_is_not_rushed_through_afterwards(tmp_path: Path) -> None:
    path, pace = tmp_path / "sound.wav", Pace()
    sound = np.arange(RATE_HZ) / RATE_HZ
    soundfile.write(path, sound, RATE_HZ, subtype="FLOAT")
    file = AudioFile(path, clock=pace, sleep=pace.sleep)
    source = PausableSource(file, Vitals("", "", live=False))
    heard, at_s = [], []
    with source:
        for number, piece in enumerate(source):
            heard.append(piece.samples)
            at_s.append(pace.now_s - 100.0)
            assert piece.lost_s == 0
            if number == 3:
                pace.now_s += 60.0  # as long as somebody paused it here
    np.testing.assert_array_equal(np.concatenate(heard), sound.astype(np.float32))
    expected = [0.1, 0.2, 0.3, 0.4, *(60.4 + 0.1 * np.arange(6))]
    np.testing.assert_allclose(at_s, expected)


def test_a_recording_yields_nothing_as_long_as_it_is_paused() -> None:
    source = PausableSource(Source([chunk(1), chunk(2)], live=False), Vitals("", "", live=False))
    chunks, came = iter(source), threading.Event()
    assert next(chunks).samples[0] == 1
    source.pause()

    def hear() -> None:
        assert next(chunks).samples[0] == 2
        came.set()

    thread = threading.Thread(target=hear)
    thread.start()
    assert not came.wait(0.2)
    source.resume()
    assert came.wait(60)
    thread.join()


def test_it_is_the_source_that_it_wraps() -> None:
    inner = Source([])
    source = PausableSource(inner, Vitals("", "", live=True))
    with source:
        assert inner.entered
    assert inner.left
    assert (source.name, source.description, source.live) == ("test source", "test source", True)
    assert source.trouble == "it hums"
