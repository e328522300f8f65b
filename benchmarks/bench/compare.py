"""Two results, stage by stage: how many times slower, how sure, and whether that is worth telling.

docs/bench-compare.md says how to read it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from statistics import NormalDist
from typing import Any

import numpy as np

from edge_asc.benchmarks.bench.bootstrap import resampled_percentiles
from edge_asc.benchmarks.bench.comparable import Difference, cautions, differences, refusals
from edge_asc.benchmarks.bench.result import STAGES, TOTAL, WAYS, BenchError, Result, Timing

SMALLEST = 1.05
"""The smallest ratio worth telling, this or 1 through it: two runs of one program differ by some
per cent whatever their samples say, by where its memory lies and what else the machine did."""

CONFIDENCE = 0.95

MIN_SAMPLES = {50: 20, 95: 100}
"""Percentile -> fewer samples give no interval: five must lie beyond the 95th percentile."""

_CLOCK_S = 1e-7
"""What took less took this: no clock tells it, and there is no ratio to zero"""

SLOWER, FASTER, NO_DIFFERENCE, TOO_FEW = "slower", "faster", "no difference told", "too few samples"
VERDICTS = (SLOWER, FASTER, NO_DIFFERENCE, TOO_FEW)


@dataclass(frozen=True, slots=True)
class Change:
    """A percentile of B's latency by A's. Above 1: B is slower."""

    ratio: float
    interval: tuple[float, float] | None
    """In which the ratio lies with 95 %; None with too few samples"""
    joint_interval: tuple[float, float] | None
    """The same for all ratios of the comparison together: wider. The verdict is by this one."""
    verdict: str
    """One of VERDICTS"""


@dataclass(frozen=True, slots=True)
class Row:
    """One stage of one way of one model."""

    model: str
    way: str
    stage: str
    num_samples: tuple[int, int]
    """Of A and of B, as all pairs here"""
    p50_ms: tuple[float, float]
    p95_ms: tuple[float, float]
    p50: Change
    p95: Change

    @property
    def name(self) -> str:
        return f"{self.model}, {self.way}, {self.stage}"


@dataclass(frozen=True, slots=True)
class Comparison:
    """All that two results have in common."""

    rows: tuple[Row, ...]
    num_ratios: int
    """For which the joint intervals hold together"""
    smallest: float
    cautions: tuple[str, ...]
    """Why to doubt it"""
    differences: tuple[Difference, ...]

    def above(self, ratio: float) -> list[Row]:
        """Rows whose median is surely more than `ratio` times slower: the joint interval is."""
        return [
            row for row in self.rows if row.p50.joint_interval and row.p50.joint_interval[0] > ratio
        ]

    def to_dict(self) -> dict[str, Any]:
        """As the JSON has it."""
        return {**asdict(self), "confidence": CONFIDENCE}


def compare(
    a: Result, b: Result, *, smallest: float = SMALLEST, seed: int = 1, anyway: bool = False
) -> Comparison:
    """B against A. Raises BenchError if they have nothing in common, or cannot be compared.

    `smallest`: the smallest ratio worth telling, above 1. With `anyway`, why they cannot be
    compared is only told.
    """
    refused = refusals(a, b)
    if refused and not anyway:
        raise BenchError(
            f"these two cannot be compared: {'; '.join(refused)}. Measure again with the same"
            " settings, or say --anyway"
        )
    pairs = list(_pairs(a, b))
    if not pairs:
        raise BenchError(f"these two have no stage in common: A has {_names(a)}; B has {_names(b)}")
    num_ratios = sum(_enough(share, *pair) for pair in pairs for share in MIN_SAMPLES)
    judge = _Judge(max(num_ratios, 1), math.log(smallest), np.random.default_rng(seed))
    return Comparison(
        tuple(judge.row(*pair) for pair in pairs),
        num_ratios,
        smallest,
        (*refused, *cautions(a, b)),
        tuple(differences(a, b)),
    )


@dataclass(frozen=True, slots=True)
class _Judge:
    num_ratios: int
    smallest_log: float
    rng: np.random.Generator

    def row(self, a: Timing, b: Timing) -> Row:
        shares = tuple(MIN_SAMPLES)
        samples = [np.maximum(timing.samples_s, _CLOCK_S) for timing in (a, b)]
        values = [np.percentile(some, shares) for some in samples]
        num_samples = (len(a.samples_s), len(b.samples_s))
        spread = None
        if _enough(50, a, b):
            drawn = [resampled_percentiles(some, shares, self.rng) for some in samples]
            spread = np.log(drawn[1] / drawn[0])
        changes = [
            self._change(
                float(np.log(values[1][place] / values[0][place])),
                spread[place] if spread is not None and _enough(share, a, b) else None,
            )
            for place, share in enumerate(shares)
        ]
        p50_ms, p95_ms = (
            (1e3 * float(low), 1e3 * float(high)) for low, high in zip(*values, strict=True)
        )
        return Row(a.model, a.way, a.stage, num_samples, p50_ms, p95_ms, *changes)

    def _change(self, ratio_log: float, spread: Any) -> Change:  # noqa: ANN401
        if spread is None:
            return Change(math.exp(ratio_log), None, None, TOO_FEW)
        low, high = np.exp(np.percentile(spread, [50 * (1 - CONFIDENCE), 50 * (1 + CONFIDENCE)]))
        # So far out there are no resamples: their spread is taken as normal.
        far = NormalDist().inv_cdf(1 - (1 - CONFIDENCE) / 2 / self.num_ratios) * float(spread.std())
        joint = (ratio_log - far, ratio_log + far)
        verdict = NO_DIFFERENCE
        if abs(ratio_log) >= self.smallest_log:
            verdict = SLOWER if joint[0] > 0.0 else FASTER if joint[1] < 0.0 else NO_DIFFERENCE
        both = (math.exp(joint[0]), math.exp(joint[1]))
        return Change(math.exp(ratio_log), (float(low), float(high)), both, verdict)


def _pairs(a: Result, b: Result) -> Iterator[tuple[Timing, Timing]]:
    """What both measured, by model, way and stage; the whole way first."""
    of_b = {_key(timing): timing for timing in b.timings if timing.samples_s}
    found = [timing for timing in a.timings if timing.samples_s and _key(timing) in of_b]
    names = [model["name"] for model in a.models]
    for timing in sorted(found, key=lambda timing: _place(timing, names)):
        yield timing, of_b[_key(timing)]


def _place(timing: Timing, names: list[str]) -> tuple[int, int, int]:
    orders = (names, list(WAYS), [TOTAL, *STAGES])
    places = [
        order.index(word) if word in order else len(order)
        for word, order in zip((timing.model, timing.way, timing.stage), orders, strict=True)
    ]
    return places[0], places[1], places[2]


def _key(timing: Timing) -> tuple[str, str, str]:
    return timing.model, timing.way, timing.stage


def _enough(share: int, a: Timing, b: Timing) -> bool:
    return min(len(a.samples_s), len(b.samples_s)) >= MIN_SAMPLES[share]


def _names(result: Result) -> str:
    found = {f"{timing.model} ({timing.way})" for timing in result.timings if timing.samples_s}
    return ", ".join(sorted(found)) or "none that was measured"
