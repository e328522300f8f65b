"""The table fits a terminal and says what was measured, on what, and what was not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from edge_asc.export.context_coverage import AttributeCoverage, ContextCoverage
from edge_asc.export.parity import Kind, ParityReport, StageLogits, parity_report
from edge_asc.export.parity_text import WIDTH, report_lines

SCENES = ("construction_site", "public_square", "shopping_mall")
LONG_NAME = "tflite-micro 0.dev20261023182759"


@pytest.fixture
def report() -> ParityReport:
    """200 windows, of which the slow runtime got 50; every logit is off and many labels flip."""
    random = np.random.default_rng(0)
    reference = random.standard_normal((200, 3)).astype(np.float32)
    device = reference + np.float32(0.01)
    device[0] = -reference[0]
    noise = random.standard_normal(reference.shape).astype(np.float32)

    def stage(form: str, kind: Kind, runtime: str, logits: np.ndarray, step: int) -> StageLogits:
        where = np.arange(0, 200, step)
        name, version = runtime.split(" ", 1)
        return StageLogits(
            form, kind, runtime, name, version, "encoder + head", logits[where], where
        )

    found = parity_report(
        reference,
        [
            stage("device network", "device", "PyTorch 2", device, 1),
            stage("TFLite float32", "float", "R 1, fast", device + np.float32(1e-6), 1),
            stage("TFLite int8", "quantized", "R 1, fast", reference + 0.5 * noise, 1),
            stage("TFLite int8", "quantized", LONG_NAME, -reference, 4),
        ],
        label=reference.argmax(axis=1),
        group=[f"group {index % 20}" for index in range(200)],
        scenes=SCENES,
        data="the training run's test clips (200 of a set whose name is rather long to read)",
        reference_name="PyTorch 2",
    )
    hour = AttributeCoverage("hour", 24, 288, 280, "7 h", 9)
    return replace(
        found,
        context=ContextCoverage(12, (hour,)),
        not_run={"tflite-runtime": "for Python 3.11 and older"},
    )


def test_no_line_is_wider_than_a_terminal(report: ParityReport) -> None:
    assert max(map(len, report_lines(report))) <= WIDTH == 110


def test_lines_name_the_data_the_reference_and_every_stage(report: ParityReport) -> None:
    lines = report_lines(report)
    assert lines[0].startswith("parity on 200 windows of 20 groups: the training run's test clips")
    assert "checkpoint in PyTorch 2: accuracy 100.0 % (95 % interval 100.0 - 100.0)" in lines
    for stage in report.stages:
        assert any(line.startswith(f"{stage.form}, {stage.runtime}") for line in lines)


def test_a_row_holds_the_figures_under_their_heads(report: ParityReport) -> None:
    lines = report_lines(report)
    heads = next(line for line in lines if "same %" in line)
    row = lines[lines.index("TFLite int8, R 1, fast") + 1]
    stage = report.stages[2]
    assert f"{stage.num_flips}/200" in row[: heads.index("flips") + len("flips")]
    assert row.endswith(f"{stage.rounding.max_error:.2g}" if stage.rounding else "?")
    assert len(row) == len(heads)
    words = row.split()
    assert f"{stage.snr_db:.1f}" == words[3]
    assert words[8] == f"{stage.drop_points:+.1f}"  # 10 points or more: one decimal


def test_a_stage_on_some_of_the_windows_says_so(report: ParityReport) -> None:
    lines = report_lines(report)
    assert f"TFLite int8, {LONG_NAME} (50 of the windows)" in lines
    assert any(line.startswith("50 windows of ") for line in lines)


def test_flips_are_named_once_for_what_the_device_network_flips(report: ParityReport) -> None:
    text = " ".join(line.strip() for line in report_lines(report))
    assert (
        "device network, PyTorch 2, encoder + head: 1 flips in 200 windows: 1 lost, 0 won" in text
    )
    assert "TFLite float32, R 1, fast, encoder + head:" not in text
    other = report.stages[3].other_runtime
    assert other is not None
    assert f"Other labels than the first runtime's: {other.num_flips}." in text
    assert "public_square -> " in text


def test_what_was_not_run_and_the_context_are_told(report: ParityReport) -> None:
    text = "\n".join(report_lines(report))
    assert "not run: tflite-runtime: for Python 3.11 and older" in text
    assert "280 of 288 answers (97.2 %), fewest for 7 h: 9 of 12" in text
