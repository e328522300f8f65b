from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_asc.errors import ExportError, InterpreterError
from edge_asc.export.flatbuffer import Graph, Quantization
from edge_asc.export.kernel_rules import KEEPS_SCALE
from edge_asc.export.layer_errors import LayerError, layer_errors
from edge_asc.export.quantizer import Precision, quantize
from edge_asc.export.scale_faults import layer_of
from edge_asc.interpreter import Network
from tests.export.device_material import Material, encoder, head

BLOCK = ("expand", "depthwise", "pool", "mix")
ENCODER_TENSORS = (
    "features",
    "features|pad",
    *(f"blocks.{b}.{name}" for b in range(3) for name in BLOCK),
    *(f"blocks.{b}.depthwise|concatenation" for b in range(3)),
    "blocks.0.mix|pad",
    "blocks.1.mix|pad",
    "blocks.2.mix|reshape",
)
HEAD_TENSORS = (
    "steps",
    "gru.input_gates",
    "gru.input_candidate|strided_slice#2",
    "gru.state_gates/1",
    "gru.state_candidate/2",
    "gru.gates_in/3",
    "gru.gates/2",
    "gru.gates/1|strided_slice#2",
    "gru.reset/3",
    "gru.candidate_in/0",
    "gru.candidate/1",
    "gru.share/3",
    "gru.new/0",
    "gru.kept/2",
    "gru.state/2",
    "gru.new/0|concatenation",
    "sound",
    "logits",
)
WEIGHTED = tuple(f"blocks.{b}.{name}" for b in range(3) for name in ("expand", "depthwise", "mix"))


def find(graph: Graph, name: str) -> int:
    (index,) = [i for i in range(graph.num_tensors) if graph.name(i) == name]
    return index


def with_scale(int8: bytes, tensor: str | int, factor: float, channel: int = 0) -> bytes:
    """A copy with one number changed: the scale of `tensor`, or of one of its channels."""
    graph = Graph(int8)
    index = find(graph, tensor) if isinstance(tensor, str) else tensor
    found = graph.quantization(index)
    assert found is not None
    scale = found.scale.copy()
    scale[channel] *= factor
    broken = Quantization(scale, found.zero_point, found.axis)
    graph.set_type(index, graph.dtype(index), broken)
    return graph.to_bytes()


def compare(material: Material, int8: bytes, count: int = 4) -> list[LayerError]:
    return layer_errors(material.float32, int8, material.windows[:count])


def row(errors: list[LayerError], name: str) -> LayerError:
    (found,) = [error for error in errors if error.name == name]
    return found


@pytest.mark.parametrize("material", [encoder, head])
def test_a_sound_network_has_no_contradiction_and_rounds_as_well_as_it_can(material):
    errors = compare(material(), material().int8, 12)
    assert [error.name for error in errors if error.fault] == []
    assert {error.dtype for error in errors} == {"int8"}
    # The ranges were taken from these windows, so only those that are fixed at ±1 can be too wide.
    assert max(error.excess for error in errors) < 2.0
    assert [error.excess for error in errors] == sorted((e.excess for e in errors), reverse=True)
    assert max(error.clipped for error in errors) == 0.0


def test_every_computed_tensor_is_in_the_table_once_and_steps_are_one_row():
    errors = compare(head(), head().int8)
    graph = Graph(head().int8)
    tensors = [graph.name(i) for i in graph.inputs] + [graph.name(o) for _, o in graph.computed()]
    listed = [step.name for error in errors for step in error.steps or (error,)]
    assert sorted(listed) == sorted(tensors)
    state = row(errors, "gru.state")
    assert [step.name for step in state.steps] == ["gru.state/1", "gru.state/2", "gru.state/3"]
    snr = [step.snr_db for step in state.steps]
    assert state.snr_db == min(snr)
    assert state.mean_snr_db == pytest.approx(np.mean(snr))
    assert sorted(error.place for error in errors)[0] == row(errors, "steps").place == 0


