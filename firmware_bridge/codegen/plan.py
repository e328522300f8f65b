"""Places in the arena: no two tensors that are needed together overlap."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from edge_asc.firmware_bridge.codegen.lifetimes import Interval

ALIGNMENT = 4
"""Bytes; so that words can be read at once"""


@dataclass(frozen=True, slots=True)
class Block:
    """Bytes that are needed in some calls."""

    size: int
    intervals: tuple[Interval, ...]

    def meets(self, other: Block) -> bool:
        """Whether some call needs both."""
        return any(a[0] <= b[1] and b[0] <= a[1] for a in self.intervals for b in other.intervals)


@dataclass(frozen=True, slots=True)
class Plan:
    """Where each block begins, and how many bytes they take together."""

    offsets: Mapping[str, int]
    arena_bytes: int


def plan_memory(blocks: Mapping[str, Block]) -> Plan:
    """The smallest of what several orders of placing give; each block takes the lowest free place.

    Which order is best depends on the network, and none is always.
    """
    keys: Sequence[Callable[[Block], tuple[int, ...]]] = (
        lambda block: (-block.size,),
        lambda block: (-_span(block), -block.size),
        lambda block: (-block.size * _span(block),),
        lambda block: (block.intervals[0][0], -block.size),
        lambda block: (-block.intervals[-1][1], -block.size),
    )
    plans = [_placed(blocks, sorted(blocks, key=lambda name: key(blocks[name]))) for key in keys]
    return min(plans, key=lambda plan: plan.arena_bytes)


def _span(block: Block) -> int:
    return sum(last - first + 1 for first, last in block.intervals)


def _placed(blocks: Mapping[str, Block], order: Sequence[str]) -> Plan:
    offsets: dict[str, int] = {}
    for name in order:
        block, place = blocks[name], 0
        taken = sorted(
            (offsets[other], blocks[other].size) for other in offsets if block.meets(blocks[other])
        )
        for begin, size in taken:
            if place + block.size <= begin:
                break
            place = max(place, _aligned(begin + size))
        offsets[name] = place
    ends = [offset + blocks[name].size for name, offset in offsets.items()]
    return Plan(offsets, _aligned(max(ends, default=0)))


def _aligned(size: int) -> int:
    return -(-size // ALIGNMENT) * ALIGNMENT
