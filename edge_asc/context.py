"""What a device knows besides its sound: the city it stands in and the local time."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import numpy.typing as npt

from edge_asc.scenes import CITIES

TIME_FEATURES = 8


@dataclass(frozen=True, slots=True)
class SceneContext:
    """Where and when the sound was heard; None is "unknown", which a network learns as such."""

    city: str | None = None
    local_time: datetime | None = None

    def encode_city(self, cities: Sequence[str] = CITIES) -> npt.NDArray[np.float32]:
        """One-hot over `cities`, "unknown" last: shape (len(cities) + 1,).

        Raises ValueError for a city that is not among `cities`: it is never taken for another.
        """
        one_hot = np.zeros(len(cities) + 1, np.float32)
        one_hot[-1 if self.city is None else list(cities).index(self.city)] = 1.0
        return one_hot

    def encode_time(self) -> npt.NDArray[np.float32]:
        """Sine and cosine of hour, month, weekday and minute: shape (8,).

        The official baseline means the same, but by a fault always feeds zeros. Unknown time is
        all ones here: each pair of a real time lies on the unit circle, so one linear unit can tell
        that point from them all. Zeros, the centre of the circles, it could not.
        """
        when = self.local_time
        if when is None:
            return np.ones(TIME_FEATURES, np.float32)
        turns = (when.hour / 24, when.month / 12, when.weekday() / 7, when.minute / 60)
        pairs = [(math.sin(2 * math.pi * turn), math.cos(2 * math.pi * turn)) for turn in turns]
        return np.array(pairs, np.float32).reshape(TIME_FEATURES)
