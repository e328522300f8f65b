"""Level and colour of what is heard, against a model's held-out sound."""

from __future__ import annotations

import numpy as np
import pytest

from edge_asc.drift import MEMORY_S, DriftMonitor, DriftReference, level_and_colour

REFERENCE = DriftReference(level=(-1.0, 1.0), colour=0.5, outside=0.05)


def test_level_is_the_mean_and_colour_the_rest() -> None:
    level, colour = level_and_colour(np.array([1.0, 3.0, 1.0, 3.0], np.float32))
    assert (level, colour) == (2.0, 1.0)


def test_shares_outside_are_counted() -> None:
    monitor = DriftMonitor(REFERENCE, hop_s=1.0)
    flat, loud = np.zeros(64, np.float32), np.full(64, 1.5, np.float32)
    for number in range(100):
        monitor.process(loud if number % 4 == 0 else flat)
    assert monitor.drift is not None
    assert monitor.drift.level_outside == pytest.approx(0.25, abs=0.01)
    assert monitor.drift.colour_outside == 0.0
    assert monitor.drift.heard_s == pytest.approx(100, rel=0.02)


def test_colour_is_independent_of_level() -> None:
    monitor = DriftMonitor(REFERENCE, hop_s=1.0)
    tilted = np.linspace(-1.5, 1.5, 64, dtype=np.float32)
    monitor.process(tilted)
    assert monitor.drift is not None
    assert (monitor.drift.level_outside, monitor.drift.colour_outside) == (0.0, 1.0)


def test_an_hour_later_the_past_counts_for_little() -> None:
    monitor = DriftMonitor(REFERENCE, hop_s=10.0)
    for profile, hours in ((np.full(64, 9.0, np.float32), 2), (np.zeros(64, np.float32), 3)):
        for _ in range(int(hours * MEMORY_S / 10)):
            monitor.process(profile)
    assert monitor.drift is not None
    # exp(-3) of what weighs 1 - exp(-2), of 1 - exp(-5) in all.
    assert monitor.drift.level_outside == pytest.approx(0.0433, abs=5e-4)
    assert monitor.drift.heard_s == pytest.approx(MEMORY_S, rel=0.01)


@pytest.mark.parametrize(
    ("level", "colour", "outside"),
    [((1.0, -1.0), 0.5, 0.05), ((-1.0, 1.0), 0.0, 0.05), ((-1.0, 1.0), 0.5, 1.0)],
)
def test_a_reference_must_be_possible(
    level: tuple[float, float], colour: float, outside: float
) -> None:
    with pytest.raises(ValueError, match="must be"):
        DriftReference(level, colour, outside)
