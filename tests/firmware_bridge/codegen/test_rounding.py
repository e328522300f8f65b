"""Rounding rules against exact rational arithmetic, in Python and in C."""

from __future__ import annotations

import ctypes
import math
from collections.abc import Callable
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_asc.errors import FirmwareError
from edge_asc.firmware_bridge.codegen.host import CSOURCE, compile_c
from edge_asc.firmware_bridge.codegen.rounding import (
    MOST_SUM,
    double_rises,
    fit_line,
    quantized_multiplier,
    scaled_twice,
    table_rises,
)

FACTORS = st.floats(2.0**-20, 0.9, allow_subnormal=False) | st.builds(
    lambda odd, power: odd * 2.0**-power, st.integers(1, 255), st.integers(8, 20)
)
"""Some are short binary fractions, whose products fall on halves"""

_EXPOSED = """\
#include "asc_kernels.c"
int32_t exposed_twice(int32_t value, int32_t multiplier, int32_t shift);
int32_t exposed_twice(int32_t value, int32_t multiplier, int32_t shift)
{
    return scaled_twice(value, multiplier, shift);
}
int32_t exposed_line(int64_t slope, int64_t below, int64_t above, int32_t limit, int32_t shift,
                     int32_t sum);
int32_t exposed_line(int64_t slope, int64_t below, int64_t above, int32_t limit, int32_t shift,
                     int32_t sum)
{
    const asc_line_t line = {slope, below, above, limit, shift};
    return scaled_by_line(&line, sum);
}
"""


@pytest.fixture(scope="module")
def kernels(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    """The kernels' own rounding functions."""
    folder = tmp_path_factory.mktemp("rounding")
    (folder / "exposed.c").write_text(_EXPOSED)
    library = folder / "rounding.so"
    compile_c([folder / "exposed.c"], library, [f"-I{CSOURCE}", "-shared", "-fPIC", "-O2"])
    return ctypes.CDLL(str(library))


@pytest.fixture(scope="module")
def c_line(kernels: ctypes.CDLL) -> Callable[..., int]:
    function = kernels.exposed_line
    function.argtypes = [ctypes.c_int64] * 3 + [ctypes.c_int32] * 3
    return function


def half_up(value: Fraction) -> int:
    return math.floor(value + Fraction(1, 2))


def half_away(value: Fraction) -> int:
    return half_up(abs(value)) * (1 if value >= 0 else -1)


@given(
    st.integers(-(2**30), 2**30),
    st.integers(2**30, 2**31 - 1),
    st.integers(-31, 0),
)
@settings(max_examples=500, deadline=None)
def test_the_kernel_rounds_twice_like_exact_numbers(
    kernels: ctypes.CDLL, value: int, multiplier: int, shift: int
) -> None:
    """Half up to 31 bits first, then half away from zero: gemmlowp's documented rule."""
    high = half_up(Fraction(value * multiplier, 1 << 31))
    wanted = half_away(Fraction(high, 1 << -shift))
    assert kernels.exposed_twice(value, multiplier, shift) == wanted
    assert scaled_twice(value, multiplier, shift) == wanted


@given(st.integers(-(2**20), 2**20), st.integers(2**30, 2**31 - 1), st.integers(1, 10))
@settings(max_examples=200, deadline=None)
def test_a_factor_above_one_shifts_left_first(
    kernels: ctypes.CDLL, value: int, multiplier: int, shift: int
) -> None:
    exact = Fraction((value << shift) * multiplier, 1 << 31)
    assert kernels.exposed_twice(value, multiplier, shift) == half_up(exact)
    assert scaled_twice(value, multiplier, shift) == half_up(exact)


@given(st.floats(2.0**-31, 2.0**29, allow_subnormal=False))
def test_a_multiplier_has_31_bits_of_its_factor(factor: float) -> None:
    multiplier, shift = quantized_multiplier(factor)
    assert 2**30 <= multiplier < 2**31
    error = Fraction(multiplier, 1 << 31) * Fraction(2) ** shift - Fraction(factor)
    assert abs(error) <= Fraction(factor) / 2**31


def test_factors_at_the_ends_of_what_can_be_said() -> None:
    assert quantized_multiplier(2.0**-33) == (0, 0)
    assert quantized_multiplier(1.0 - 2.0**-40) == (2**30, 1)  # rounds up to 1
    with pytest.raises(FirmwareError, match=r"2\^30"):
        quantized_multiplier(2.0**31)


@given(FACTORS, st.integers(-128, 127), st.integers(1, MOST_SUM), st.data())
@settings(max_examples=60, deadline=None)
def test_a_line_equals_the_double_rule(
    c_line: Callable[..., int], factor: float, zero: int, bound: int, data: st.DataObject
) -> None:
    """At random sums and beside every half; numpy's float64 is the rule's double."""
    line = fit_line(double_rises(factor, zero, -128, 127), factor, bound, 127)
    halves = (np.arange(-256, 256) + 0.5) / factor
    near = (np.rint(halves)[:, None] + np.arange(-2, 3)).ravel()
    drawn = data.draw(st.lists(st.integers(-bound, bound), min_size=1, max_size=50))
    for value in [*(int(one) for one in near if abs(one) <= bound), *drawn]:
        product = float(value) * factor
        wanted = zero + half_away(Fraction(product))
        got = c_line(line.slope, line.below, line.above, line.limit, line.shift, value)
        assert got == line.at(value)
        assert min(127, max(-128, got)) == min(127, max(-128, wanted))


def test_halves_are_rounded_away_from_zero_on_both_sides() -> None:
    """0.25 a sum: 2 is a half, and LiteRT gives 1 for it, -1 for -2."""
    line = fit_line(double_rises(0.25, 0, -128, 127), 0.25, 1000, 127)
    assert [line.at(value) for value in (-6, -3, -2, -1, 0, 1, 2, 3, 6)] == [
        -2, -1, -1, 0, 0, 0, 1, 1, 2,
    ]  # fmt: skip


def test_what_no_line_equals_is_refused() -> None:
    """A product that is rounded first to whole numbers and then doubled rises by two."""
    values = 2 * np.round(np.arange(-40, 41) / 4).astype(np.int8)
    rises = table_rises(values, -40)
    with pytest.raises(FirmwareError, match="no integer rule"):
        fit_line(rises, 0.5, 40, 20)


def test_rises_say_what_a_table_says() -> None:
    values = np.array([-3, -3, -1, -1, 0, 5], np.int8)
    rises = table_rises(values, -10)
    assert [rises.at(value) for value in range(-10, -4)] == values.tolist()
    with pytest.raises(FirmwareError, match="falls"):
        table_rises(values[::-1], -10)
