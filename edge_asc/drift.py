"""Is what is heard still like what the model was trained on?

A window's *profile* is the mean of its standardised features over time, one number for each mel
band: 0 is the mean of the training set, 1 one standard deviation above. Two numbers of it are
compared with those of held-out windows:

- level: the mean over the bands; another gain moves it;
- colour: the RMS of what is left without the level; another microphone, housing or room moves it.

No sound is needed for it afterwards: it is a few counters.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Profile = npt.NDArray[np.float32]
"""shape (num_mels,)"""

MEMORY_S = 3600.0
"""Time constant of the counters"""


@dataclass(frozen=True, slots=True)
class DriftReference:
    """What held-out windows look like; from the manifest."""

    level: tuple[float, float]
    """A share of `outside / 2` of the windows lies below the first, as many above the second"""
    colour: float
    """A share of `outside` lies above it"""
    outside: float
    """The share that is expected beyond each of the two"""

    def __post_init__(self) -> None:
        low, high = self.level
        if not (-math.inf < low < high < math.inf and 0.0 < self.colour < math.inf):
            raise ValueError(f"level must be a range and colour above 0, got {self}")
        if not 0.0 < self.outside < 1.0:
            raise ValueError(f"outside must be in (0, 1), got {self.outside}")


@dataclass(frozen=True, slots=True)
class Drift:
    """What was heard in about the last hour, against the held-out windows."""

    level: float
    """Of the last window, in standard deviations of the training set"""
    colour: float
    level_outside: float
    """Share of the windows beyond the reference"""
    colour_outside: float
    expected: float
    """That share on held-out sound"""
    heard_s: float
    """How much sound the shares are of, at most `MEMORY_S`"""


def level_and_colour(profile: Profile) -> tuple[float, float]:
    """Level and colour of a window's profile, shape (num_mels,)."""
    level = float(profile.mean())
    return level, float(np.sqrt(np.square(profile - level).mean()))


class DriftMonitor:
    """Counts windows beyond the reference, forgetting with a time constant of an hour."""

    def __init__(self, reference: DriftReference, hop_s: float) -> None:
        self._reference, self._hop_s = reference, hop_s
        self._keep = math.exp(-hop_s / MEMORY_S)
        self._windows = self._level_outside = self._colour_outside = 0.0
        self.drift: Drift | None = None
        """None before the first window"""

    def process(self, profile: Profile) -> None:
        """Take in the profile of the next window, shape (num_mels,)."""
        level, colour = level_and_colour(profile)
        low, high = self._reference.level
        self._windows = self._keep * self._windows + 1.0
        self._level_outside = self._keep * self._level_outside + (not low <= level <= high)
        self._colour_outside = self._keep * self._colour_outside + (colour > self._reference.colour)
        self.drift = Drift(
            level,
            colour,
            self._level_outside / self._windows,
            self._colour_outside / self._windows,
            self._reference.outside,
            self._windows * self._hop_s,
        )
