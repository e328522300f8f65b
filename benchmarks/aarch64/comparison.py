"""Hold what emulated processors compute against each other and against this machine."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edge_asc.benchmarks.aarch64.emulator import Run
from edge_asc.benchmarks.aarch64.system import EmulationError

Array = npt.NDArray[np.float32]

LOGITS = ("whole", "streamed", "of_sounds")

NEPER_PER_DECIBEL = math.log(10.0) / 10.0
"""Our features are 10 log10 of a magnitude; this makes ln of it"""

MAX_LOG_MEL_ERROR = 1e-4
"""In natural logarithms of a magnitude, in bands that are at most `HEARD_DB` below the loudest band
of their frame"""

HEARD_DB = 80.0

MAX_QUIET_ERROR = 5e-3
"""In all other bands. They hold next to nothing, as those above the bandwidth of an old recording,
and the matrix products of x86-64 round them as coarsely as the loudest"""

MIN_SPREAD_STEPS = 4.0
"""Outputs that hardly differ from window to window would agree on any machine"""


@dataclass(frozen=True, slots=True)
class LogMelError:
    """How far log-mel features are apart, in natural logarithms."""

    heard: float
    """The largest, in bands within `HEARD_DB` of the loudest of their frame"""
    quiet: float
    """The largest in all others"""
    cells_off: int
    """Cells that differ by more than `MAX_LOG_MEL_ERROR`"""
    num_cells: int
    lowest_band_off: int | None
    """The lowest mel band, from 0, with such a cell"""

    def __str__(self) -> str:
        text = f"within {self.heard:.2g}"
        if self.cells_off:
            share = self.cells_off / self.num_cells
            text += (
                f", but within {self.quiet:.2g} more than {HEARD_DB:g} dB below the frame's loudest"
                f" band ({share:.1%} of all cells above {MAX_LOG_MEL_ERROR:g}, from mel band"
                f" {self.lowest_band_off} on)"
            )
        return text

    def faults(self) -> list[str]:
        """What is not as it must be."""
        limits = ((self.heard, MAX_LOG_MEL_ERROR), (self.quiet, MAX_QUIET_ERROR))
        return [
            f"log-mel differs by {error:.3g} in natural logarithms, allowed are {limit:g}"
            for error, limit in limits
            if not error <= limit
        ]


def log_mel_error(ours: Array, theirs: Array) -> LogMelError:
    """Of features of shape (num_sounds, num_frames, num_mels), 10 log10 of magnitudes."""
    error = np.abs(ours - theirs) * NEPER_PER_DECIBEL
    below_db = 2.0 * (theirs.max(axis=2, keepdims=True) - theirs)  # they are half decibels of level
    quiet = below_db > HEARD_DB
    off = error > MAX_LOG_MEL_ERROR
    return LogMelError(
        float(error[~quiet].max()),
        float(error[quiet].max(initial=0.0)),
        int(np.count_nonzero(off)),
        error.size,
        int(np.argwhere(off)[:, 2].min()) if off.any() else None,
    )


@dataclass(frozen=True, slots=True)
class Differences:
    """How far a run is from the native one. Networks must give the same bits."""

    encoder: float
    reference_kernels: float
    logits: float
    """With XNNPACK: the largest difference"""
    logits_off: int
    num_logits: int
    log_mel: LogMelError
    """Each by the way that is fastest there: an FFT on ARM, matrix products on x86-64"""
    log_mel_by_fft: float
    """The largest difference when both use the FFT; natural logarithms"""
    cells_off: int
    """Cells of the int8 input that are another number"""

    def faults(self) -> list[str]:
        """What is not as it must be."""
        found = []
        if self.encoder:
            found.append(f"the encoder's outputs differ by up to {self.encoder:.3g}")
        if self.reference_kernels:
            found.append(f"TFLite's plain kernels differ by up to {self.reference_kernels:.3g}")
        if self.logits:
            found.append(
                f"{self.logits_off} of {self.num_logits} logits differ by up to {self.logits:.3g}"
            )
        if not self.log_mel_by_fft <= MAX_LOG_MEL_ERROR:
            found.append(f"log-mel by the same FFT differs by {self.log_mel_by_fft:.3g} (ln)")
        found += self.log_mel.faults()
        return found


def compare(run: Run, native: Run, input_step: float) -> Differences:
    """`input_step` is the scale of the network's int8 input."""
    ours, theirs = run.arrays, native.arrays
    off = np.concatenate([np.abs(ours[name] - theirs[name]) for name in LOGITS])
    cells = (np.rint(arrays["standardized"] / input_step) for arrays in (ours, theirs))
    return Differences(
        encoder=_largest(ours["steps"], theirs["steps"]),
        reference_kernels=_largest(ours["reference"], theirs["reference"]),
        logits=float(off.max()),
        logits_off=int(np.count_nonzero(off)),
        num_logits=off.size,
        log_mel=log_mel_error(ours["log_mel"], theirs["log_mel"]),
        log_mel_by_fft=NEPER_PER_DECIBEL
        * _largest(ours["log_mel_by_fft"], theirs["log_mel_by_fft"]),
        cells_off=int(np.count_nonzero(np.not_equal(*cells))),
    )


def check_same_outputs(runs: Mapping[str, Run]) -> None:
    """Every network's outputs must be the same bits in all runs. Raises EmulationError."""
    first, *others = runs
    for other in others:
        for name in (*LOGITS, "reference", "steps"):
            error = _largest(runs[first].arrays[name], runs[other].arrays[name])
            if error:
                raise EmulationError(
                    f"{name}: {other} and {first} must give the same bits, but differ by"
                    f" {error:.3g}"
                )


def check_spread(native: Run, logit_step: float) -> None:
    """Raises EmulationError when the outputs are too much alike to show anything."""
    logits = np.concatenate([native.arrays["whole"], native.arrays["of_sounds"]]) / logit_step
    spread = float(np.median(logits.std(axis=0)))
    if spread < MIN_SPREAD_STEPS:
        raise EmulationError(
            f"the outputs of these windows vary by {spread:.1f} int8 steps (standard deviation),"
            f" at least {MIN_SPREAD_STEPS:g} are needed to show that they are computed right"
        )


def _largest(ours: Array, theirs: Array) -> float:
    return float(np.abs(ours - theirs).max())
