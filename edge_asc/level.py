"""How loud a microphone is, and whether it can be hearing anything at all."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from edge_asc.features import Samples

STUCK_S = 10
"""All samples are equal for so long: muted, or a converter that has stopped."""

SILENCE_S = 60
SILENCE_PEAK = 2.0 / 2**15
"""Two 16-bit steps: what a converter hisses with nothing connected to it; a room is louder."""

WINDOW_S = 10
"""Clipping and DC offset are judged over so long."""

FULL_SCALE = 0.9999
"""The largest 16-bit sample is 0.99997; nothing but clipping gathers up there."""
CLIPPED_SHARE = 1e-3
"""10 ms in 10 s. Whole recordings of streets and stations have a seventieth of it at most
(scenes_open)."""

DC_OFFSET = 0.03
"""A sound converter is within 1 % of full scale; 3 % (-30 dB) is louder than a quiet scene."""

OVER_S = 20
"""After so long without it a state is over: one that comes and goes is told once."""


@dataclass(frozen=True, slots=True)
class Level:
    """How loud a piece of sound is.

    dBFS as in AES17: a sine that just fits has 0 dBFS, as RMS and as peak; a square wave's RMS is
    3 dB more.
    """

    rms_dbfs: float
    """Without the DC offset; -inf for digital silence"""

    peak_dbfs: float
    dc: float
    """Mean of the samples; full scale is 1"""


def measure_level(samples: Samples) -> Level:
    """The level of `samples`, shape (num_samples,). Raises ValueError for none."""
    if len(samples) == 0:
        raise ValueError("a level needs at least one sample, got none")
    mean = float(samples.mean(dtype=np.float64))
    power = float(np.square(samples, dtype=np.float64).mean()) - mean**2
    peak = max(float(samples.max()), -float(samples.min()))
    # All samples equal: what is left of the power is rounding.
    is_constant = samples.max() == samples.min()
    rms = 0.0 if is_constant else math.sqrt(max(power, 0.0))
    return Level(_decibels(math.sqrt(2.0) * rms), _decibels(peak), mean)


def _decibels(amplitude: float) -> float:
    return 20.0 * math.log10(amplitude) if amplitude > 0.0 else -math.inf


class LevelMonitor:
    """Says when the sound cannot be right: stuck, silent, clipped, offset; and when that is over.

    One line for each change of state, judged by whole seconds of sound, so that how it was cut into
    chunks never changes what is said. A second without any change of the samples counts as stuck
    and as nothing else.
    """

    def __init__(self, say: Callable[[str], None]) -> None:
        self._stuck = _State(STUCK_S, "the samples change again", say)
        self._silent = _State(SILENCE_S, "the microphone is no longer silent", say)
        self._clipped = _State(1, "the sound is no longer clipped", say)
        self._offset = _State(1, "the DC offset is gone", say)
        self._stuck_at: float | None = None
        self._waiting: list[Samples] = []
        self._waiting_samples = 0
        self._rate_hz = 0
        self._shares: deque[float] = deque(maxlen=WINDOW_S)
        self._means: deque[float] = deque(maxlen=WINDOW_S)
        self.last: Level | None = None
        """Of the last whole second, None before one"""

    def reset(self) -> None:
        """Forget the sound heard so far, as after lost sound; what was said still holds."""
        self._waiting.clear()
        self._waiting_samples = 0
        self._shares.clear()
        self._means.clear()
        for state in (self._stuck, self._silent):
            state.begin_anew()

    def process(self, samples: Samples, sample_rate_hz: int) -> None:
        """Take in `samples`, shape (num_samples,), of any length; another rate begins anew."""
        if sample_rate_hz != self._rate_hz:
            self.reset()
            self._rate_hz = sample_rate_hz
        self._waiting.append(samples)
        self._waiting_samples += len(samples)
        if self._waiting_samples < sample_rate_hz:
            return
        sound = np.concatenate(self._waiting)
        whole = len(sound) // sample_rate_hz * sample_rate_hz
        for second in sound[:whole].reshape(-1, sample_rate_hz):
            self._judge(second)
        self._waiting = [sound[whole:].copy()]
        self._waiting_samples = len(sound) - whole

    def _judge(self, second: Samples) -> None:
        self.last = measure_level(second)
        lowest, highest = float(second.min()), float(second.max())
        if lowest == highest:
            self._judge_stuck(lowest)
            return
        self._stuck_at = None
        self._stuck.update(False, "")
        peak = max(highest, -lowest)
        self._silent.update(
            peak <= SILENCE_PEAK,
            f"microphone off or covered? nothing above 2 steps of 16 bits for {SILENCE_S} s",
        )
        clipped = np.count_nonzero(np.abs(second) >= FULL_SCALE) if peak >= FULL_SCALE else 0
        share = _window_mean(self._shares, clipped / len(second))
        self._clipped.update(
            share >= CLIPPED_SHARE,
            f"the sound is clipped: {100 * share:.1f} % of the samples of {WINDOW_S} s are at full"
            " scale; lower the gain",
        )
        offset = _window_mean(self._means, float(second.mean()))
        self._offset.update(
            abs(offset) >= DC_OFFSET,
            f"the sound has a DC offset: its mean over {WINDOW_S} s is {offset:+.3f} of full scale;"
            " is the microphone sound, and powered as it needs?",
        )

    def _judge_stuck(self, value: float) -> None:
        if value != self._stuck_at:
            self._stuck.begin_anew()
            self._stuck_at = value
        what = "microphone muted? only zeros" if value == 0.0 else f"stuck at {value:.4f}"
        self._stuck.update(True, f"{what} for {STUCK_S} s", value)


def _window_mean(window: deque[float], newest: float) -> float:
    """The mean over the window that `newest` completes; 0 while it is not complete."""
    window.append(newest)
    return sum(window) / len(window) if len(window) == window.maxlen else 0.0


class _State:
    """Told once when it has lasted for `begin_s`, and once when it is over."""

    def __init__(self, begin_s: int, over: str, say: Callable[[str], None]) -> None:
        self._begin_s, self._over, self._say = begin_s, over, say
        self._bad_s = self._good_s = 0
        self._told: object = None
        """What of it was told, None for nothing."""

    def begin_anew(self) -> None:
        """What comes is not joined to what was."""
        self._bad_s = 0

    def update(self, is_bad: bool, text: str, variety: object = True) -> None:
        """Another second; `text` says what it is, for instance at which value it is stuck."""
        self._bad_s = self._bad_s + 1 if is_bad else 0
        self._good_s = 0 if is_bad else self._good_s + 1
        if self._bad_s >= self._begin_s and self._told != variety:
            self._told = variety
            self._say(text)
        elif self._told is not None and self._good_s >= OVER_S:
            self._told = None
            self._say(self._over)
