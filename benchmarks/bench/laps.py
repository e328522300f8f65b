"""A stop watch for stages that may lie within each other."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import TypeVar

Value = TypeVar("Value")


class Laps:
    """Adds up how long each stage took; one within another counts for itself alone.

    features  |=====|         |=|
    encoder         |=========|
    """

    def __init__(
        self,
        slowed: Mapping[str, float] | None = None,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        """`slowed`: stage -> how many times its own time it is to take, to try comparisons."""
        self._slowed = dict(slowed or {})
        self._clock = clock
        self._within_s = 0.0
        """What the stages within the running one took so far"""
        self.seconds: dict[str, float] = {}

    def time(self, stage: str, call: Callable[[], Value]) -> Value:
        """What `call` returns; its time is added to the stage's."""
        before_s, self._within_s = self._within_s, 0.0
        began_s = self._clock()
        value = call()
        if stage in self._slowed:
            own_s = self._clock() - began_s - self._within_s
            self._wait_until(began_s + self._within_s + self._slowed[stage] * own_s)
        taken_s = self._clock() - began_s
        self.seconds[stage] = self.seconds.get(stage, 0.0) + taken_s - self._within_s
        self._within_s = before_s + taken_s
        return value

    def begin(self) -> None:
        """Begin anew."""
        self.seconds = {}
        self._within_s = 0.0

    def _wait_until(self, end_s: float) -> None:
        """Busily: a sleep ends late."""
        while self._clock() < end_s:
            pass