def test_rounding_adds_a_third_of_a_step_and_moving_adds_nothing():
    errors = compare(encoder(), encoder().int8, 12)
    # Uniform rounding has the standard deviation of 1 / sqrt(12) steps, and the depthwise
    # convolutions fill [0, 6] without stops at either end. `excess` is relative to just that.
    for block in range(3):
        assert row(errors, f"blocks.{block}.depthwise").excess == pytest.approx(1.0, abs=0.1)
    for error in errors:
        if error.operator in KEEPS_SCALE and error.operator != "AVERAGE_POOL_2D":
            assert math.isinf(error.own_snr_db)
            assert error.excess == 0.0


def test_own_error_is_the_operators_own_however_wrong_its_inputs_are():
    ranges = dict(encoder().ranges)
    for name in ("features", "features|pad"):
        ranges[name] = (-30.0, 30.0)
    coarse = compare(encoder(), quantize(encoder().float32, ranges), 12)
    fine = compare(encoder(), encoder().int8, 12)
    assert coarse[0].name == "features"
    assert coarse[0].excess == pytest.approx(10.0, rel=0.1)  # ten times the range, all used
    for name in ("blocks.0.expand", "blocks.1.mix", "blocks.2.mix"):
        before, after = row(fine, name), row(coarse, name)
        assert after.snr_db < before.snr_db - 8.0
        assert after.own_snr_db == pytest.approx(before.own_snr_db, abs=1.0)


@pytest.mark.parametrize("layer", ["gru.state_gates", "gru.candidate_in", "sound", "logits"])
def test_a_range_too_wide_or_too_narrow_comes_first_though_nothing_contradicts(layer):
    for factor in (4.0, 0.25):
        ranges = {
            name: (low * factor, high * factor) if layer_of(name) == layer else (low, high)
            for name, (low, high) in head().ranges.items()
        }
        errors = compare(head(), quantize(head().float32, ranges), 12)
        assert errors[0].name == layer
        assert errors[0].fault == ""
        if factor > 1:
            assert errors[0].excess == pytest.approx(4.0, rel=0.5)
            assert errors[0].range_used < 0.3
        else:
            assert errors[0].clipped > 0.1
            assert errors[0].range_used > 2.0


def test_what_a_gate_cannot_tell_apart_is_no_error():
    """Inputs of gates beyond ±8 are cut off: the sigmoid is at its end there anyway."""
    material = head(any_state=True)
    loud = [{"steps": 10.0 * inputs["steps"]} for inputs in material.windows]
    ranges = material.ranges | {"steps": (0.0, 60.0)}
    errors = layer_errors(material.float32, quantize(material.float32, ranges), loud)
    usual = layer_errors(material.float32, material.int8, material.windows)
    for name in ("gru.input_gates", "gru.gates_in", "gru.input_candidate"):
        gate = row(errors, name)
        assert gate.at_ends > 0.5 > row(usual, name).at_ends
        assert gate.clipped == 0.0
        assert gate.at_ends_by_design == gate.at_ends
        assert gate.own_snr_db > row(usual, name).own_snr_db


@pytest.mark.parametrize("factor", [4.0, 0.5])
@pytest.mark.parametrize("tensor", ENCODER_TENSORS)
def test_a_broken_scale_in_the_encoder_comes_first(tensor, factor):
    errors = compare(encoder(), with_scale(encoder().int8, tensor, factor))
    assert errors[0].name == tensor
    assert [e.name for e in errors[1:] if e.fault] == []


@pytest.mark.parametrize("factor", [4.0, 0.25])
@pytest.mark.parametrize("tensor", HEAD_TENSORS)
def test_a_broken_scale_in_the_head_comes_first(tensor, factor):
    errors = compare(head(), with_scale(head().int8, tensor, factor))
    assert layer_of(errors[0].name) == layer_of(tensor)
    if errors[0].steps and "/" in tensor:
        assert tensor in errors[0].fault


