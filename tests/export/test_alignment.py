"""Tensors of a converted network have the names of the taps that hold the same numbers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from edge_asc.errors import ExportError
from edge_asc.export.alignment import name_tensors, tap_values
from edge_asc.export.flatbuffer import Graph
from edge_asc.export.kernel_rules import CARRIERS
from edge_asc.export.onnx import Part, network_parts, to_tflite_layout
from edge_asc.interpreter import Network
from edge_asc.training.models.device_layers import Tap
from tests.export.device_material import device_net, encoder, head
from tests.export.device_tflite import head_tflite
from tests.export.real_export import RealExport


def part(name: str) -> Part:
    """Of the network that `encoder` and `head` are made of."""
    return next(part for part in network_parts(device_net()) if part.name == name)


def without_names(tflite: bytes) -> bytes:
    graph = Graph(tflite)
    for index in range(graph.num_tensors):
        if index not in graph.inputs:
            graph.rename(index, f"StatefulPartitionedCall;{index}")
    return graph.to_bytes()


def names(tflite: bytes) -> list[str]:
    graph = Graph(tflite)
    return [graph.name(output) for _, output in graph.computed()]


def cell() -> dict[str, np.ndarray]:
    return {"features": encoder().windows[3]["features"].transpose(0, 3, 1, 2).copy()}


def aligned_encoder(tflite: bytes) -> bytes:
    return name_tensors(tflite, tap_values(part("encoder"), cell()), to_tflite_layout(cell()))


def aligned_head(tflite: bytes, steps: np.ndarray) -> bytes:
    return name_tensors(tflite, tap_values(part("head"), {"steps": steps}), {"steps": steps})


def test_taps_are_told_in_the_order_of_computation_with_their_ranges():
    found = tap_values(part("encoder"), cell())
    assert [tap.name for tap in found] == [
        "features",
        *(
            f"blocks.{i}.{name}"
            for i in range(3)
            for name in ("expand", "depthwise", "pool", "mix")
        ),
    ]
    assert (found[0].low, found[0].high) == (-3.0, 3.0)
    assert {(tap.low, tap.high) for tap in found[1:]} == {(0.0, 6.0)}


def test_values_are_in_tflites_order():
    found = {tap.name: tap.values for tap in tap_values(part("encoder"), cell())}
    assert np.array_equal(found["features"], cell()["features"].ravel())
    with torch.no_grad():
        maps = device_net().blocks(torch.from_numpy(cell()["features"]))  # (1, 128, steps, mels)
        steps = device_net().encode_cells(torch.from_numpy(cell()["features"]))
    assert np.array_equal(found["blocks.2.mix"], steps.numpy().ravel())
    assert not np.array_equal(found["blocks.2.mix"], maps.numpy().ravel())


def test_what_is_passed_at_every_step_is_told_by_step():
    found = [tap.name for tap in tap_values(part("head"), {"steps": head().windows[0]["steps"]})]
    assert [name for name in found if name.startswith("gru.state/")] == [
        f"gru.state/{step}" for step in range(4)
    ]
    assert {"gru.input_gates", "sound", "logits"} <= set(found)


def test_a_tap_is_heard_only_while_it_is_asked():
    tap_values(part("encoder"), cell())
    taps = [module for module in device_net().modules() if isinstance(module, Tap)]
    assert not any(tap._forward_hooks for tap in taps)


def test_an_encoder_without_names_gets_them_back():
    aligned = aligned_encoder(without_names(encoder().float32))
    assert names(aligned) == names(encoder().float32)
    inputs = encoder().windows[0]
    assert np.array_equal(Network(aligned).run(**inputs), Network(encoder().float32).run(**inputs))


@pytest.mark.parametrize("sound", ["noise", "silence"])
def test_a_head_without_names_gets_them_back(sound):
    steps = head().windows[3]["steps"] * (0.0 if sound == "silence" else 1.0)
    aligned = aligned_head(without_names(head().float32), steps)
    assert names(aligned) == names(head().float32)


@pytest.mark.parametrize("recurrent_scale", [1.0, 1e-2, 1e-3])
def test_steps_that_hold_nearly_the_same_are_told_apart(recurrent_scale):
    """The same sound at every step, and gates that hardly hear the state."""
    network = device_net(recurrent_scale)
    head_part = next(part for part in network_parts(network) if part.name == "head")
    steps = np.tile(head().windows[3]["steps"][:, :1], (1, 4, 1))
    taps = tap_values(head_part, {"steps": steps})
    gates = [tap.values for tap in taps if tap.name.startswith("gru.gates/")]
    assert np.abs(gates - gates[0]).max() < 0.2 * recurrent_scale  # of 1
    float32 = head_tflite(network)
    aligned = name_tensors(without_names(float32), taps, {"steps": steps})
    assert names(aligned) == names(float32)


def test_weights_and_biases_are_named_after_what_is_computed_with_them():
    graph = Graph(aligned_head(without_names(head().float32), head().windows[3]["steps"]))
    constants = {
        graph.name(index): graph.shape(index)
        for index in range(graph.num_tensors)
        if graph.constant(index) is not None and graph.dtype(index) == np.float32
    }
    shapes = {name: shape for name, shape in constants.items() if name[0] != "t"}
    assert shapes == {
        "gru.input_gates.weight": (128, 1024),
        "gru.input_gates.bias": (128,),
        "gru.input_candidate.weight": (64, 1024),
        "gru.input_candidate.bias": (64,),
        "gru.state_gates.weight": (128, 64),
        "gru.state_candidate.weight": (64, 64),
        "gru.state_candidate.bias": (64,),
        "gru.reset.weight": (1, 64),  # what the first step's state of zeros gives
        "logits.weight": (4, 64),
        "logits.bias": (4,),
    }


@pytest.mark.parametrize(
    ("tensor", "kind", "shape"),
    [
        ("blocks.0.expand.weight", "CONV_2D", (1, 10, 32, 32)),
        ("blocks.1.depthwise.weight", "DEPTHWISE_CONV_2D", (1, 2, 16, 64)),
        ("blocks.2.mix.weight", "CONV_2D", (1, 2, 8, 128)),
    ],
)
def test_an_encoder_with_another_weight_is_refused(tensor, kind, shape):
    changed = with_other_value(encoder().float32, tensor)
    with pytest.raises(ExportError) as caught:
        aligned_encoder(without_names(changed))
    assert f"the converter made a {kind} of shape {shape} that the network has no" in str(
        caught.value
    )
    assert "use the versions of constraints.txt" in str(caught.value)


@pytest.mark.parametrize(
    ("tensor", "kind", "shape"),
    [
        ("gru.input_gates.weight", "FULLY_CONNECTED", (4, 128)),
        ("gru.state_candidate.weight", "FULLY_CONNECTED", (1, 64)),
        ("one", "SUB", (1, 64)),
        ("logits.weight", "FULLY_CONNECTED", (1, 4)),
        ("logits.bias", "FULLY_CONNECTED", (1, 4)),
    ],
)
def test_a_head_with_another_weight_is_refused(tensor, kind, shape):
    changed = with_other_value(head().float32, tensor)
    with pytest.raises(ExportError) as caught:
        aligned_head(without_names(changed), head().windows[3]["steps"])
    assert f"the converter made a {kind} of shape {shape} that the network" in str(caught.value)


def test_what_is_no_number_is_refused():
    graph = Graph(encoder().float32)
    bias = next(i for i in range(graph.num_tensors) if graph.name(i) == "blocks.1.mix.bias")
    graph.set_constant(bias, np.full(64, np.nan, np.float32))
    with pytest.raises(ExportError, match=r"CONV_2D of shape \(1, 2, 16, 64\)"):
        aligned_encoder(without_names(graph.to_bytes()))


def with_other_value(tflite: bytes, tensor: str) -> bytes:
    """One of the numbers of a constant, the largest, has the other sign."""
    graph = Graph(tflite)
    index = next(i for i in range(graph.num_tensors) if graph.name(i) == tensor)
    values = graph.constant(index)
    assert values is not None
    other = values.copy()
    other.flat[np.abs(values).argmax()] *= -1.0
    graph.set_constant(index, other)
    return graph.to_bytes()


@pytest.fixture(scope="module")
def real(bounded_run: Path, exported_bounded: Path) -> RealExport:
    return RealExport(bounded_run, exported_bounded)


STEP = ["gates", "reset", "share", "candidate_in", "candidate", "new"]
"""What a step of the GRU computes where there is no state yet; a later step adds to it these:"""
LATER = ["state_gates", "gates_in", "state_candidate", "kept", "state"]

ENCODER = {f"blocks.{i}.{n}" for i in range(3) for n in ("expand", "depthwise", "pool", "mix")}
HEAD = {
    *("gru.input_gates", "gru.input_candidate", "sound", "logits"),
    *(f"gru.{name}/{step}" for step in range(4) for name in STEP),
    *(f"gru.{name}/{step}" for step in range(1, 4) for name in LATER),
    *(f"fusion.{name}" for name in ("city", "time", "gate_in", "gate", "share")),
    *(f"fusion.{name}" for name in ("candidate", "old", "new", "sum")),
}


@pytest.mark.converter
@pytest.mark.parametrize(
    ("name", "computed"), [("whole", ENCODER | HEAD), ("encoder", ENCODER), ("head", HEAD)]
)
def test_a_converted_network_has_the_names_of_its_taps(real: RealExport, name, computed):
    graph = Graph(real.named(name))
    found = [(graph.kind(operator), graph.name(output)) for operator, output in graph.computed()]
    assert sorted(n for kind, n in found if kind not in CARRIERS) == sorted(computed)
    for kind, carried in found:
        if kind in CARRIERS:
            assert carried.split("#")[0].endswith(f"|{kind.lower()}")
            assert carried.split("|")[0] in computed | {"features", "steps", "city", "time"}
    assert {graph.name(i) for i in graph.inputs} == set(real.inputs(name))


@pytest.mark.converter
@pytest.mark.parametrize("name", ["whole", "encoder", "head"])
def test_names_change_nothing_that_is_computed(real: RealExport, name):
    inputs = to_tflite_layout(real.inputs(name))
    before = Network(real.converted(name)).run(**inputs)
    assert np.array_equal(Network(real.named(name)).run(**inputs), before)


@pytest.mark.converter
def test_a_converted_network_with_another_weight_is_refused(real: RealExport):
    graph = Graph(real.converted("whole"))
    weights = {graph.shape(i): i for i in range(graph.num_tensors) if graph.constant(i) is not None}
    broken = with_other_value(real.converted("whole"), graph.name(weights[3, 96]))
    inputs = to_tflite_layout(real.inputs("whole"))
    with pytest.raises(ExportError, match=r"FULLY_CONNECTED of shape \(1, 3\)"):
        name_tensors(broken, real.taps("whole"), inputs)
