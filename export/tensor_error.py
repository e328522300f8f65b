"""Running sums over many windows: how far one integer tensor is from the float one."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from edge_asc.training.models.device_layers import quantization

Array = npt.NDArray[np.float32]

SAMPLES_PER_WINDOW = 256
"""Values of each tensor that are kept of every window to look for the best scale."""

_SHARES = np.linspace(0.3, 1.0, 29)
"""Of the full range, what the best scale is looked for among: less range, finer steps."""

_ROUNDING_STEPS = 12**-0.5
"""Standard deviation of what rounding adds to values of any size, in steps."""


_MARGIN_STEPS = 1.5
"""A value is cut off if it lies further beyond the range: 1 in a tensor up to 127/128 is not."""


@dataclass(frozen=True, slots=True)
class Grid:
    """The numbers that an integer tensor can hold."""

    scale: float
    zero_point: int
    dtype: np.dtype[Any]

    @property
    def lowest(self) -> int:
        return int(np.iinfo(self.dtype).min)

    @property
    def highest(self) -> int:
        return int(np.iinfo(self.dtype).max)

    @property
    def low(self) -> float:
        return (self.lowest - self.zero_point) * self.scale

    @property
    def high(self) -> float:
        return (self.highest - self.zero_point) * self.scale

    def steps(self, values: Array) -> npt.NDArray[np.int64]:
        """The integers of `values`, which lie on the grid."""
        steps: npt.NDArray[np.int64] = np.rint(values / np.float32(self.scale)).astype(np.int64)
        return steps + self.zero_point

    def round(self, values: Array) -> Array:
        """The nearest numbers of the grid."""
        rounded: Array = np.rint(np.clip(values, self.low, self.high) / self.scale) * self.scale
        return rounded


@dataclass(slots=True)
class TensorError:
    """What was counted of one tensor.

    `grid` is None for a tensor in float. Nothing beyond ±`reach` is told apart by those that read
    the tensor (a gate is shut at 8 as at 80), so all values are compared within it.
    """

    grid: Grid | None
    reach: float = math.inf
    count: int = 0
    float_power: float = 0.0
    int8_power: float = 0.0
    product: float = 0.0
    error_power: float = 0.0
    own_power: float = 0.0
    own_error_power: float = 0.0
    at_ends: int = 0
    clipped: int = 0
    low: float = math.inf
    high: float = -math.inf
    levels: set[int] = field(default_factory=set)
    samples: list[Array] = field(default_factory=list)

    def add(self, wanted: Array, found: Array, own: Array) -> None:
        """Count one window.

        Args:
            wanted: the tensor in the float network, any shape.
            found: the same in the integer network, as real numbers.
            own: what the float operator makes of the integer network's inputs to it; `found`
                differs from it by what this operator alone adds.
        """
        held = found
        wanted, found, own = (
            np.clip(values.reshape(-1), -self.reach, self.reach) for values in (wanted, found, own)
        )
        self.count += len(wanted)
        self.float_power += _power(wanted)
        self.int8_power += _power(found)
        self.product += float(np.dot(wanted.astype(np.float64), found))
        self.error_power += _power(found - wanted)
        self.own_power += _power(own)
        self.own_error_power += _power(found - own)
        self.low, self.high = min(self.low, float(own.min())), max(self.high, float(own.max()))
        self.samples.append(own[:: -(-len(own) // SAMPLES_PER_WINDOW)])
        if self.grid is not None:
            steps = self.grid.steps(held)
            self.at_ends += int(np.isin(steps, (self.grid.lowest, self.grid.highest)).sum())
            margin = _MARGIN_STEPS * self.grid.scale
            beyond = (own > self.grid.high + margin) | (own < self.grid.low - margin)
            self.clipped += int(beyond.sum())
            self.levels.update(np.unique(steps).tolist())

    @property
    def snr_db(self) -> float:
        """Power of the float tensor over that of all error so far; infinite without error."""
        return ratio_db(self.float_power, self.error_power)

    @property
    def own_snr_db(self) -> float:
        """Power over that of the error which this operator adds; infinite without error."""
        return ratio_db(self.own_power, self.own_error_power)

    @property
    def cosine(self) -> float:
        """Of the angle between the float and the integer tensor; 1 where both are zero."""
        norm = math.sqrt(self.float_power * self.int8_power)
        return self.product / norm if norm else float(self.float_power == self.int8_power)

    @property
    def own_error(self) -> float:
        """Root mean square of what this operator adds, in the tensor's own unit."""
        return math.sqrt(self.own_error_power / self.count)

    @property
    def range_used(self) -> float:
        """Width that the values need over the width that the grid spans; above 1: cut off."""
        if self.grid is None:
            return math.nan
        return (max(self.high, 0.0) - min(self.low, 0.0)) / (self.grid.high - self.grid.low)

    def least_error(self, *, scale_is_given: bool) -> float:
        """Root mean square error that the best grid of as many numbers leaves in these values.

        That they happen to lie on a grid (many are 0) does not count. Where the kernel or the
        inputs give the scale, that is the only one to be had.
        """
        assert self.grid is not None
        values = np.concatenate(self.samples)
        low, high = min(self.low, 0.0), max(self.high, 0.0)
        levels = self.grid.highest - self.grid.lowest
        grids = [self.grid]
        if not scale_is_given and high > low:
            symmetric = self.grid.dtype != np.int8
            for share in _SHARES:
                bottom = -share * max(-low, high) if symmetric else share * low
                top = -bottom if symmetric else share * high
                scale, zero_point = quantization(bottom, top)
                grids.append(Grid(scale * 255 / levels, zero_point, self.grid.dtype))
        return min(
            max(
                math.sqrt(_power(grid.round(values) - values) / len(values)),
                _ROUNDING_STEPS * grid.scale,
            )
            for grid in (grids[1:] or grids)
        )


def joined(parts: Iterable[TensorError]) -> TensorError:
    """The sums of several tensors of one grid, such as one of every step of the GRU."""
    parts = list(parts)
    total = TensorError(parts[0].grid, parts[0].reach)
    for part in parts:
        for name in _SUMS:
            setattr(total, name, getattr(total, name) + getattr(part, name))
        total.low, total.high = min(total.low, part.low), max(total.high, part.high)
        total.levels |= part.levels
        total.samples += part.samples
    return total


_SUMS = (
    "count",
    "float_power",
    "int8_power",
    "product",
    "error_power",
    "own_power",
    "own_error_power",
    "at_ends",
    "clipped",
)


def ratio_db(signal: float, noise: float) -> float:
    """Ratio of two powers in dB; infinite without noise, minus infinite without signal."""
    if noise == 0.0:
        return math.inf
    return 10.0 * math.log10(signal / noise) if signal else -math.inf


def _power(values: Array) -> float:
    return float(np.square(values, dtype=np.float64).sum())
