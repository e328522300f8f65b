"""How far each stage of an exported model is from the network that was trained.

There are two references. What counts is the *checkpoint*, the trained network in PyTorch: its
accuracy is what users were promised. An export may first turn it into a *device network*, which
computes nearly the same in a form that int8 bears well; against that one, in float, the *rounding*
of a stage is seen alone.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from edge_asc.errors import ExportError
from edge_asc.export.context_coverage import ContextCoverage
from edge_asc.training.metrics import GroupBootstrap, Interval, paired_drop

Array = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int64]

Kind = Literal["device", "float", "quantized"]
"""The device network in PyTorch; a stage that must compute the same; one that rounds."""
Way = Literal["whole window", "encoder + head"]

MAX_FLOAT_ERROR = 1e-4
"""Largest difference of a logit that a float stage may show."""

MAX_FLIPPED = 0.05
"""A stage is refused when it surely names another scene in more than this share of all windows."""

MAX_DROP_POINTS = 0.5
"""Accuracy that a stage may lose, in points, where nothing else is asked for."""

FEW_GROUPS = 10
"""With fewer groups than this, an interval over groups is a guess."""

SURE = 0.05
"""p below which something is taken for more than chance."""


@dataclass(frozen=True, slots=True)
class StageLogits:
    """What one stage gave for the test windows, or for some of them."""

    form: str
    """Such as "TFLite int8" """
    kind: Kind
    runtime: str
    """Such as "ai-edge-litert 2.1.0, XNNPACK" """
    runtime_class: str
    version: str
    way: Way
    logits: Array
    """shape (n, num_scenes)"""
    indices: IntArray
    """Which of the test windows, shape (n,)"""

    @property
    def stage(self) -> str:
        return f"{self.form}, {self.runtime}, {self.way}"


@dataclass(frozen=True, slots=True)
class Comparison:
    """One set of logits against another, on the same windows."""

    max_error: float
    """Largest difference of a logit"""
    snr_db: float | None
    """Power of the other logits over that of the difference; None where they are equal"""
    agreement: float
    """Share of windows with the same likeliest scene"""
    num_flips: int
    """Windows with another one"""


@dataclass(frozen=True, slots=True)
class StageParity:
    """One stage against the checkpoint, on the same windows."""

    stage: str
    form: str
    kind: Kind
    runtime: str
    runtime_class: str
    way: Way
    windows: int
    """Those that it was run on; a slow runtime may have been given some of them only"""
    groups: int
    max_error: float
    worst_window: int
    """Where that was: the window's place among the test windows"""
    snr_db: float | None
    agreement: float
    num_flips: int
    """These and `max_error` as in `Comparison`"""
    flips: dict[str, int]
    """Windows by "scene of the checkpoint -> scene of the stage", most frequent first"""
    accuracy: float
    accuracy_interval: Interval
    drop_points: float
    """Accuracy lost against the checkpoint on these windows, in points; negative = gained"""
    drop_interval: Interval
    """Paired, over groups, in points"""
    lost: int
    """Windows that only the checkpoint has right"""
    gained: int
    """Windows that only the stage has right"""
    p_value: float
    """McNemar's exact test of lost against gained"""
    rounding: Comparison | None
    """Against the device network in float: what few bits do alone. None for that network itself,
    and where there is none"""
    other_runtime: Comparison | None
    """Against the first runtime that ran the same form in the same way; None for that one"""

    @property
    def resolution_points(self) -> float:
        """A drop below this many points cannot be told from none on these windows.

        Half of the interval, but at least 3 windows: where n windows show no loss at all, 3 / n
        remains possible (rule of three).
        """
        low, high = self.drop_interval
        return max((high - low) / 2, 300 / self.windows)

    def can_show(self, points: float) -> bool:
        """Whether these windows are many enough to measure a drop of `points` at all.

        They are if one window more or less is no more than that, and there are ten groups.
        """
        return 100 / self.windows <= points and self.groups >= FEW_GROUPS

    def fault(self, max_drop_points: float) -> str | None:
        """Why the stage must be refused, if it must."""
        if self.kind == "float":
            off = self.max_error if self.rounding is None else self.rounding.max_error
            if off > MAX_FLOAT_ERROR:
                return (
                    f"{self.stage} differs from PyTorch by {off:.2g} on a logit, allowed are"
                    f" {MAX_FLOAT_ERROR:.0e}. The conversion is wrong; use the versions of"
                    " constraints.txt"
                )
        if chance_of_more(self.num_flips, self.windows, MAX_FLIPPED) < SURE:
            return (
                f"{self.stage} names another scene than the checkpoint in {self.num_flips} of"
                f" {self.windows} windows, more than chance makes of the {MAX_FLIPPED:.0%} allowed."
                f" {_REMEDY}"
            )
        surely = self.drop_interval.low > max_drop_points and self.p_value < SURE
        if surely or (self.can_show(max_drop_points) and self.drop_points > max_drop_points):
            return (
                f"{self.stage} loses {format_drop(self)} points of accuracy against the checkpoint"
                f" on {self.windows} windows, allowed are {max_drop_points:g} (--max-drop)."
                f" {_REMEDY}"
            )
        return None


