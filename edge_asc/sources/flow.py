"""Sound against time: is everything here that should have come?"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edge_asc.features import Samples

NOTICED_S = 0.25
"""So much sound must be missing before it counts as lost."""

SETTLED_S = 5.0
"""Blocks may come late and then in a heap. What is still missing after so long will not come."""

DRIFT = 1e-3
"""Clocks of sound cards may differ from the system's by this share; crystals do by 0.0002."""


@dataclass(frozen=True, slots=True)
class Block:
    """What a capture delivers at once."""

    samples: Samples
    """shape (num_samples,), mono"""
    sample_rate_hz: int
    arrived_s: float
    """`elapsed_s` when the last sample came"""
    overflow: bool = False
    """The device says that it lost sound just before."""
    lost_s: float = 0.0
    """What is known to be lost just before, in seconds, and why."""
    cause: str = ""
    numbered: bool = False
    """Its samples came with numbers: `lost_s` is all that was lost, however late it came."""

    @property
    def duration_s(self) -> float:
        return len(self.samples) / self.sample_rate_hz


class FlowMeter:
    r"""Finds where sound was lost, by comparing it with the time that passed.

    A device that loses sound need not say so: JACK drops a third of it without a flag. So

        missing = time since the first block - sound since then

    is watched. It rises when a block is late and falls when the rest catches up, but not below its
    floor; lost sound lifts the floor. Blocks that are late are held until it is known which it was,
    so that nobody joins sound from before and after a loss:

        missing  |      _                ______     5 s so high: lost, before the first of them
                 |_/\__/ \__/\__________/           late only: passed on when the rest is there
    """

    def __init__(self) -> None:
        self._began_s: float | None = None
        self._sound_s = 0.0
        self._floor_s = 0.0
        self._last_s = 0.0
        self._held: deque[tuple[Block, float]] = deque()
        """Late blocks, each with what was missing when it came."""

    def process(self, block: Block) -> list[Block]:
        """Take in a block; return those, in order, of which is known what was lost before them."""
        if block.numbered:
            self._follow(block)
            return [block]
        if self._began_s is None:
            self._began_s = self._last_s = block.arrived_s - block.duration_s
        self._sound_s += block.duration_s
        missing_s = block.arrived_s - self._began_s - self._sound_s
        self._floor_s = min(self._floor_s + DRIFT * (block.arrived_s - self._last_s), missing_s)
        self._last_s = block.arrived_s
        if block.overflow:
            return self._settle_overflow(block)
        if missing_s - self._floor_s <= NOTICED_S:
            in_time = [*(held for held, _ in self._held), block]
            self._held.clear()
            return in_time
        self._held.append((block, missing_s))
        if block.arrived_s - self._held[0][0].arrived_s < SETTLED_S:
            return []
        return self._lose()

    def finish(self) -> list[Block]:
        """The stream ended: what is still missing did not come in time."""
        settled = []
        while self._held:
            settled += self._lose()
        return settled

    def ahead_s(self, now_s: float) -> float:
        """How much more sound than time has come since the first block; less is negative.

        Of numbered blocks, more than their clock explains.
        """
        return 0.0 if self._began_s is None else self._sound_s - (now_s - self._began_s)

    def _follow(self, block: Block) -> None:
        """Only how far sound is ahead is kept: never less than nothing, and a fast clock is not."""
        if self._began_s is None:
            self._began_s = self._last_s = block.arrived_s - block.duration_s
        self._began_s -= DRIFT * (block.arrived_s - self._last_s)
        self._last_s = block.arrived_s
        self._sound_s += block.lost_s + block.duration_s
        self._began_s = max(self._began_s, block.arrived_s - self._sound_s)

    def _lose(self) -> list[Block]:
        """Count what is missing in all late blocks as lost before the first; pass on what fits."""
        lost_s = min(missing_s for _, missing_s in self._held) - self._floor_s
        self._sound_s += lost_s
        first, _ = self._held[0]
        lost = replace(first, lost_s=lost_s, cause="it did not come, without a word")
        later = [(block, missing_s - lost_s) for block, missing_s in self._held]
        self._held = deque([(lost, later[0][1]), *later[1:]])
        settled = [self._held.popleft()[0]]
        while self._held and self._held[0][1] - self._floor_s <= NOTICED_S:
            settled.append(self._held.popleft()[0])
        return settled

    def _settle_overflow(self, block: Block) -> list[Block]:
        """The device says it: all that is missing now is lost, at least a sample."""
        settled = self.finish()
        assert self._began_s is not None
        missing_s = block.arrived_s - self._began_s - self._sound_s
        lost_s = max(missing_s - self._floor_s, 1 / block.sample_rate_hz)
        self._sound_s += lost_s
        cause = "the device says that it lost sound"
        return [*settled, replace(block, lost_s=lost_s, cause=cause)]
