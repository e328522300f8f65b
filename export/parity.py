"""How far each stage of an exported model is from the PyTorch network it came from."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from edge_asc.errors import ExportError
from edge_asc.training.metrics import Interval, format_share, score

Array = npt.NDArray[np.float32]

MAX_FLOAT_ERROR = 1e-4
"""Largest difference of a logit that a float stage may show."""

MIN_INT8_AGREEMENT = 0.95
"""Smallest share of windows whose likeliest scene an int8 stage must share with PyTorch."""


_STAGE_WIDTH = 31


@dataclass(frozen=True, slots=True)
class StageParity:
    """One stage against PyTorch, on the same windows."""

    stage: str
    int8: bool
    max_error: float
    """Largest difference of a logit"""
    snr_db: float
    """Power of the reference's logits over that of the difference; infinite when equal"""
    agreement: float
    """Share of windows with the same likeliest scene"""
    accuracy: float
    accuracy_interval: Interval


@dataclass(frozen=True, slots=True)
class ParityReport:
    """All stages of one export."""

    windows: int
    groups: int
    data: str
    """Which windows these were"""
    reference_accuracy: float
    reference_interval: Interval
    stages: tuple[StageParity, ...]

    def to_dict(self) -> dict[str, Any]:
        """The report as it stands in the manifest."""
        return asdict(self)

    def lines(self) -> list[str]:
        """The report as a table to read."""
        reference = format_share(self.reference_accuracy, self.reference_interval)
        lines = [
            f"parity on {self.windows} windows of {self.groups} groups: {self.data}",
            f"  {'stage':{_STAGE_WIDTH}s} {'max error':>10s} {'SNR':>9s}"
            f" {'same scene':>11s}   accuracy",
            f"  {'PyTorch':{_STAGE_WIDTH}s} {'':32s}   {reference}",
        ]
        for stage in self.stages:
            share = format_share(stage.accuracy, stage.accuracy_interval)
            lines.append(
                f"  {stage.stage:{_STAGE_WIDTH}s} {stage.max_error:10.2g} {stage.snr_db:6.1f} dB"
                f" {100 * stage.agreement:9.1f} %   {share}"
            )
        return lines

    def check(self) -> None:
        """Raises ExportError when a stage is below its floor."""
        for stage in self.stages:
            if not stage.int8 and not stage.max_error <= MAX_FLOAT_ERROR:
                raise ExportError(
                    f"refused: {stage.stage} differs from PyTorch by {stage.max_error:.2g} on a"
                    f" logit, allowed are {MAX_FLOAT_ERROR:.0e}. The conversion is wrong; use the"
                    " versions of constraints.txt"
                )
            if stage.int8 and not stage.agreement >= MIN_INT8_AGREEMENT:
                raise ExportError(
                    f"refused: {stage.stage} names another scene than PyTorch in"
                    f" {1 - stage.agreement:.1%} of {self.windows} windows, allowed are"
                    f" {1 - MIN_INT8_AGREEMENT:.0%}. Train longer or on more data (an unsure"
                    " network flips easily), narrow the recipe's standardized_range, or export with"
                    " --float32"
                )


def parity_report(
    reference: Array,
    stages: Mapping[str, tuple[Array, bool]],
    *,
    label: npt.NDArray[np.int64],
    group: list[str],
    scenes: tuple[str, ...],
    data: str,
) -> ParityReport:
    """Compare each stage's logits, shape (N, num_scenes), with the `reference`'s.

    `stages` maps a name to its logits and whether it is int8; `label` and `group` have N entries.
    """
    reference_score = score(scenes, label, reference.argmax(axis=1), group)
    compared = []
    for name, (logits, int8) in stages.items():
        difference = (logits - reference).astype(np.float64)
        stage_score = score(scenes, label, logits.argmax(axis=1), group)
        compared.append(
            StageParity(
                stage=name,
                int8=int8,
                max_error=float(np.abs(difference).max()),
                snr_db=_ratio_db(
                    float(np.square(reference).sum()), float(np.square(difference).sum())
                ),
                agreement=float(np.mean(logits.argmax(axis=1) == reference.argmax(axis=1))),
                accuracy=stage_score.accuracy,
                accuracy_interval=stage_score.accuracy_interval,
            )
        )
    return ParityReport(
        windows=len(label),
        groups=len(set(group)),
        data=data,
        reference_accuracy=reference_score.accuracy,
        reference_interval=reference_score.accuracy_interval,
        stages=tuple(compared),
    )


def _ratio_db(signal: float, noise: float) -> float:
    return math.inf if noise == 0.0 else 10.0 * math.log10(signal / noise)
