"""The parity report counts right and refuses what is below its floors."""

from __future__ import annotations

import math

import numpy as np
import pytest

from edge_asc.errors import ExportError
from edge_asc.export.parity import ParityReport, parity_report

REFERENCE = np.array([[2.0, 0.0], [0.0, 2.0], [1.0, 0.9], [0.0, 1.0]], np.float32)
LABEL = np.array([0, 1, 1, 1])


def report(logits: np.ndarray, *, int8: bool) -> ParityReport:
    return parity_report(
        REFERENCE,
        {"stage": (logits, int8)},
        label=LABEL,
        group=["a", "a", "b", "b"],
        scenes=("bus", "bar"),
        data="made for this test",
    )


def test_equal_logits_are_at_parity() -> None:
    same = report(REFERENCE.copy(), int8=False)
    (stage,) = same.stages
    assert (stage.max_error, stage.snr_db, stage.agreement) == (0.0, math.inf, 1.0)
    assert same.reference_accuracy == stage.accuracy == 0.75
    same.check()


def test_figures_are_those_of_a_hand_count() -> None:
    logits = REFERENCE + np.array([[0.1, 0.0], [0.0, 0.0], [0.0, 0.2], [0.0, 0.0]], np.float32)
    (stage,) = report(logits, int8=True).stages
    # Signal 4 + 4 + 1 + 0.81 + 1 = 10.81, noise 0.01 + 0.04 = 0.05; the third flips to "bar".
    assert stage.max_error == pytest.approx(0.2)
    assert stage.snr_db == pytest.approx(10 * math.log10(10.81 / 0.05), abs=1e-3)
    assert (stage.agreement, stage.accuracy) == (0.75, 1.0)


def test_a_float_stage_that_is_off_is_refused() -> None:
    report(REFERENCE + 0.9e-4, int8=False).check()
    with pytest.raises(ExportError, match=r"differs from PyTorch by 0.0002 .* allowed are 1e-04"):
        report(REFERENCE + 2e-4, int8=False).check()


def test_a_float_stage_of_nan_is_refused() -> None:
    with pytest.raises(ExportError, match="differs from PyTorch by nan"):
        report(REFERENCE * np.nan, int8=False).check()


def test_an_int8_stage_that_flips_too_often_is_refused() -> None:
    with pytest.raises(ExportError, match=r"another scene than PyTorch in 100.0% of 4 windows"):
        report(-REFERENCE, int8=True).check()


def test_lines_name_the_data_and_every_stage() -> None:
    lines = report(REFERENCE.copy(), int8=True).lines()
    assert lines[0] == "parity on 4 windows of 2 groups: made for this test"
    assert "75.0 % (95 % interval" in lines[-1]
