"""What must be equal is held to it, and what may differ to how much."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from edge_asc.benchmarks.aarch64.comparison import (
    check_same_outputs,
    check_spread,
    compare,
    log_mel_error,
)
from edge_asc.benchmarks.aarch64.emulator import Run
from edge_asc.benchmarks.aarch64.system import EmulationError

STEP = 0.25


@pytest.fixture
def native() -> Run:
    rng = np.random.default_rng(3)
    logits = (STEP * rng.integers(-60, 60, (4, 10))).astype(np.float32)
    return Run(
        {},
        {},
        {
            "whole": logits,
            "streamed": logits,
            "reference": logits,
            "of_sounds": logits,
            "steps": rng.standard_normal((4, 20, 8)).astype(np.float32),
            "log_mel": rng.uniform(-20, 0, (2, 5, 64)).astype(np.float32),
            "log_mel_by_fft": rng.uniform(-20, 0, (2, 5, 64)).astype(np.float32),
            "standardized": rng.integers(-9, 9, (2, 5, 64)).astype(np.float32) * 0.1,
        },
    )


def changed(run: Run, name: str, by: float, index: tuple[int, ...] = (0, 0)) -> Run:
    array = run.arrays[name].copy()
    array[index] += by
    return replace(run, arrays={**run.arrays, name: array})


def test_a_run_equals_itself(native: Run) -> None:
    found = compare(native, native, 0.1)
    assert found.faults() == []
    assert (found.logits, found.logits_off, found.num_logits, found.cells_off) == (0, 0, 120, 0)


@pytest.mark.parametrize(
    ("name", "by", "fault"),
    [
        ("steps", 1e-6, "the encoder's outputs differ"),
        ("reference", STEP, "TFLite's plain kernels differ"),
        ("whole", STEP, "1 of 120 logits differ by up to 0.25"),
        ("streamed", STEP, "1 of 120 logits differ by up to 0.25"),
        ("log_mel_by_fft", 1e-3, "log-mel by the same FFT differs by 0.00023"),
        ("of_sounds", 3 * STEP, "1 of 120 logits differ by up to 0.75"),
    ],
)
def test_what_must_not_differ_is_a_fault(native: Run, name: str, by: float, fault: str) -> None:
    index = (0,) * native.arrays[name].ndim
    faults = compare(changed(native, name, by, index), native, 0.1).faults()
    assert any(text.startswith(fault) for text in faults), faults


def test_log_mel_is_in_natural_logarithms() -> None:
    theirs = np.zeros((1, 3, 64), np.float32)
    ours = theirs.copy()
    ours[0, 1, 7] = 10.0  # a magnitude ten times as large
    assert log_mel_error(ours, theirs).heard == pytest.approx(np.log(10.0))
    assert log_mel_error(ours, theirs).lowest_band_off == 7


def test_bands_that_hold_next_to_nothing_have_a_limit_of_their_own() -> None:
    theirs = np.zeros((1, 3, 64), np.float32)
    theirs[:, :, 60:] = -40.5  # magnitudes: 81 dB of level
    ours = theirs.copy()
    ours[:, :, 60:] += 0.004  # 9e-4 in natural logarithms
    found = log_mel_error(ours, theirs)
    assert (found.heard, found.cells_off, found.lowest_band_off) == (0.0, 12, 60)
    assert found.faults() == []
    assert "(6.2% of all cells above 0.0001, from mel band 60 on)" in str(found)
    ours[0, 0, 0] += 0.004
    assert log_mel_error(ours, theirs).faults() != []
    ours[0, 0, 0] = 0.0
    ours[:, :, 60:] += 0.03
    assert log_mel_error(ours, theirs).faults() != []


def test_runs_must_give_the_same_bits(native: Run) -> None:
    check_same_outputs({"one": native, "two": native})
    other = changed(native, "whole", STEP)
    with pytest.raises(EmulationError, match=r"whole: two and one .* differ by 0\.25"):
        check_same_outputs({"one": native, "two": other})


def test_outputs_that_do_not_vary_show_nothing(native: Run) -> None:
    check_spread(native, STEP)
    same = np.ones((4, 10), np.float32)
    run = replace(native, arrays={**native.arrays, "whole": same, "of_sounds": same})
    with pytest.raises(EmulationError, match=r"vary by 0\.0 int8 steps"):
        check_spread(run, STEP)
