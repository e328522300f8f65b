"""A network cut after some of its operators computes what the whole one computes there."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import pytest

from edge_asc.benchmarks.bench.graph_cuts import Group, cut, groups, joined
from edge_asc.export.flatbuffer import Graph
from edge_asc.interpreter import Network, load_interpreter, quantize_inputs, tensor_spec
from edge_asc.model_file import ModelFile, default_model_path
from tests.export import device_material

SHIPPED = ModelFile.read(default_model_path())
FORMS = {
    "encoder, int8": lambda: device_material.encoder().int8,
    "encoder, float32": lambda: device_material.encoder().float32,
    "head, int8": lambda: device_material.head().int8,
    "head, float32": lambda: device_material.head().float32,
    "shipped, whole": lambda: SHIPPED.whole,
}


def outputs_of(tflite: bytes, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """All outputs by name, as the interpreter gives them."""
    interpreter = load_interpreter(tflite, kernels="reference")
    specs = {s.name: s for s in map(tensor_spec, interpreter.get_input_details())}
    for index, values in quantize_inputs(specs, {name: inputs[name] for name in specs}):
        interpreter.set_tensor(index, values)
    interpreter.invoke()
    found = [tensor_spec(details) for details in interpreter.get_output_details()]
    return {spec.name: spec.dequantize(interpreter.get_tensor(spec.index)) for spec in found}


def some_inputs(tflite: bytes) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(1)
    return {
        name: rng.standard_normal(spec.shape).astype(np.float32)
        for name, spec in Network(tflite).inputs.items()
    }


@lru_cache
def cuts(form: str) -> list[tuple[Group, bytes]]:
    """A cut after each group."""
    tflite = FORMS[form]()
    return [(group, cut(tflite, group.index + group.count)) for group in groups(tflite)]


@pytest.mark.parametrize("form", FORMS)
def test_every_cut_gives_what_the_whole_network_has_there(form: str) -> None:
    tflite = FORMS[form]()
    inputs = some_inputs(tflite)
    network = Network(tflite, kernels="reference", keep_tensors=True)
    network.run(**inputs)
    tensors = network.tensors()
    for group, part in cuts(form):
        outputs = outputs_of(part, inputs)
        assert outputs
        for name, values in outputs.items():
            assert np.array_equal(values, tensors[name]), (group, name)


@pytest.mark.parametrize("form", FORMS)
def test_nothing_that_is_computed_is_needless(form: str) -> None:
    for _, part in cuts(form):
        graph = Graph(part)
        read = {int(index) for operator in graph.operators for index in operator.inputs}
        made = {int(index) for operator in graph.operators for index in operator.outputs}
        assert made <= read | set(graph.outputs)
        assert set(graph.inputs) <= read


@pytest.mark.parametrize("form", FORMS)
def test_groups_are_all_operators_in_their_order(form: str) -> None:
    tflite = FORMS[form]()
    place = 0
    for group, _ in cuts(form):
        assert group.index == place
        place += group.count
    assert place == len(Graph(tflite).operators)


def test_a_cut_before_the_first_operator_hands_its_input_on() -> None:
    tflite = device_material.encoder().float32
    inputs = some_inputs(tflite)
    (values,) = outputs_of(cut(tflite, 0), inputs).values()
    assert np.array_equal(values, inputs["features"])


def test_steps_of_a_recurrent_layer_are_one_group_with_what_is_cut_for_them() -> None:
    """The shipped head: 20 steps of a GRU, then means over 10 and 10 and 2 of them."""
    assert SHIPPED.head is not None
    labels = [group.label for group in groups(SHIPPED.head)]
    assert labels[:2] == ["FULLY_CONNECTED fusion.city", "FULLY_CONNECTED gru.input_gates"]
    assert labels[2].startswith("gru (20 steps) and sound (3 steps): 80 STRIDED_SLICE, ")
    assert labels[-1] == "FULLY_CONNECTED logits"
    assert sum("gru" in label for label in labels) == 2


def test_an_encoder_has_no_steps() -> None:
    assert all(group.count == 1 for group, _ in cuts("encoder, int8"))


def test_joined_groups_say_both() -> None:
    assert joined(Group(3, 2, "PAD x"), Group(5, 1, "CONV_2D y")) == Group(
        3, 3, "PAD x + CONV_2D y"
    )


def test_a_file_of_two_graphs_is_refused() -> None:
    graph = Graph(device_material.encoder().float32)
    graph.model.subgraphs.append(graph.model.subgraphs[0])
    with pytest.raises(ValueError, match="unpack"):
        groups(graph.to_bytes())
