"""Stages within stages, by a clock that goes on as told."""

from __future__ import annotations

import pytest

from edge_asc.benchmarks.bench.laps import Laps


class Clock:
    """Each look at it takes a millisecond, so that whoever waits for it comes to an end."""

    def __init__(self, step_s: float = 0.0) -> None:
        self.now_s, self._step_s = 0.0, step_s

    def __call__(self) -> float:
        self.now_s += self._step_s
        return self.now_s

    def work(self, seconds: float) -> str:
        self.now_s += seconds
        return f"{seconds:g}"


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_a_stage_is_timed_and_its_value_returned(clock: Clock) -> None:
    laps = Laps(clock=clock)
    assert laps.time("read", lambda: clock.work(2.0)) == "2"
    assert laps.seconds == {"read": 2.0}


def test_a_stage_within_another_counts_for_itself(clock: Clock) -> None:
    laps = Laps(clock=clock)

    def classify() -> None:
        clock.work(1.0)
        laps.time("encoder", lambda: clock.work(4.0))
        laps.time("head", lambda: clock.work(2.0))
        clock.work(0.5)

    laps.time("features", classify)
    laps.time("publish", lambda: clock.work(8.0))
    assert laps.seconds == {"encoder": 4.0, "head": 2.0, "features": 1.5, "publish": 8.0}


def test_depth_three(clock: Clock) -> None:
    laps = Laps(clock=clock)

    def b() -> None:
        clock.work(2.0)
        laps.time("c", lambda: clock.work(4.0))

    def a() -> None:
        clock.work(1.0)
        laps.time("b", b)
        laps.time("b", b)

    laps.time("a", a)
    assert laps.seconds == {"c": 8.0, "b": 4.0, "a": 1.0}


def test_a_stage_that_comes_again_adds_up_until_begun_anew(clock: Clock) -> None:
    laps = Laps(clock=clock)
    for _ in range(10):
        laps.time("read", lambda: clock.work(0.25))
    assert laps.seconds == {"read": 2.5}
    laps.begin()
    assert laps.seconds == {}


def test_a_stage_that_is_slowed_takes_so_many_times_its_own_time() -> None:
    clock = Clock(step_s=1e-3)
    laps = Laps({"features": 3.0}, clock)

    def classify() -> None:
        clock.work(1.0)
        laps.time("encoder", lambda: clock.work(4.0))

    laps.time("features", classify)
    assert laps.seconds["features"] == pytest.approx(3.0, abs=0.02)
    assert laps.seconds["encoder"] == pytest.approx(4.0, abs=0.02)
