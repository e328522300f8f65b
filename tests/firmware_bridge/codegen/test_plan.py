"""The memory plan: what is needed together never overlaps."""

from __future__ import annotations

from itertools import combinations

from hypothesis import given, settings
from hypothesis import strategies as st

from edge_asc.firmware_bridge.codegen.plan import ALIGNMENT, Block, plan_memory

INTERVALS = st.lists(
    st.tuples(st.integers(0, 30), st.integers(0, 8)).map(lambda pair: (pair[0], sum(pair))),
    min_size=1,
    max_size=3,
)
BLOCKS = st.lists(
    st.builds(Block, st.integers(1, 5000), INTERVALS.map(sorted).map(tuple)), max_size=25
)


@given(BLOCKS)
@settings(max_examples=200, deadline=None)
def test_no_two_live_blocks_overlap(blocks: list[Block]) -> None:
    named = {str(at): block for at, block in enumerate(blocks)}
    plan = plan_memory(named)
    assert plan.offsets.keys() == named.keys()
    for a, b in combinations(named, 2):
        together = any(
            set(range(p[0], p[1] + 1)) & set(range(q[0], q[1] + 1))
            for p in named[a].intervals
            for q in named[b].intervals
        )
        if together:
            ends_a = plan.offsets[a] + named[a].size
            ends_b = plan.offsets[b] + named[b].size
            assert ends_a <= plan.offsets[b] or ends_b <= plan.offsets[a]


@given(BLOCKS)
def test_the_arena_is_as_large_as_it_must_be_and_never_larger_than_all(blocks: list[Block]) -> None:
    plan = plan_memory({str(at): block for at, block in enumerate(blocks)})
    aligned = [-(-block.size // ALIGNMENT) * ALIGNMENT for block in blocks]
    at_once = [
        sum(
            block.size
            for block in blocks
            if any(first <= call <= last for first, last in block.intervals)
        )
        for call in range(40)
    ]
    assert max(at_once) <= plan.arena_bytes <= sum(aligned)
    assert all(offset % ALIGNMENT == 0 for offset in plan.offsets.values())


def test_what_is_never_needed_together_shares_a_place() -> None:
    blocks = {"a": Block(100, ((0, 1),)), "b": Block(60, ((1, 2),)), "c": Block(90, ((2, 3),))}
    plan = plan_memory(blocks)
    assert plan.arena_bytes == 160
    assert plan.offsets["a"] == plan.offsets["c"]
