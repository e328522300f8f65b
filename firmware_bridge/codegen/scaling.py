"""How a layer's sums become int8: the rule of one operator, in Python and as C constants."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edge_asc.errors import FirmwareError
from edge_asc.firmware_bridge.codegen.constants import Constants, int64
from edge_asc.firmware_bridge.codegen.oracle import Arithmetic
from edge_asc.firmware_bridge.codegen.rounding import (
    MOST_SUM,
    Line,
    double_rises,
    fit_line,
    quantized_multiplier,
    scaled_twice,
)


@dataclass(frozen=True, slots=True)
class Output:
    """Where sums go."""

    scale: float
    zero: int
    lowest: int
    highest: int
    """What the fused activation lets pass"""


@dataclass(frozen=True, slots=True)
class Scaling:
    """One factor for all channels, or one for each."""

    output: Output
    factors: tuple[float, ...]
    """What a sum's one is worth in the output"""
    limits: tuple[int, ...]
    """Sums of each channel are within ±limit"""
    multipliers: tuple[tuple[int, int], ...]
    """(multiplier, shift) where sums are rounded twice; else there are lines"""
    lines: tuple[Line, ...]

    def at(self, channel: int, value: int) -> int:
        """The int8 of a sum, as the kernel computes it."""
        if self.lines:
            scaled = self.lines[channel % len(self.lines)].at(value)
        else:
            chosen = self.multipliers[channel % len(self.multipliers)]
            scaled = scaled_twice(value, *chosen) + self.output.zero
        return max(self.output.lowest, min(self.output.highest, scaled))

    def fields(self, constants: Constants, label: str) -> list[tuple[str, object]]:
        """The fields of `asc_scaling_t` within `scaling`."""
        multipliers, shifts, lines = "NULL", "NULL", "NULL"
        if self.lines:
            lines = constants.structures("asc_line_t", map(_entry, self.lines), label)
        else:
            pairs = np.array(self.multipliers)
            multipliers = constants.array("int32_t", pairs[:, 0], label)
            shifts = constants.array("int8_t", pairs[:, 1], label)
        return [
            ("scaling.multipliers", multipliers),
            ("scaling.shifts", shifts),
            ("scaling.lines", lines),
            ("scaling.per_channel", int(len(self.factors) > 1)),
            ("scaling.zero", 0 if self.lines else self.output.zero),  # lines have it in them
            ("scaling.lowest", self.output.lowest),
            ("scaling.highest", self.output.highest),
        ]


def scaling_of(
    arithmetic: Arithmetic,
    kind: str,
    x_scale: float,
    w_scales: npt.NDArray[np.float32],
    bounds: Sequence[int],
    output: Output,
) -> Scaling:
    """The interpreters' rule for an operator of that kind; `bounds` of each channel's sums.

    LiteRT's reference kernel rounds fully connected layers once, in double; all else is rounded
    twice. Raises FirmwareError where sums or factors are out of what integers can follow.
    """
    connected = kind == "FULLY_CONNECTED"
    factors = [x_scale * float(scale) / output.scale for scale in w_scales]
    limits = list(bounds) if len(factors) > 1 else [max(bounds)]
    if connected and arithmetic == "litert":
        lines = [
            fit_line(
                double_rises(factor, output.zero, output.lowest, output.highest),
                factor,
                limit,
                output.highest,
            )
            for factor, limit in zip(factors, limits, strict=True)
        ]
        return Scaling(output, tuple(factors), tuple(limits), (), tuple(lines))
    multipliers = [quantized_multiplier(factor) for factor in factors]
    for (_, shift), limit in zip(multipliers, limits, strict=True):
        if limit << max(0, shift) > MOST_SUM:
            raise FirmwareError(f"sums up to {limit} do not fit 32 bits when shifted by {shift}")
    return Scaling(output, tuple(factors), tuple(limits), tuple(multipliers), ())


def _entry(line: Line) -> list[object]:
    """The fields of `asc_line_t`."""
    wide = [int64(value) for value in (line.slope, line.below, line.above)]
    return [*wide, line.limit, line.shift]