@pytest.mark.parametrize("part", ["weight", "bias"])
@pytest.mark.parametrize("tensor", WEIGHTED)
def test_a_broken_scale_of_one_channel_comes_first(tensor, part):
    channel = 7
    errors = compare(encoder(), with_scale(encoder().int8, f"{tensor}.{part}", 3.0, channel))
    assert errors[0].name == tensor
    assert f"{part} scale of channel {channel}" in errors[0].fault
    assert [e.name for e in errors[1:] if e.fault] == []


@pytest.mark.parametrize(
    "tensor", ["gru.input_gates", "gru.state_gates", "gru.state_candidate", "logits"]
)
def test_a_broken_scale_of_a_matrix_comes_first(tensor):
    errors = compare(head(), with_scale(head().int8, f"{tensor}.weight", 2.0))
    assert errors[0].name == tensor
    assert "weight scale is" in errors[0].fault
    assert "2 × those of the float network" in errors[0].fault


@settings(max_examples=40, deadline=None, derandomize=True)
@given(data=st.data())
def test_any_one_broken_scale_comes_first(data):
    material = data.draw(st.sampled_from([encoder, head]))()
    graph = Graph(material.int8)
    choices = [i for i in range(graph.num_tensors) if graph.quantization(i) is not None]
    index = data.draw(st.sampled_from(choices))
    found = graph.quantization(index)
    assert found is not None
    channel = data.draw(st.integers(0, len(found.scale) - 1))
    factor = data.draw(st.floats(4.0, 16.0)) ** data.draw(st.sampled_from([1, -1]))
    users = {layer_of(graph.name(o)) for op, o in graph.computed() if index in op.inputs}
    if graph.constant(index) is None:
        users = {layer_of(graph.name(index))}
    errors = compare(material, with_scale(material.int8, index, factor, channel), 2)
    assert layer_of(errors[0].name) in users


def test_a_file_that_the_interpreter_refuses_is_compared_all_the_same():
    """What is concatenated must have one scale, or the kernel does not start."""
    broken = with_scale(encoder().int8, "blocks.1.depthwise", 8.0)
    with pytest.raises(InterpreterError, match="CONCATENATION"):
        Network(broken, keep_tensors=True)
    errors = compare(encoder(), broken)
    assert errors[0].name == "blocks.1.depthwise"
    assert errors[0].excess == pytest.approx(8.0, rel=0.3)
    assert row(errors, "blocks.1.pool").excess < 1.5
    refused = with_scale(head().int8, "gru.gates/2", 2.0)
    with pytest.raises(InterpreterError, match="LOGISTIC"):
        Network(refused, keep_tensors=True)
    assert "LOGISTIC must have 0.00391" in compare(head(), refused)[0].fault


def test_other_precisions_are_compared_too():
    graph = Graph(head().float32)
    float_head: dict[str, Precision] = {
        graph.name(o): "float" for _, o in graph.computed() if "gru" in graph.name(o)
    }
    mixed = quantize(head().float32, head().ranges, float_head)
    errors = compare(head(), mixed)
    assert [e.name for e in errors if e.fault] == []
    assert row(errors, "gru.state").dtype == "float32"
    assert row(errors, "gru.state").own_snr_db > 100.0
    assert row(errors, "gru.state").excess == 0.0
    assert row(errors, "logits").dtype == "int8"
    graph = Graph(encoder().float32)
    wide = quantize(
        encoder().float32, encoder().ranges, {graph.name(o): "int16" for _, o in graph.computed()}
    )
    sixteen = row(compare(encoder(), wide), "blocks.0.depthwise")
    eight = row(compare(encoder(), encoder().int8), "blocks.0.depthwise")
    assert sixteen.dtype == "int16"
    # 32767 steps for [0, 6], which has 255 with 8 bits: 20 log10(32767 / 255) = 42 dB finer.
    assert sixteen.own_snr_db - eight.own_snr_db == pytest.approx(42.2, abs=3.0)


def test_without_windows_or_with_another_network_it_is_an_error():
    with pytest.raises(ExportError, match="at least one, got none"):
        layer_errors(encoder().float32, encoder().int8, [])
    with pytest.raises(ExportError, match="both must come from one conversion"):
        layer_errors(encoder().float32, head().int8, encoder().windows[:1])
