"""What is missing is told from what is late, and found where it is missing."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_asc.sources.flow import NOTICED_S, SETTLED_S, Block, FlowMeter

RATE_HZ = 100
BLOCK_S = 0.1


def blocks(arrivals_s: Iterable[float]) -> list[Block]:
    """Blocks of a tenth of a second, each with its number in its samples."""
    return [
        Block(np.full(10, number, np.float32), RATE_HZ, float(arrived_s))
        for number, arrived_s in enumerate(arrivals_s)
    ]


def losses(sound: list[Block]) -> dict[int, float]:
    """Before which of the blocks how much was lost; all must come out, in order."""
    meter = FlowMeter()
    settled = [block for one in sound for block in meter.process(one)] + meter.finish()
    assert [block.samples[0] for block in settled] == list(range(len(sound)))
    assert all(bool(block.lost_s) == bool(block.cause) for block in settled)
    return {number: block.lost_s for number, block in enumerate(settled) if block.lost_s}


def steady(count: int, period_s: float = BLOCK_S) -> list[float]:
    return [1_000 + period_s * index for index in range(count)]


def test_steady_sound_misses_nothing_and_is_passed_on_at_once() -> None:
    meter = FlowMeter()
    for block in blocks(steady(3_000)):
        assert meter.process(block) == [block]
    assert meter.finish() == []


@pytest.mark.parametrize("parts_per_million", [-500, -50, 50, 500])
def test_a_crystal_that_is_off_misses_nothing_in_an_hour(parts_per_million: int) -> None:
    assert losses(blocks(steady(36_000, BLOCK_S * (1 + parts_per_million / 1e6)))) == {}


@given(st.lists(st.floats(0, 1.9), min_size=50, max_size=200))
def test_late_blocks_that_catch_up_miss_nothing(delays_s: list[float]) -> None:
    """Two seconds of blocks may be late, though in order; the next two catch up."""
    delays_s = [delay_s if index % 40 < 20 else 0.0 for index, delay_s in enumerate(delays_s)]
    delays_s += [0.0] * 20
    late = np.add(steady(len(delays_s)), delays_s)
    assert losses(blocks(np.maximum.accumulate(late))) == {}


@pytest.mark.parametrize("lost_s", [0.3, 1.0, 1.9, 60.0])
def test_a_hole_is_found_where_it_is(lost_s: float) -> None:
    arrivals_s = steady(600)
    arrivals_s[200:] = [arrived_s + lost_s for arrived_s in arrivals_s[200:]]
    # The floor follows the drift that is allowed: 1 ms a second.
    assert losses(blocks(arrivals_s)) == {200: pytest.approx(lost_s, abs=0.03 + 1e-3 * lost_s)}


def test_it_takes_five_seconds_to_be_sure() -> None:
    arrivals_s = steady(300)
    arrivals_s[100:] = [arrived_s + 1.0 for arrived_s in arrivals_s[100:]]
    meter = FlowMeter()
    held = [len(meter.process(block)) for block in blocks(arrivals_s)]
    assert held[:100] == [1] * 100
    assert held[100:150] == [0] * 50
    assert held[150] == SETTLED_S / BLOCK_S + 1
    assert held[151:] == [1] * 149


def test_two_holes_within_five_seconds_are_two() -> None:
    arrivals_s = steady(300)
    arrivals_s[100:] = [arrived_s + 1.0 for arrived_s in arrivals_s[100:]]
    arrivals_s[120:] = [arrived_s + 0.5 for arrived_s in arrivals_s[120:]]
    found = losses(blocks(arrivals_s))
    assert found == {100: pytest.approx(1.0, abs=0.02), 120: pytest.approx(0.5, abs=0.02)}


def test_a_hole_too_small_to_notice() -> None:
    arrivals_s = steady(600)
    arrivals_s[200:] = [arrived_s + 0.9 * NOTICED_S for arrived_s in arrivals_s[200:]]
    assert losses(blocks(arrivals_s)) == {}


def test_one_sixth_that_is_lost_all_the_time_is_found_all_the_time() -> None:
    found = losses(blocks(steady(3_000, 1.2 * BLOCK_S)))
    assert sum(found.values()) == pytest.approx(60, abs=1)  # of 360 s; 1 ms a second is drift
    assert len(found) > 50


def test_an_overflow_tells_what_is_missing_at_once() -> None:
    arrivals_s = steady(300)
    arrivals_s[100:] = [arrived_s + 0.7 for arrived_s in arrivals_s[100:]]
    sound = blocks(arrivals_s)
    sound[100] = replace(sound[100], overflow=True)
    meter = FlowMeter()
    for block in sound[:100]:
        meter.process(block)
    (told,) = meter.process(sound[100])
    assert told.lost_s == pytest.approx(0.7, abs=0.02)
    assert told.cause == "the device says that it lost sound"
    assert losses(sound) == {100: told.lost_s}


def test_an_overflow_without_a_trace_costs_a_sample() -> None:
    sound = blocks(steady(100))
    sound[50] = replace(sound[50], overflow=True)
    assert losses(sound) == {50: pytest.approx(1 / RATE_HZ, abs=0.006)}


def test_an_overflow_settles_what_was_held() -> None:
    arrivals_s = steady(200)
    arrivals_s[100:] = [arrived_s + 0.5 for arrived_s in arrivals_s[100:]]
    arrivals_s[120:] = [arrived_s + 0.3 for arrived_s in arrivals_s[120:]]
    sound = blocks(arrivals_s)
    sound[120] = replace(sound[120], overflow=True)
    found = losses(sound)
    assert found == {100: pytest.approx(0.5, abs=0.02), 120: pytest.approx(0.3, abs=0.02)}


def test_an_end_settles_what_was_held() -> None:
    arrivals_s = steady(120)
    arrivals_s[100:] = [arrived_s + 0.5 for arrived_s in arrivals_s[100:]]
    assert losses(blocks(arrivals_s)) == {100: pytest.approx(0.5, abs=0.02)}


@given(st.lists(st.floats(0, 3.0), min_size=1, max_size=150))
def test_nothing_is_counted_twice(delays_s: list[float]) -> None:
    """Sound and losses are never more than the time that passed."""
    arrivals_s = np.cumsum(np.maximum(BLOCK_S, delays_s)) + 1_000
    found = losses(blocks(arrivals_s))
    passed_s = arrivals_s[-1] - arrivals_s[0] + BLOCK_S
    assert sum(found.values()) + BLOCK_S * len(delays_s) <= passed_s + 1e-6


def test_a_pipe_that_runs_ahead() -> None:
    meter = FlowMeter()
    assert meter.ahead_s(5.0) == 0.0
    for block in blocks([1_000.0] * 30):
        meter.process(block)
    assert meter.ahead_s(1_001.0) == pytest.approx(1.9)


def test_sound_with_numbers_is_passed_on_however_late_it_comes() -> None:
    """A serial line numbers its samples: nothing is guessed from time, what it says is kept."""
    late = [1_000.0, 1_000.1, 1_003.0, 1_009.0]
    sound = [replace(block, numbered=True) for block in blocks(late)]
    sound[2] = replace(sound[2], lost_s=0.5, cause="damaged")
    assert losses(sound) == {2: 0.5}
    meter = FlowMeter()
    assert [meter.process(block) for block in sound] == [[block] for block in sound]


def numbered(arrivals_s: Iterable[float]) -> FlowMeter:
    meter = FlowMeter()
    for block in blocks(arrivals_s):
        meter.process(replace(block, numbered=True))
    return meter


def test_sound_with_numbers_is_ahead_when_it_comes_too_fast() -> None:
    # 100 blocks of 0.1 s in half of their time: the first was there after its own 0.1 s.
    assert numbered(steady(100, 0.05)).ahead_s(1_000 + 99 * 0.05) == pytest.approx(4.95, abs=0.01)
    # Two hours of a crystal that is fast by 0.5 per mille, which alone would make it 3.6 s.
    fast = numbered(steady(72_000, BLOCK_S * (1 - 5e-4)))
    assert fast.ahead_s(1_000 + 72_000 * BLOCK_S * (1 - 5e-4)) < 0.1
    # A pause makes up for nothing: what comes fast after it is too fast.
    late = [*steady(10), *(1_100 + 0.05 * index for index in range(100))]
    assert numbered(late).ahead_s(1_100 + 99 * 0.05) == pytest.approx(4.95, abs=0.06)
