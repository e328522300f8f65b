"""Whether the oracle rounds sums as is believed: it is asked, beside halves, for every layer.

Interpreters have changed their rules between versions. Weights of 0 and a chosen bias make a
layer's sum any number that is wanted.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from edge_asc.errors import FirmwareError
from edge_asc.export.flatbuffer import Graph
from edge_asc.firmware_bridge.codegen.oracle import Int8, Oracle, one_operator
from edge_asc.firmware_bridge.codegen.source import Source

_RUNS = 3
_SEED = 119412

Rule = Callable[[int, int], int]
"""Channel, sum -> int8"""


def check_rounding(
    source: Source,
    operator: Any,  # noqa: ANN401 - the schema's class has no types
    oracle: Oracle,
    rule: Rule,
    factors: Sequence[float],
    limits: Sequence[int],
) -> None:
    """Try a layer with sums within ±limits, one of each channel, beside halves of its outputs.

    Raises FirmwareError if the oracle gives another byte than the rule.
    """
    rng = np.random.default_rng(_SEED)
    alone = one_operator(source.tflite, source.index(operator))
    for _ in range(_RUNS):
        sums = [
            _beside_a_half(rng, factor, limit)
            for factor, limit in zip(factors, limits, strict=True)
        ]
        found = _ask(oracle, alone, sums)
        wanted = [rule(channel, value) for channel, value in enumerate(sums)]
        if found != wanted:
            at = next(i for i, (a, b) in enumerate(zip(found, wanted, strict=True)) if a != b)
            kind = source.graph.kind(operator)
            raise FirmwareError(
                f"{oracle.name} makes {found[at]} of a sum of {sums[at]} in {kind}"
                f" {source.graph.name(int(operator.outputs[0]))!r}, where {wanted[at]} was"
                " expected: its rounding is none that is known here; use the version of"
                " constraints.txt"
            )


def _beside_a_half(rng: np.random.Generator, factor: float, limit: int) -> int:
    """A sum whose product with `factor` is near some n + 1/2, or any where there is none."""
    most = min(256.0, limit * factor - 1)
    if most < 1:
        return int(rng.integers(-limit, limit + 1))
    half = int(rng.integers(-math.floor(most), math.floor(most))) + 0.5
    return round(half / factor) + int(rng.integers(-1, 2))


def _ask(oracle: Oracle, alone: bytes, sums: Sequence[int]) -> list[int]:
    """What the oracle makes of one sum in each channel of a network of one layer."""
    graph = Graph(alone)
    (layer,) = graph.operators
    x, w = (int(index) for index in layer.inputs[:2])
    graph.set_constant(w, np.zeros(graph.shape(w), np.int8))
    bias = np.array(sums, np.int32)
    if len(layer.inputs) > 2 and layer.inputs[2] >= 0:
        graph.set_constant(int(layer.inputs[2]), bias)
    else:
        added = graph.add_tensor("bias", (len(sums),), np.int32, constant=bias)
        layer.inputs = [x, w, added]
    inputs: list[Int8] = []
    if graph.constant(x) is None:
        inputs.append(np.zeros(graph.shape(x), np.int8))  # any will do: weights are 0
    (values,) = oracle.load(graph.to_bytes())(inputs)
    return [int(value) for value in values.reshape(-1, len(sums))[0]]
