"""What is drawn along time, in as many numbers as a picture can show."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import numpy.typing as npt

Values = npt.NDArray[np.float64]

MAX_BINS = 1600
"""More than a picture has columns"""

_PENDING = 4096

_MOST_STEPS = 100
"""A window is not so many seconds long"""


@dataclass(frozen=True, slots=True)
class Stretch:
    """From when until when something lasted: a scene that was decided, a gap, a state."""

    what: str
    start_s: float
    end_s: float


@dataclass(frozen=True, slots=True)
class Series:
    """Numbers over time, in bins of equal length; NaN where there are none."""

    start_s: float
    """Where the first bin begins"""
    width_s: float
    mean: Values
    """shape (num_bins, num_columns)"""
    low: Values
    high: Values
    """Smallest and largest number in each bin, same shape"""

    @property
    def edges_s(self) -> Values:
        """Where the bins begin, and where the last one ends, shape (num_bins + 1,)."""
        return self.start_s + self.width_s * np.arange(len(self.mean) + 1)


class Bins:
    """Takes rows of numbers at any times, and remembers no more than a picture shows.

    Bins become twice as long whenever there would be too many of them:

        |a|b|c|d|e|     ->    |a b|c d|e f|
    """

    def __init__(self, num_columns: int, width_s: float, max_bins: int = MAX_BINS) -> None:
        self._width_s, self._max_bins = width_s, max_bins
        self._times_s: list[float] = []
        self._rows: list[Sequence[float]] = []
        self._first = 0
        """The index of the first bin; that of time 0 is 0"""
        self._sum, self._count = (np.zeros((0, num_columns)) for _ in range(2))
        self._low, self._high = self._sum, self._sum

    def add(self, at_s: float, row: Sequence[float]) -> None:
        """Take in a row of as many numbers as there are columns; NaN for one that is not known."""
        self._times_s.append(at_s)
        self._rows.append(row)
        if len(self._rows) >= _PENDING:
            self._gather()

    def fill(self, from_s: float, to_s: float, row: Sequence[float]) -> None:
        """Take in a row that holds for a stretch, second by second."""
        num_steps = min(max(1, round(to_s - from_s)), _MOST_STEPS)
        for step in range(num_steps):
            self.add(from_s + (step + 0.5) / num_steps * (to_s - from_s), row)

    def widen(self, num_columns: int) -> None:
        """Have so many columns from now on; the new ones were not known until now."""
        self._gather()
        more = ((0, 0), (0, num_columns - self._sum.shape[1]))
        self._sum, self._count = np.pad(self._sum, more), np.pad(self._count, more)
        self._low = np.pad(self._low, more, constant_values=np.inf)
        self._high = np.pad(self._high, more, constant_values=-np.inf)

    def series(self) -> Series:
        """All that was taken in."""
        self._gather()
        unknown = self._count == 0
        mean = np.where(unknown, np.nan, self._sum / np.maximum(self._count, 1))
        low, high = np.where(unknown, np.nan, self._low), np.where(unknown, np.nan, self._high)
        return Series(self._first * self._width_s, self._width_s, mean, low, high)

    def _gather(self) -> None:
        """Put the rows that wait into bins."""
        if not self._rows:
            return
        rows = np.asarray(self._rows, np.float64)
        known = ~np.isnan(rows)
        new = np.floor(np.asarray(self._times_s) / self._width_s).astype(np.int64)
        index = np.concatenate([self._first + np.arange(len(self._sum)), new])
        while index.max() - index.min() >= self._max_bins:
            self._width_s *= 2.0
            index //= 2
        self._first = int(index.min())
        place = index - self._first
        shape = (int(place.max()) + 1, rows.shape[1])
        self._sum = _into(np.add, np.zeros(shape), place, [self._sum, np.where(known, rows, 0.0)])
        self._count = _into(np.add, np.zeros(shape), place, [self._count, known.astype(np.float64)])
        self._low = _into(
            np.minimum, np.full(shape, np.inf), place, [self._low, np.where(known, rows, np.inf)]
        )
        self._high = _into(
            np.maximum,
            np.full(shape, -np.inf),
            place,
            [self._high, np.where(known, rows, -np.inf)],
        )
        self._times_s, self._rows = [], []


def _into(
    combine: np.ufunc, target: Values, place: npt.NDArray[np.int64], parts: list[Values]
) -> Values:
    combine.at(target, place, np.concatenate(parts))
    return target


class Stretches:
    """Joins what is told again and again, a scene or a state, into stretches."""

    def __init__(self) -> None:
        self._done: list[Stretch] = []
        self._what: str | None = None
        self._start_s = self._end_s = 0.0

    def add(self, what: str | None, since_s: float, until_s: float) -> None:
        """It is `what` (None: nothing) up to `until_s`, and has been since `since_s`.

        Where that is within the stretch before, that one ends there.
        """
        if what != self._what or since_s > self._end_s:
            self._close(since_s)
            self._what, self._start_s = what, since_s
        self._end_s = until_s

    def finish(self) -> list[Stretch]:
        """All of them, in their order; no more will come."""
        self._close(self._end_s)
        self._what = None
        return self._done

    def _close(self, next_s: float) -> None:
        end_s = min(self._end_s, next_s)
        if self._what is not None and end_s > self._start_s:
            self._done.append(Stretch(self._what, self._start_s, end_s))


@dataclass(frozen=True, slots=True)
class Spectrogram:
    """Log-mel features over time."""

    series: Series
    centres_hz: Values
    """Of the mel bands, shape (num_mels,)"""


@dataclass(frozen=True, slots=True)
class Timeline:
    """All that a picture tells. Times are seconds from where the axis begins."""

    title: str
    model: str
    demonstration: bool
    smoothed: bool
    """Whether `belief` is after smoothing, and not the network's own probabilities"""
    begins: datetime | None
    """Local time at 0 s, None if unknown"""
    start_s: float
    end_s: float
    """What of the axis is drawn"""
    scenes: tuple[str, ...]
    belief: Series
    """A column for each scene"""
    level: Series
    """dBFS; one column (RMS), or two (RMS, peak)"""
    decisions: Sequence[Stretch]
    changes_s: Sequence[float]
    """When it was decided that the scene had changed; it began somewhat before"""
    gaps: Sequence[Stretch] = ()
    states: Sequence[Stretch] = ()
    """What the listener did; () if that is not known"""
    spectrogram: Spectrogram | None = None
