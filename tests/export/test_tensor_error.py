from __future__ import annotations

import math

import numpy as np
import pytest

from edge_asc.export.tensor_error import Grid, TensorError, joined, ratio_db

INT8 = np.dtype(np.int8)
STEPS_OF_TENTH = Grid(0.1, 0, INT8)


def counted(wanted, found, own=None, grid=STEPS_OF_TENTH, reach=math.inf):
    error = TensorError(grid, reach)
    arrays = [np.asarray(v, np.float32) for v in (wanted, found, wanted if own is None else own)]
    error.add(*arrays)
    return error


def test_snr_and_cosine_by_hand():
    error = counted([3.0, 4.0], [3.0, 5.0], own=[3.0, 4.5])
    assert error.snr_db == pytest.approx(10 * math.log10(25 / 1))
    assert error.own_snr_db == pytest.approx(10 * math.log10((9 + 20.25) / 0.25))
    assert error.own_error == pytest.approx(math.sqrt(0.25 / 2))
    assert error.cosine == pytest.approx((9 + 20) / (5 * math.sqrt(34)))


def test_without_error_the_ratio_is_infinite_and_without_signal_minus_infinite():
    assert counted([1.0], [1.0]).snr_db == math.inf
    assert counted([0.0], [0.0]).snr_db == math.inf
    assert counted([0.0], [0.0]).cosine == 1.0
    assert counted([0.0], [0.1]).cosine == 0.0
    assert ratio_db(0.0, 1.0) == -math.inf


def test_grid_ends_and_rounding():
    grid = Grid(6 / 255, -128, INT8)
    assert grid.low == 0.0
    assert grid.high == pytest.approx(6.0)
    values = np.array([-1.0, 0.0, 0.01, 0.013, 6.0, 9.0], np.float32)
    assert grid.round(values) / grid.scale == pytest.approx([0, 0, 0, 1, 255, 255])
    assert grid.steps(grid.round(values)).tolist() == [-128, -128, -128, -127, 127, 127]


def test_values_at_the_ends_are_cut_off_only_where_they_lie_well_beyond():
    grid = Grid(1 / 128, 0, INT8)  # ends at 127/128
    own = np.array([0.5, 1.0, 127 / 128 + 1.4 / 128, 127 / 128 + 1.6 / 128, -3.0], np.float32)
    error = counted(own, grid.round(own), own, grid)
    assert error.at_ends == 4
    assert error.clipped == 2
    assert error.range_used == pytest.approx((127 / 128 + 1.6 / 128 + 3.0) / (255 / 128))
    assert error.levels == {64, 127, -128}


def test_beyond_its_reach_a_value_does_not_count():
    error = counted([20.0, 1.0], [12.7, 1.0], own=[20.0, 1.0], reach=8.0)
    assert error.snr_db == math.inf
    assert error.clipped == 0
    assert error.own_power == pytest.approx(64.0 + 1.0)
    assert error.at_ends == 1
    assert error.levels == {127, 10}


def test_least_error_is_rounding_for_even_values_and_cuts_off_rare_peaks():
    rng = np.random.default_rng(3)
    even = rng.uniform(-1.0, 1.0, 4096).astype(np.float32)
    assert counted(even, even).least_error(scale_is_given=False) == pytest.approx(
        2 / 255 / math.sqrt(12), rel=0.1
    )
    peaked = np.where(np.arange(4096) == 7, 3.0, even).astype(np.float32)
    full = Grid(4 / 255, -64, INT8)
    by_range = float(np.sqrt(np.mean((full.round(peaked) - peaked) ** 2)))
    many = TensorError(full)
    many.add(peaked, peaked, peaked)
    many.samples = [peaked]
    assert many.least_error(scale_is_given=False) <= 1.01 * by_range
    assert many.least_error(scale_is_given=True) == pytest.approx(by_range, rel=0.1)


def test_least_error_of_sixteen_bits_is_256_times_smaller():
    even = np.random.default_rng(4).uniform(-1.0, 1.0, 4096).astype(np.float32)
    eight = counted(even, even).least_error(scale_is_given=False)
    fine = Grid(1 / 32767, 0, np.dtype(np.int16))
    sixteen = counted(even, even, grid=fine).least_error(scale_is_given=False)
    assert eight / sixteen == pytest.approx(65535 / 255, rel=0.05)


def test_joined_is_as_if_all_had_been_one_tensor():
    rng = np.random.default_rng(5)
    pieces = [rng.uniform(-14.0, 14.0, (3, 50)).astype(np.float32) for _ in range(4)]
    parts = [counted(a, STEPS_OF_TENTH.round(b), b) for a, b, _ in pieces]
    one = TensorError(STEPS_OF_TENTH)
    for a, b, _ in pieces:
        one.add(a, STEPS_OF_TENTH.round(b), b)
    total = joined(parts)
    for name in ("snr_db", "own_snr_db", "cosine", "own_error", "range_used"):
        assert getattr(total, name) == pytest.approx(getattr(one, name))
    assert (total.at_ends, total.clipped, total.levels) == (one.at_ends, one.clipped, one.levels)
    assert total.least_error(scale_is_given=False) == one.least_error(scale_is_given=False)
