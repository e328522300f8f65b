"""A network cut after some of its operators: what each of them adds is the difference of two cuts.

    input -> pad -> conv -> add -> output
    cut 1    pad |
    cut 2    pad -> conv |
    whole    pad -> conv -> add |

A cut gives out every tensor that the rest would have read, so that nothing it computes is needless
and left out by the interpreter.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass

from edge_asc.export.flatbuffer import Graph

_STEP = re.compile(r"^([\w.]+)/(\d+)(?:[|#]|$)")
"""A tensor of one time step of a layer that was unrolled: "gru.reset/19"."""

_MOST_KINDS = 3
"""Of operators that a group names"""


@dataclass(frozen=True, slots=True)
class Group:
    """Operators that follow each other and are measured as one."""

    index: int
    """Of the first"""
    count: int
    label: str


def groups(tflite: bytes) -> list[Group]:
    """All operators in their order: each alone, but a recurrent layer's steps together.

    Raises ValueError for a file of more than one sub-graph.
    """
    graph = Graph(tflite)
    names = [graph.name(int(operator.outputs[0])) for operator in graph.operators]
    found: list[Group] = []
    for begin, end, layers in [*_unrolled(names), (len(names), len(names), "")]:
        done = found[-1].index + found[-1].count if found else 0
        found += [Group(place, 1, _label(graph, names, place)) for place in range(done, begin)]
        if end > begin:
            found.append(Group(begin, end - begin, f"{layers}: {_kinds(graph, begin, end)}"))
    return found


def joined(first: Group, second: Group) -> Group:
    """Two that follow each other as one."""
    return Group(first.index, first.count + second.count, f"{first.label} + {second.label}")


def cut(tflite: bytes, count: int) -> bytes:
    """The network of the first `count` operators; with none of them, its input is its output."""
    graph = Graph(tflite)
    kept, rest = graph.operators[:count], graph.operators[count:]
    wanted = {int(index) for operator in rest for index in operator.inputs} | {*graph.outputs}
    read = {int(index) for operator in kept for index in operator.inputs}
    made = [int(index) for operator in kept for index in operator.outputs]
    (subgraph,) = graph.model.subgraphs
    subgraph.inputs = [index for index in graph.inputs if index in read] or graph.inputs[:1]
    subgraph.outputs = [index for index in made if index in wanted] or list(subgraph.inputs)
    subgraph.operators = kept
    return graph.to_bytes()


def _unrolled(names: list[str]) -> list[tuple[int, int, str]]:
    """Where recurrent layers begin and end, and what to call them; those that overlap are one.

    A layer reaches from what is cut out of its input, "gru.input|slice#2", to its last step.
    """
    steps = [_STEP.match(name) for name in names]
    stretches: list[tuple[int, int, str]] = []
    for layer in dict.fromkeys(found[1].split(".")[0] for found in steps if found):
        own = [at for at, found in enumerate(steps) if found and found[1].split(".")[0] == layer]
        begin, end = own[0], own[-1] + 1
        while begin > 0 and names[begin - 1].startswith(f"{layer}.") and "|" in names[begin - 1]:
            begin -= 1
        num_steps = len({int(steps[at][2]) for at in own})  # type: ignore[index]
        stretches.append((begin, end, f"{layer} ({num_steps} steps)"))
    one: list[tuple[int, int, str]] = []
    for begin, end, label in sorted(stretches):
        if one and begin < one[-1][1]:
            before = one.pop()
            begin, end, label = before[0], max(end, before[1]), f"{before[2]} and {label}"
        one.append((begin, end, label))
    return one


def _label(graph: Graph, names: list[str], place: int) -> str:
    return f"{graph.kind(graph.operators[place])} {names[place]}"


def _kinds(graph: Graph, begin: int, end: int) -> str:
    """How many operators of which kinds, the most frequent ones first."""
    kinds = Counter(graph.kind(operator) for operator in graph.operators[begin:end])
    named = kinds.most_common(_MOST_KINDS)
    rest = end - begin - sum(count for _, count in named)
    words = [f"{count} {kind}" for kind, count in named]
    return ", ".join([*words, *([f"{rest} others"] if rest else [])])
