"""When each tensor is needed, and which of them lie in the same place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

from edge_asc.firmware_bridge.codegen.calls import Operand, Program, resolve

Interval = tuple[int, int]
"""The first and the last call in which something is needed, both included"""


class Lifetimes:
    """Tensors that have bytes of their own, from the call that makes them to the last that reads.

    Tensors can be put together: as sharing a place, if they are never needed together, or one
    behind the other.
    """

    def __init__(
        self,
        program: Program,
        sizes: Mapping[int, int],
        inputs: Sequence[int],
        outputs: Sequence[int],
    ) -> None:
        """`sizes`: bytes of each tensor."""
        self._views: dict[int, Operand] = {}
        self._fixed = {program.place(Operand(tensor)).tensor for tensor in (*inputs, *outputs)}
        self.sizes: dict[int, int] = {}
        self.intervals: dict[int, list[Interval]] = {}
        spans: dict[int, Interval] = {}

        def needed(operand: Operand, at: int) -> None:
            tensor = program.place(operand).tensor
            if tensor not in program.constants:
                first, last = spans.get(tensor, (at, at))
                spans[tensor] = (min(first, at), max(last, at))

        for tensor in inputs:
            needed(Operand(tensor), -1)
        for at, call in enumerate(program.calls):
            for operand in (*call.inputs, call.output):
                needed(operand, at)
        for tensor in outputs:
            needed(Operand(tensor), len(program.calls))
        for tensor, span in spans.items():
            self.sizes[tensor] = sizes[tensor]
            self.intervals[tensor] = [span]

    def copy(self) -> Lifetimes:
        other = Lifetimes.__new__(Lifetimes)
        other._fixed = self._fixed
        other.take(self)
        return other

    def take(self, other: Lifetimes) -> None:
        """Become what `other`, a copy of this, has become."""
        self._views = dict(other._views)
        self.sizes = dict(other.sizes)
        self.intervals = dict(other.intervals)

    def place(self, operand: Operand) -> Operand:
        """Where an operand that is no view lies after all that was put together."""
        return resolve(self._views, operand)

    def share(self, tensors: Sequence[int]) -> bool:
        """Give several tensors one place; False, and nothing done, if that cannot be."""
        members = list(dict.fromkeys(tensors))
        together = sorted(interval for tensor in members for interval in self.intervals[tensor])
        overlap = any(b[0] <= a[1] for a, b in pairwise(together))
        same_size = len({self.sizes[tensor] for tensor in members}) == 1
        if overlap or not same_size or self._fixed & set(members):
            return False
        for tensor in members[1:]:
            self._put(tensor, Operand(members[0]))
        return True

    def append(self, tensor: int, follower: int, offset: int) -> bool:
        """Put `follower` so many bytes behind the beginning of `tensor`, past its end."""
        if offset < self.sizes[tensor] or self._fixed & {tensor, follower}:
            return False
        size = offset + self.sizes[follower]
        self._put(follower, Operand(tensor, offset))
        self.sizes[tensor] = size
        return True

    def _put(self, tensor: int, where: Operand) -> None:
        self._views[tensor] = where
        added = self.intervals.pop(tensor)
        self.intervals[where.tensor] = [*self.intervals[where.tensor], *added]
        del self.sizes[tensor]
