"""Calls that repeat become loops: a recurrent layer that was unrolled is rolled up again.

    h1 = gru(x1, h0); h2 = gru(x2, h1); h3 = gru(x3, h2)    ->    for step: h = gru(x[step], h)

Blocks of calls make a loop if they are the same kernels with the same constants, and if what they
read and write is the same place in every step, one that moves on by as many bytes each time, or
tensors that are never alive together and so can share one place.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from edge_asc.firmware_bridge.codegen.calls import Call, Operand, Program
from edge_asc.firmware_bridge.codegen.lifetimes import Lifetimes

_LEAST_SAVED_CALLS = 4
"""Fewer calls are shorter than a loop"""


@dataclass(frozen=True, slots=True)
class Loop:
    """`count` times the calls from `first` on, `period` of them, as the program lists them."""

    first: int
    period: int
    count: int


def find_loops(program: Program, lifetimes: Lifetimes) -> list[Loop]:
    """Loops in the order of the calls; what shares a place is noted in `lifetimes`."""
    calls = [program.placed(call) for call in program.calls]
    found: list[Loop] = []
    at = 0
    while at < len(calls):
        loop = _longest(calls, at, program.constants, lifetimes)
        if loop is None:
            at += 1
        else:
            found.append(loop)
            at += loop.period * loop.count
    return found


def delay_means(program: Program) -> None:
    """Let every mean wait for its first reader, so that it does not stand between two steps."""
    calls = program.calls
    for call in [call for call in calls if call.kernel == "asc_mean"]:
        begin = calls.index(call)
        calls.remove(call)
        made = program.place(call.output).tensor
        readers = (
            at
            for at in range(begin, len(calls))
            if any(program.place(operand).tensor == made for operand in calls[at].inputs)
        )
        calls.insert(next(readers, len(calls)), call)


def _longest(
    calls: Sequence[Call], first: int, constants: Mapping[int, str], lifetimes: Lifetimes
) -> Loop | None:
    """The loop that saves most calls of those that begin at `first`, if any saves enough."""
    candidates = []
    for period in range(1, (len(calls) - first) // 2 + 1):
        count = _repeats(calls, first, period, constants)
        candidates += [Loop(first, period, times) for times in range(2, count + 1)]
    candidates.sort(key=_saved, reverse=True)
    for loop in candidates:
        if _saved(loop) < _LEAST_SAVED_CALLS:
            return None
        trial = lifetimes.copy()
        if _can_share(calls, loop, constants, trial):
            lifetimes.take(trial)
            return loop
    return None


def _saved(loop: Loop) -> int:
    return loop.period * (loop.count - 1)


def _repeats(calls: Sequence[Call], first: int, period: int, constants: Mapping[int, str]) -> int:
    """How often the block of `period` calls stands there, whatever it reads and writes."""
    at = first + period
    while at < len(calls) and _alike(calls[at], calls[at - period], constants):
        at += 1
    return (at - first) // period


def _alike(one: Call, other: Call, constants: Mapping[int, str]) -> bool:
    return (one.kernel, one.arguments, one.scratch_bytes) == (
        other.kernel,
        other.arguments,
        other.scratch_bytes,
    ) and all(
        constants.get(a.tensor) == constants.get(b.tensor)
        for a, b in zip(one.inputs, other.inputs, strict=True)
    )


def _can_share(
    calls: Sequence[Call], loop: Loop, constants: Mapping[int, str], lifetimes: Lifetimes
) -> bool:
    """Whether places can be found for the loop; `lifetimes` then knows which tensors share."""
    for at in range(loop.first, loop.first + loop.period):
        steps = [calls[at + loop.period * step] for step in range(loop.count)]
        columns = zip(*((*step.inputs, step.output) for step in steps), strict=True)
        for column in columns:
            if column[0].tensor not in constants and not _column_fits(column, lifetimes):
                return False
    return all(
        stride(calls, loop, at, which, lifetimes) is not None
        for at in range(loop.first, loop.first + loop.period)
        for which in range(len(calls[at].inputs) + 1)
    )


def _column_fits(column: Sequence[Operand], lifetimes: Lifetimes) -> bool:
    """One operand in every step: moves on evenly, or can share a place."""
    places = [lifetimes.place(operand) for operand in column]
    if len({place.tensor for place in places}) == 1:
        return _step(places) is not None
    if len({place.offset for place in places}) == 1 and lifetimes.share(
        [place.tensor for place in places]
    ):
        return True
    return _chain(places, lifetimes)


def _chain(places: Sequence[Operand], lifetimes: Lifetimes) -> bool:
    """Put the next tensor behind the first one, where the first one's steps would go on."""
    head = [place for place in places if place.tensor == places[0].tensor]
    if len(head) < 2 or places[: len(head)] != head:
        return False
    step = _step(head)
    if step is None:
        return False
    follower = places[len(head)]
    behind = head[0].offset + step * len(head) - follower.offset
    if not lifetimes.append(head[0].tensor, follower.tensor, behind):
        return False
    return _column_fits(places, lifetimes)


def _step(places: Sequence[Operand]) -> int | None:
    """By how many bytes a place moves on in each step; None if unevenly, or between tensors."""
    if len({place.tensor for place in places}) > 1:
        return None
    steps = {b.offset - a.offset for a, b in pairwise(places)}
    return steps.pop() if len(steps) == 1 else None


def stride(
    calls: Sequence[Call], loop: Loop, at: int, which: int, lifetimes: Lifetimes
) -> int | None:
    """By how many bytes an operand of the call `at` moves on; the output is the last one."""
    column = []
    for step in range(loop.count):
        call = calls[at + loop.period * step]
        column.append(lifetimes.place((*call.inputs, call.output)[which]))
    return _step(column)
