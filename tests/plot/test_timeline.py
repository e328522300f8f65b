"""Numbers over time in as many bins as a picture shows, and stretches."""

from __future__ import annotations

import numpy as np
import pytest

from edge_asc.plot.timeline import Bins, Stretch, Stretches


def test_a_bin_has_the_mean_and_the_extremes() -> None:
    bins = Bins(1, 1.0)
    for at_s, value in ((0.1, 1.0), (0.9, 3.0), (2.5, 7.0)):
        bins.add(at_s, [value])
    series = bins.series()
    np.testing.assert_array_equal(series.mean[:, 0], [2.0, np.nan, 7.0])
    np.testing.assert_array_equal(series.low[:, 0], [1.0, np.nan, 7.0])
    np.testing.assert_array_equal(series.high[:, 0], [3.0, np.nan, 7.0])
    assert series.edges_s.tolist() == [0.0, 1.0, 2.0, 3.0]


def test_bins_become_longer_and_lose_nothing(rng: np.random.Generator) -> None:
    bins = Bins(1, 1.0, max_bins=10)
    values = rng.uniform(-1, 1, 10_000)
    for index, value in enumerate(values):
        bins.add(index + 0.5, [value])
    series = bins.series()
    assert series.width_s == 1024.0
    expected = [values[start : start + 1024] for start in range(0, 10_000, 1024)]
    np.testing.assert_allclose(series.mean[:, 0], [part.mean() for part in expected])
    np.testing.assert_array_equal(series.low[:, 0], [part.min() for part in expected])
    np.testing.assert_array_equal(series.high[:, 0], [part.max() for part in expected])


def test_the_order_of_times_does_not_matter(rng: np.random.Generator) -> None:
    times_s = rng.uniform(-500, 500, 9_000)
    forwards, backwards = Bins(1, 1.0, 50), Bins(1, 1.0, 50)
    for at_s in np.sort(times_s):
        forwards.add(at_s, [at_s])
    for at_s in np.sort(times_s)[::-1]:
        backwards.add(at_s, [at_s])
    one, other = forwards.series(), backwards.series()
    assert (one.start_s, one.width_s) == (other.start_s, other.width_s)
    np.testing.assert_allclose(one.mean, other.mean)


def test_what_is_not_known_counts_for_nothing() -> None:
    bins = Bins(2, 1.0)
    bins.add(0.5, [1.0, np.nan])
    bins.add(0.6, [3.0, 4.0])
    np.testing.assert_array_equal(bins.series().mean, [[2.0, 4.0]])


def test_columns_may_come_later() -> None:
    bins = Bins(1, 1.0)
    bins.add(0.5, [1.0])
    bins.widen(2)
    bins.add(1.5, [2.0, 5.0])
    np.testing.assert_array_equal(bins.series().mean, [[1.0, np.nan], [2.0, 5.0]])


def test_a_row_fills_a_stretch() -> None:
    bins = Bins(1, 1.0)
    bins.fill(2.0, 5.0, [1.0])
    assert bins.series().start_s == 2.0
    assert bins.series().mean[:, 0].tolist() == [1.0, 1.0, 1.0]


def test_of_nothing_there_are_no_bins() -> None:
    assert Bins(3, 1.0).series().mean.shape == (0, 3)


def test_what_is_told_again_is_one_stretch() -> None:
    stretches = Stretches()
    for until_s in (10.0, 11.0, 12.0):
        stretches.add("bus", 0.0, until_s)
    assert stretches.finish() == [Stretch("bus", 0.0, 12.0)]


def test_a_stretch_ends_where_the_next_one_began_before() -> None:
    stretches = Stretches()
    stretches.add("bus", 0.0, 12.0)
    stretches.add("bar", 8.0, 13.0)
    assert stretches.finish() == [Stretch("bus", 0.0, 8.0), Stretch("bar", 8.0, 13.0)]


@pytest.mark.parametrize("nothing_s", [(12.0, 15.0), (12.0, 12.5)])
def test_nothing_is_between_stretches(nothing_s: tuple[float, float]) -> None:
    stretches = Stretches()
    stretches.add("bus", 0.0, 12.0)
    stretches.add(None, *nothing_s)
    stretches.add("bus", 15.0, 16.0)
    assert stretches.finish() == [Stretch("bus", 0.0, 12.0), Stretch("bus", 15.0, 16.0)]