_REMEDY = "Train longer or on more data, an unsure network flips easily; or export with --float32"


@dataclass(frozen=True, slots=True)
class ParityReport:
    """All stages of one export, in all runtimes."""

    windows: int
    groups: int
    data: str
    """Which windows these were"""
    reference: str
    """What ran the checkpoint, such as "PyTorch 2.13.0" """
    reference_accuracy: float
    reference_interval: Interval
    stages: tuple[StageParity, ...]
    not_run: dict[str, str] = field(default_factory=dict)
    """Runtimes that are claimed but were not run, and why"""
    context: ContextCoverage | None = None
    """None for a network without context"""

    def to_dict(self) -> dict[str, Any]:
        """The report as it stands in the manifest: JSON types only, no infinities."""
        return asdict(self)

    def faults(self, max_drop_points: float = MAX_DROP_POINTS) -> list[str]:
        """Why the export must be refused; empty if it need not."""
        found = [stage.fault(max_drop_points) for stage in self.stages]
        context = self.context.fault() if self.context is not None else None
        return [fault for fault in [*found, context] if fault is not None]

    def doubts(self, max_drop_points: float = MAX_DROP_POINTS) -> list[str]:
        """What could not be known, because there were too few windows to know it by."""
        by_size: dict[tuple[int, int], list[StageParity]] = {}
        for stage in self.stages:
            if not stage.can_show(max_drop_points):
                by_size.setdefault((stage.windows, stage.groups), []).append(stage)
        return [
            f"on {windows} windows of {groups} groups, one of which is {100 / windows:.2g} points,"
            f" a drop of {max_drop_points:g} points cannot be measured: one below"
            f" {max(stage.resolution_points for stage in stages):.1f} cannot be told from none"
            f" ({', '.join(sorted({stage.runtime for stage in stages}))})"
            for (windows, groups), stages in by_size.items()
        ]

    def check(self, max_drop_points: float = MAX_DROP_POINTS) -> list[str]:
        """Raise ExportError when a stage is below its floor, else return what is in doubt.

        - A float stage may be off by 1e-4 on a logit.
        - No stage may surely flip more than 5 % of the labels (binomial, p < 0.05).
        - The accuracy drop may not exceed `max_drop_points` where the windows are enough to measure
          it (see `StageParity.can_show`); where they are not, even the low end of its interval must
          exceed it, and the windows lost must be more than chance (McNemar, p < 0.05).
        """
        if faults := self.faults(max_drop_points):
            more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
            raise ExportError(f"refused: {faults[0]}{more}")
        return self.doubts(max_drop_points)


def parity_report(
    reference: Array,
    stages: Sequence[StageLogits],
    *,
    label: IntArray,
    group: Sequence[str],
    scenes: Sequence[str],
    data: str,
    reference_name: str,
    not_run: Mapping[str, str] | None = None,
    context: ContextCoverage | None = None,
) -> ParityReport:
    """Compare each stage's logits with the checkpoint's, `reference`, shape (N, num_scenes).

    Where a stage is of kind "device", on all windows, the others are compared with it too. `label`
    and `group` have N entries.

    Raises:
        ExportError: a stage gave something that is not a finite number.
        ValueError: a window has no label, or the device network was not run on all of them.
    """
    if len(label) == 0 or label.min() < 0:
        raise ValueError("parity needs windows, each with the index of its scene as label")
    devices = [stage.logits for stage in stages if stage.kind == "device"]
    if any(len(logits) != len(reference) for logits in devices):
        raise ValueError("the device network must be run on all windows")
    device = devices[0] if devices else None
    right = reference.argmax(axis=1) == label
    return ParityReport(
        windows=len(label),
        groups=len(set(group)),
        data=data,
        reference=reference_name,
        reference_accuracy=float(right.mean()),
        reference_interval=GroupBootstrap(group).mean_interval(right[:, None]),
        stages=tuple(
            _stage_parity(stage, reference, device, _first(stages, stage), label, group, scenes)
            for stage in stages
        ),
        not_run=dict(not_run or {}),
        context=context,
    )


