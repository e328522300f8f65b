"""Frames of sound put together again: pieces of a tenth of a second, and what is missing between.

position of a frame - end of the frame before = samples missing
change of its `dropped` = those that the device had no room for; the line lost the rest
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from edge_asc.errors import LinkError
from edge_asc.firmware_bridge.link.adpcm import Pcm as Samples16
from edge_asc.firmware_bridge.link.streams import Adpcm, Pcm
from edge_asc.sources import CHUNK_S
from edge_asc.sources.flow import Block

_POSITIONS = 1 << 32
_FULL_SCALE = np.float32(32_768)


class SoundJoiner:
    """Takes frames of sound in order; returns blocks, none of which reaches over a gap."""

    def __init__(self, sample_rate_hz: int, now_s: Callable[[], float]) -> None:
        self._rate_hz, self._now_s = sample_rate_hz, now_s
        self._expected = 0
        self._dropped = 0
        self._pieces: list[Samples16] = []
        self._num_waiting = 0
        self._missing: tuple[int, int] = (0, 0)
        """Samples dropped by the device, and lost by the line, before the pieces that wait"""

    def process(self, frame: Pcm | Adpcm) -> list[Block]:
        """Take in a frame; return what it completes. Raises LinkError if it goes back in time."""
        samples, flow = frame.samples, frame.flow
        missing = (flow.position - self._expected) % _POSITIONS
        dropped = (flow.dropped - self._dropped) % _POSITIONS
        if missing >= _POSITIONS // 2 or dropped > missing:
            raise LinkError(
                f"the device counts its samples wrongly: {flow.position} with {flow.dropped}"
                f" dropped, after {self._expected} with {self._dropped}; it was reset, or its"
                " firmware must be built again"
            )
        blocks = []
        if missing:
            blocks += self.flush()
            self._missing = (dropped, missing - dropped)
        self._expected = (flow.position + len(samples)) % _POSITIONS
        self._dropped = flow.dropped
        self._pieces.append(samples)
        self._num_waiting += len(samples)
        if self._num_waiting >= CHUNK_S * self._rate_hz:
            blocks += self.flush()
        return blocks

    def flush(self) -> list[Block]:
        """What waits, as a block; none if nothing does."""
        if not self._num_waiting:
            return []
        samples = np.concatenate(self._pieces).astype(np.float32) / _FULL_SCALE
        dropped, lost = self._missing
        block = Block(
            samples,
            self._rate_hz,
            self._now_s(),
            lost_s=(dropped + lost) / self._rate_hz,
            cause=self._cause(dropped, lost),
            numbered=True,
        )
        self._pieces, self._num_waiting, self._missing = [], 0, (0, 0)
        return [block]

    def _cause(self, dropped: int, lost: int) -> str:
        causes = []
        if dropped:
            dropped_s = dropped / self._rate_hz
            causes.append(f"the device had no room for {dropped_s:.2f} s: its line is too slow")
        if lost:
            causes.append(f"frames with {lost / self._rate_hz:.2f} s were damaged on the line")
        return "; ".join(causes)
