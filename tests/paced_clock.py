"""Time for tests of what keeps a pace."""

from __future__ import annotations


class PacedClock:
    """Stands still but for sleeping, and for what somebody says that work took."""

    def __init__(self) -> None:
        self.now_s = 100.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now_s

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now_s += seconds