def _first(stages: Sequence[StageLogits], stage: StageLogits) -> StageLogits:
    """The first of the stages that are of the same form and run in the same way."""
    return next(one for one in stages if (one.form, one.way) == (stage.form, stage.way))


def _stage_parity(
    stage: StageLogits,
    reference: Array,
    device: Array | None,
    first: StageLogits,
    label: IntArray,
    group: Sequence[str],
    scenes: Sequence[str],
) -> StageParity:
    """`stage` against the checkpoint, the device network if there is one, and the `first` runtime.

    `reference`, `device`, `label` and `group` are those of all windows.
    """
    where = stage.indices
    logits, wanted, label = stage.logits, reference[where], label[where]
    if not np.isfinite(logits).all():
        window = int(where[~np.isfinite(logits).all(axis=1)][0])
        raise ExportError(f"refused: {stage.stage} gives no finite logits for test window {window}")
    group = [group[index] for index in where]
    before, after = wanted.argmax(axis=1), logits.argmax(axis=1)
    drop = paired_drop(before == label, after == label, group)
    of_first = None if first is stage else first.logits[np.searchsorted(first.indices, where)]
    of_device = None if device is None or stage.kind == "device" else device[where]
    return StageParity(
        stage=stage.stage,
        form=stage.form,
        kind=stage.kind,
        runtime=stage.runtime,
        runtime_class=stage.runtime_class,
        way=stage.way,
        windows=len(where),
        groups=len(set(group)),
        **asdict(compare(logits, wanted)),
        worst_window=int(where[np.abs(logits - wanted).max(axis=1).argmax()]),
        flips=_flips(before, after, scenes),
        accuracy=float((after == label).mean()),
        accuracy_interval=GroupBootstrap(group).mean_interval((after == label)[:, None]),
        drop_points=100 * (drop.lost - drop.gained) / len(where),  # 7 of 1000 are 0.7, exactly
        drop_interval=Interval(100 * drop.interval.low, 100 * drop.interval.high),
        lost=drop.lost,
        gained=drop.gained,
        p_value=drop.p_value,
        rounding=None if of_device is None else compare(logits, of_device),
        other_runtime=None if of_first is None else compare(logits, of_first),
    )


def compare(logits: Array, wanted: Array) -> Comparison:
    """How far `logits` are from those that are `wanted`, both of shape (N, num_scenes)."""
    difference = (logits - wanted).astype(np.float64)
    noise, signal = np.square(difference).sum(), np.square(wanted.astype(np.float64)).sum()
    flipped = logits.argmax(axis=1) != wanted.argmax(axis=1)
    return Comparison(
        max_error=float(np.abs(difference).max()),
        snr_db=None if noise == 0.0 else 10.0 * math.log10(signal / noise),
        agreement=1.0 - float(flipped.mean()),
        num_flips=int(flipped.sum()),
    )


def _flips(before: IntArray, after: IntArray, scenes: Sequence[str]) -> dict[str, int]:
    changed = before != after
    pairs = Counter(zip(before[changed].tolist(), after[changed].tolist(), strict=True))
    ordered = sorted(pairs.items(), key=lambda item: (-item[1], item[0]))
    return {f"{scenes[old]} -> {scenes[new]}": count for (old, new), count in ordered}


def chance_of_more(count: int, total: int, share: float) -> float:
    """Chance of `count` or more among `total`, each with probability `share`: binomial, exact."""

    def log_chance(k: int) -> float:
        ways = math.lgamma(total + 1) - math.lgamma(k + 1) - math.lgamma(total - k + 1)
        return ways + k * math.log(share) + (total - k) * math.log1p(-share)

    return max(0.0, 1.0 - sum(math.exp(log_chance(k)) for k in range(count)))


def format_drop(stage: StageParity) -> str:
    """Write a drop and its interval: "+0.70 (-0.10 to +1.50)"; plus is worse."""
    low, high = stage.drop_interval
    return f"{_points(stage.drop_points)} ({_points(low)} to {_points(high)})"


def _points(points: float) -> str:
    """At most six characters."""
    return f"{points:+.2f}" if abs(points) < 9.995 else f"{points:+.1f}"
