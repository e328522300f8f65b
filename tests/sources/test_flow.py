"""What is missing is told from what is late."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_asc.sources.flow import NOTICED_S, SETTLED_S, FlowMeter

BLOCK_S = 0.1


def losses(arrivals_s: list[float], overflows: frozenset[int] = frozenset()) -> dict[int, float]:
    """Which of the blocks told of a loss, and how much."""
    meter = FlowMeter()
    told = [
        meter.add(arrived_s, BLOCK_S, overflow=index in overflows)
        for index, arrived_s in enumerate(arrivals_s)
    ]
    return {index: lost_s for index, lost_s in enumerate(told) if lost_s}


def steady(count: int, period_s: float = BLOCK_S) -> list[float]:
    return [1_000 + period_s * index for index in range(count)]


def test_steady_sound_misses_nothing() -> None:
    assert losses(steady(3_000)) == {}


@pytest.mark.parametrize("parts_per_million", [-500, -50, 50, 500])
def test_a_crystal_that_is_off_misses_nothing_in_a_day(parts_per_million: int) -> None:
    assert losses(steady(864_000, BLOCK_S * (1 + parts_per_million / 1e6))) == {}


@given(st.lists(st.floats(0, 1.9), min_size=200, max_size=400))
def test_late_blocks_that_catch_up_miss_nothing(delays_s: list[float]) -> None:
    """Two seconds of blocks may be late, though in order; the next two are in time."""
    late = [
        due_s + (delay_s if index % 40 < 20 else 0.0)
        for index, (due_s, delay_s) in enumerate(zip(steady(len(delays_s)), delays_s, strict=True))
    ]
    assert losses([float(arrived_s) for arrived_s in np.maximum.accumulate(late)]) == {}


@pytest.mark.parametrize("lost_s", [0.3, 1.0, 1.9, 60.0])
def test_a_hole_is_found_once_it_has_settled(lost_s: float) -> None:
    arrivals_s = steady(600)
    arrivals_s[200:] = [arrived_s + lost_s for arrived_s in arrivals_s[200:]]
    ((index, found_s),) = losses(arrivals_s).items()
    assert SETTLED_S - BLOCK_S <= (index - 200) * BLOCK_S <= SETTLED_S + 2 * BLOCK_S
    # The floor follows the drift that is allowed: 1 ms a second.
    assert found_s == pytest.approx(lost_s, abs=0.04 + 1e-3 * lost_s)


def test_a_hole_too_small_to_notice() -> None:
    arrivals_s = steady(600)
    arrivals_s[200:] = [arrived_s + 0.9 * NOTICED_S for arrived_s in arrivals_s[200:]]
    assert losses(arrivals_s) == {}


def test_one_sixth_that_is_lost_all_the_time_is_found_all_the_time() -> None:
    found = losses(steady(3_000, 1.2 * BLOCK_S))
    assert sum(found.values()) == pytest.approx(60 - 0.3, abs=1.5)  # of 360 s, 1 ms/s is drift
    assert len(found) > 50


def test_an_overflow_tells_what_is_missing_at_once() -> None:
    arrivals_s = steady(300)
    arrivals_s[100:] = [arrived_s + 0.7 for arrived_s in arrivals_s[100:]]
    found = losses(arrivals_s, frozenset({100}))
    assert list(found) == [100]
    assert found[100] == pytest.approx(0.7, abs=0.02)


def test_a_pipe_that_runs_ahead() -> None:
    meter = FlowMeter()
    assert meter.ahead_s(5.0) == 0.0
    for _ in range(30):
        meter.add(1_000.0, BLOCK_S)
    assert meter.ahead_s(1_001.0) == pytest.approx(1.9)
