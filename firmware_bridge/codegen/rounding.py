"""How sums become int8, exactly as an oracle does it.

Two rules are in use. Convolutions, products and sums of tensors multiply by a 31-bit integer and
round twice, in every interpreter. LiteRT's reference kernel of FULLY_CONNECTED multiplies by a
double and rounds half away from zero. What comes out of either is an int8 that never falls where
the sum grows, so it is known from the at most 255 sums at which it rises: a `Line` of integers
that rises at the same sums is equal for every sum, and `fit_line` finds one or says that there is
none.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edge_asc.errors import FirmwareError

MOST_SUM = 2**31 - 1
_PRODUCT_BITS = 62


def quantized_multiplier(real: float) -> tuple[int, int]:
    """A real factor > 0 as (multiplier, shift): multiplier / 2^31 * 2^shift, 31 bits.

    As TFLite's QuantizeMultiplier: what is below 2^-32 becomes 0. Raises FirmwareError where an
    interpreter would overflow.
    """
    mantissa, shift = math.frexp(real)
    multiplier = math.floor(mantissa * (1 << 31) + 0.5)
    if multiplier == 1 << 31:
        multiplier, shift = multiplier // 2, shift + 1
    if shift < -31:
        return 0, 0
    if shift > 30:
        raise FirmwareError(f"scales must not be 2^30 apart; a factor of {real:g} was found")
    return multiplier, shift


def scaled_twice(value: int, multiplier: int, shift: int) -> int:
    """The product with a quantized multiplier: rounded half up, then half away from zero."""
    high = ((value << max(0, shift)) * multiplier + (1 << 30)) >> 31
    right = max(0, -shift)
    return (high + ((1 << right) >> 1) - (high < 0 < right)) >> right


@dataclass(frozen=True, slots=True)
class Line:
    """`asc_line_t` of the kernels: (sum * slope + offset) >> shift, offsets by the sum's sign.

    Sums are clipped to ±limit first.
    """

    slope: int
    below: int
    above: int
    limit: int
    shift: int

    def at(self, value: int) -> int:
        """What the kernel computes for a sum, before it clips to int8."""
        within = max(-self.limit, min(self.limit, value))
        offset = self.below if within < 0 else self.above
        return (within * self.slope + offset) >> self.shift


@dataclass(frozen=True, slots=True)
class Rises:
    """A function of integer sums that never falls: where it reaches each of its values."""

    lowest: int
    """Its smallest value"""
    first_sums: Sequence[int]
    """The smallest sum at which it is at least lowest + 1, lowest + 2, ...; never falling"""

    def at(self, value: int) -> int:
        return self.lowest + int(np.searchsorted(self.first_sums, value, side="right"))


def double_rises(factor: float, zero: int, lowest: int, highest: int) -> Rises:
    """Where zero + round(sum * factor), clipped, rises: in double, rounded half away from zero."""
    firsts = [_first_sum(factor, wanted - zero) for wanted in range(lowest + 1, highest + 1)]
    return Rises(lowest, firsts)


def _first_sum(factor: float, wanted: int) -> int:
    """The smallest sum whose product with `factor` rounds to at least `wanted`."""
    if wanted <= 0:  # the rule is odd: what holds for a sum holds for its negative
        return 1 - _first_sum(factor, 1 - wanted)
    found = math.ceil((wanted - 0.5) / factor)
    while float(found - 1) * factor >= wanted - 0.5:
        found -= 1
    while float(found) * factor < wanted - 0.5:
        found += 1
    return found


def table_rises(values: npt.NDArray[np.int8], first: int) -> Rises:
    """The same of values that were seen, of the sums first, first + 1, ...

    Raises FirmwareError if they fall anywhere.
    """
    steps = np.diff(values.astype(np.int32))
    if (steps < 0).any():
        raise FirmwareError("an interpreter's mean falls where its sum grows: it cannot be right")
    levels = range(int(values[0]) + 1, int(values[-1]) + 1)
    return Rises(int(values[0]), [first + int(np.argmax(values >= level)) for level in levels])


def fit_line(rises: Rises, factor: float, bound: int, highest: int) -> Line:
    """Integers that equal `rises` for every sum within ±bound, once clipped to its range.

    The range is rises.lowest to `highest`; `factor` is about what one more in the sum is worth.
    Negative sums may be rounded differently from others. Raises FirmwareError if there is no such
    line.
    """
    outermost = max((abs(value) for value in rises.first_sums), default=0) + 1
    limit = min(bound, outermost)
    values = len(rises.first_sums) + abs(rises.lowest) + 2
    reach = max(1, math.ceil(limit * factor), values)
    shift = _PRODUCT_BITS - reach.bit_length() - 1
    slope = round(factor * 2.0**shift)
    critical = {-limit, limit, -1, 0}
    for first in rises.first_sums:
        critical |= {first - 1, first}
    within = [value for value in critical if abs(value) <= limit]
    below = _offset(rises, slope, shift, [value for value in within if value < 0], highest)
    above = _offset(rises, slope, shift, [value for value in within if value >= 0], highest)
    if below is None or above is None:
        raise FirmwareError(
            f"no integer rule equals the interpreter's rounding of sums up to {bound} by {factor:g}"
        )
    return Line(slope, below, above, limit, shift)


def _offset(rises: Rises, slope: int, shift: int, sums: Sequence[int], highest: int) -> int | None:
    """An offset that gives every sum its value; None if there is none."""
    at_least, below = -(1 << _PRODUCT_BITS), 1 << _PRODUCT_BITS
    for value in sums:
        wanted = rises.at(value)
        if wanted > rises.lowest:
            at_least = max(at_least, (wanted << shift) - value * slope)
        if wanted < highest:
            below = min(below, ((wanted + 1) << shift) - value * slope)
    return (at_least + below) // 2 if at_least < below else None
