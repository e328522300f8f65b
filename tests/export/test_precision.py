"""Each rung of the ladder keeps in more bits what it says, and the rest in int8."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from edge_asc.export.flatbuffer import Graph
from edge_asc.export.precision import ENCODER, HEAD, LADDER, quantize_parts
from edge_asc.interpreter import Network
from edge_asc.training.models.config import NetworkConfig
from edge_asc.training.models.device_layers import Tap
from edge_asc.training.models.device_net import DeviceNet
from tests.export import device_material

ACTIVATIONS = {
    "int8": ("int8", "int8"),
    "int8, encoder in int16": ("int16", "int8"),
    "int8, head in float32": ("int8", "float32"),
    "dynamic range": ("float32", "float32"),
}
"""Of encoder and head, by the rung"""

WEIGHTED = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED")


@pytest.fixture(scope="module")
def float32() -> dict[str, bytes]:
    return {name: getattr(device_material, name)().float32 for name in ("encoder", "head")}


@pytest.fixture(scope="module")
def ladder(float32: dict[str, bytes]) -> dict[str, dict[str, bytes]]:
    ranges = device_material.encoder().ranges | device_material.head().ranges
    return {rung.quantization: quantize_parts(float32, ranges, rung) for rung in LADDER}


def activations(tflite: bytes) -> Counter[str]:
    """How many inputs and computed tensors have which type."""
    graph = Graph(tflite)
    tensors = [*graph.inputs, *(output for _, output in graph.computed())]
    return Counter(graph.dtype(index).name for index in tensors)


def weights(tflite: bytes) -> set[str]:
    graph = Graph(tflite)
    layers = [operator for operator, _ in graph.computed() if graph.kind(operator) in WEIGHTED]
    return {graph.dtype(int(layer.inputs[1])).name for layer in layers}


def test_the_first_rung_is_int8_and_costs_nothing() -> None:
    assert [rung.quantization for rung in LADDER] == list(ACTIVATIONS)
    assert (LADDER[0].costs, LADDER[0].choice) == ("", {})
    assert all(rung.costs for rung in LADDER[1:])


@pytest.mark.parametrize("rung", ACTIVATIONS)
def test_what_a_rung_computes_in(ladder: dict[str, dict[str, bytes]], rung: str) -> None:
    found = {name: set(activations(part)) for name, part in ladder[rung].items()}
    assert found == {"encoder": {ACTIVATIONS[rung][0]}, "head": {ACTIVATIONS[rung][1]}}


@pytest.mark.parametrize("rung", ACTIVATIONS)
def test_only_a_head_in_float_has_float_weights(
    ladder: dict[str, dict[str, bytes]], rung: str
) -> None:
    assert weights(ladder[rung]["encoder"]) == {"int8"}
    head = {"float32"} if rung == "int8, head in float32" else {"int8"}
    assert weights(ladder[rung]["head"]) == head


def test_an_encoder_in_more_bits_is_nearer_to_float(
    float32: dict[str, bytes], ladder: dict[str, dict[str, bytes]]
) -> None:
    cells = device_material.encoder().windows[:8]
    error = {
        rung: sum(
            np.square(
                Network(parts["encoder"]).run(**cell) - Network(float32["encoder"]).run(**cell)
            ).mean()
            for cell in cells
        )
        for rung, parts in ladder.items()
    }
    int8 = error["int8"]
    assert 0.0 < int8 < len(cells) * 0.1**2  # the encoder's tensors lie within [0, 6]
    assert error["int8, encoder in int16"] < int8 / 1000
    assert error["int8, head in float32"] == int8
    # Here only the inputs of layers are rounded, as they come, but to 8 bits like all else.
    assert int8 / 1000 < error["dynamic range"] < int8


def test_a_head_in_float_is_float(
    float32: dict[str, bytes], ladder: dict[str, dict[str, bytes]]
) -> None:
    for window in device_material.head().windows[:4]:
        wanted = Network(float32["head"]).run(**window)
        found = Network(ladder["int8, head in float32"]["head"]).run(**window)
        np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize("fusion", ["none", "early", "gated"])
@pytest.mark.parametrize("variant", ["edge", "paper"])
def test_every_tensor_belongs_to_the_encoder_or_the_head(variant: str, fusion: str) -> None:
    """By the names of the taps, after which the export names tensors."""
    config = NetworkConfig(variant, fusion, 3, 4, 100, form="bounded")  # type: ignore[arg-type]
    taps = [
        name.replace("taps.", "")
        for name, module in DeviceNet(config).named_modules()
        if isinstance(module, Tap)
    ]
    assert len(taps) > 20
    for name in taps:
        assert name.startswith(ENCODER) != name.startswith(HEAD), name
