"""Sound against time: is everything here that should have come?"""

from __future__ import annotations

from collections import deque

NOTICED_S = 0.25
"""So much sound must be missing before it counts as lost."""

SETTLED_S = 5.0
"""Blocks may come late and then in a heap. What is still missing after so long will not come."""

DRIFT = 1e-3
"""Clocks of sound cards may differ from the system's by this share; crystals do by 0.0002."""


class FlowMeter:
    r"""Compares the sound that arrived with the time that passed.

    A device that loses sound need not say so: JACK drops a third of it without a flag. So

        missing = time since the first block - sound since then

    is watched. It rises when a block is late and falls when the rest catches up, but not below its
    floor; lost sound lifts the floor.

        missing  |      _               _/\____     lost: so high for 5 s
                 |_/\__/ \__/\________/             late, no more
    """

    def __init__(self) -> None:
        self._began_s: float | None = None
        self._sound_s = 0.0
        self._floor_s = 0.0
        self._last_s = self._watched_since_s = 0.0
        self._recent: deque[tuple[float, float]] = deque()
        """(arrival, missing) of the last 5 s."""

    def add(self, arrived_s: float, duration_s: float, *, overflow: bool = False) -> float:
        """A block of `duration_s` arrived; returns the seconds now known to be lost before it.

        `overflow`: the device itself says that sound was lost just before this block.
        """
        if self._began_s is None:
            self._began_s = self._watched_since_s = self._last_s = arrived_s - duration_s
        self._sound_s += duration_s
        missing_s = arrived_s - self._began_s - self._sound_s
        self._floor_s = min(self._floor_s + DRIFT * (arrived_s - self._last_s), missing_s)
        self._last_s = arrived_s
        self._recent.append((arrived_s, missing_s))
        # The one before those counts too: after a long silence it is all there is.
        while len(self._recent) > 1 and self._recent[1][0] <= arrived_s - SETTLED_S:
            self._recent.popleft()
        lost_s = min(missing for _, missing in self._recent) - self._floor_s
        if overflow:
            lost_s = missing_s - self._floor_s
        settled = arrived_s - self._watched_since_s >= SETTLED_S and lost_s > NOTICED_S
        if not (overflow or settled):
            return 0.0
        self._sound_s += lost_s
        self._watched_since_s = arrived_s
        self._recent.clear()
        return lost_s

    def ahead_s(self, now_s: float) -> float:
        """How much more sound than time has come since the first block; less is negative."""
        return 0.0 if self._began_s is None else self._sound_s - (now_s - self._began_s)
