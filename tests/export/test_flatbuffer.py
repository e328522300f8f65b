"""A TFLite file read and written again computes the same, and what is changed in it is changed."""

from __future__ import annotations

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from edge_asc.export.flatbuffer import Graph, Quantization
from edge_asc.interpreter import Network
from tests.export.device_material import Material, encoder, head

FILES = {
    "encoder, float32": (encoder, "float32"),
    "encoder, int8": (encoder, "int8"),
    "head, float32": (head, "float32"),
    "head, int8": (head, "int8"),
}


@pytest.fixture(params=list(FILES))
def file(request) -> tuple[bytes, Material]:
    make, form = FILES[request.param]
    return getattr(make(), form), make()


def numbered(graph: Graph) -> dict[str, int]:
    return {graph.name(index): index for index in range(graph.num_tensors)}


def outputs(tflite: bytes, material: Material) -> np.ndarray:
    network = Network(tflite)
    return np.concatenate([network.run(**inputs) for inputs in material.windows])


def test_a_file_written_again_computes_the_same(file):
    tflite, material = file
    again = Graph(tflite).to_bytes()
    np.testing.assert_array_equal(outputs(again, material), outputs(tflite, material))
    assert Graph(again).to_bytes() == again


def test_all_is_there_as_it_was(file):
    tflite, _ = file
    before, after = Graph(tflite), Graph(Graph(tflite).to_bytes())
    assert [after.kind(op) for op in after.operators] == [before.kind(op) for op in
                                                          before.operators]  # fmt: skip
    old, new = numbered(before), numbered(after)
    assert old.keys() == new.keys()
    for name, index in old.items():
        other = new[name]
        assert after.shape(other) == before.shape(index)
        assert after.dtype(other) == before.dtype(index)
        assert repr(after.quantization(other)) == repr(before.quantization(index))
        assert np.array_equal(
            np.asarray(after.constant(other)), np.asarray(before.constant(index))
        )  # fmt: skip


def test_data_begin_at_a_multiple_of_16_bytes(file):
    tflite, _ = file
    model = schema.Model.GetRootAs(tflite)
    starts = []
    for index in range(model.BuffersLength()):
        table = model.Buffers(index)._tab
        if offset := table.Offset(4):
            starts.append(table.Vector(offset))
    assert len(starts) > 5
    assert [start % 16 for start in starts] == [0] * len(starts)


def test_equal_data_are_stored_once(file):
    tflite, _ = file
    model = schema.ModelT.InitFromPackedBuf(tflite, 0)
    contents = [b"" if b.data is None else bytes(b.data) for b in model.buffers]
    assert contents[0] == b""  # by the schema's rule
    assert len(set(contents)) == len(contents)
    used = {tensor.buffer for tensor in model.subgraphs[0].tensors}
    assert used == set(range(len(contents)))


def test_a_second_copy_of_a_weight_takes_no_room():
    """As converters write them: one for every step of a recurrence."""
    graph = Graph(head().float32)
    weight = numbered(graph)["gru.state_gates.weight"]
    values = graph.constant(weight)
    assert values is not None
    copy = graph.add_tensor("copy", graph.shape(weight), np.float32, constant=values)
    for operator in graph.operators:
        operator.inputs = [copy if i == weight and operator.outputs[0] % 2 else i
                           for i in operator.inputs]  # fmt: skip
    again = graph.to_bytes()
    assert {"copy", "gru.state_gates.weight"} <= numbered(Graph(again)).keys()
    assert values.nbytes == 4 * 128 * 64
    assert len(again) - len(head().float32) < 500
    np.testing.assert_array_equal(outputs(again, head()), outputs(head().float32, head()))


def test_what_nothing_uses_is_left_out():
    graph = Graph(encoder().float32)
    graph.add_tensor("unused", (1000,), np.float32, constant=np.arange(1000))
    graph.operator_code("SOFTMAX", 1)
    graph.model.metadata = [schema.MetadataT()]
    graph.model.metadata[0].name = b"converter's notes"
    assert graph.to_bytes() == Graph(encoder().float32).to_bytes()


def test_a_piece_can_be_cut_out():
    graph = Graph(encoder().float32)
    first = graph.operators[0]  # pads the features by a mel on either side
    graph.operators[:] = [first]
    graph._graph.outputs = [int(first.outputs[0])]
    piece = graph.to_bytes()
    assert list(numbered(Graph(piece))) == ["features", "sides", "features|pad"]
    inputs = encoder().windows[0]
    wanted = np.pad(inputs["features"], [(0, 0), (0, 0), (1, 1), (0, 0)])
    np.testing.assert_array_equal(Network(piece).run(**inputs), wanted)


@pytest.mark.parametrize(
    ("stored", "name"),
    [
        ("features", "features"),
        ("serving_default_features:0", "features"),
        ("gru.gates/3|strided_slice#2", "gru.gates/3|strided_slice#2"),
    ],
)
def test_a_name_is_given_without_the_converters_wrapping(stored, name):
    graph = Graph(encoder().float32)
    graph.rename(graph.inputs[0], stored)
    again = graph.to_bytes()
    assert Graph(again).name(Graph(again).inputs[0]) == name
    assert list(Network(again).inputs) == [name]


def test_quantization_is_told_of_all_that_has_one():
    float32, int8 = Graph(encoder().float32), Graph(encoder().int8)
    assert float32.quantization(numbered(float32)["blocks.1.mix.weight"]) is None
    names = numbered(int8)
    assert int8.quantization(names["sides"]) is None  # int32, but only numbers
    tensor = int8.quantization(names["blocks.1.mix"])
    assert tensor is not None
    assert (tensor.scale.tolist(), tensor.zero_point) == ([np.float32(6 / 255)], -128)
    weight = int8.quantization(names["blocks.1.depthwise.weight"])
    assert weight is not None
    assert (len(weight.scale), weight.zero_point, weight.axis) == (64, 0, 3)
    bias = int8.quantization(names["blocks.1.depthwise.bias"])
    assert bias is not None
    np.testing.assert_allclose(bias.scale, weight.scale * np.float32(6 / 255), rtol=1e-6)
    assert int8.dtype(names["blocks.1.depthwise.bias"]) == np.int32


def test_an_interpreter_reads_the_quantization_that_was_written():
    graph = Graph(head().int8)
    output = graph.outputs[0]
    graph.set_type(output, np.int8, Quantization(np.array([0.125], np.float32), 3))
    spec = Network(graph.to_bytes()).output
    assert spec.dtype == np.int8
    assert (spec.scale, spec.zero_point) == (0.125, 3)


def test_a_constant_can_be_given_other_values():
    graph = Graph(head().float32)
    bias = numbered(graph)["logits.bias"]
    values = graph.constant(bias)
    assert values is not None
    graph.set_constant(bias, values + np.array([0.0, 1.0, -2.0, 0.5], np.float32))
    moved = outputs(graph.to_bytes(), head()) - outputs(head().float32, head())
    np.testing.assert_allclose(moved, np.tile([0.0, 1.0, -2.0, 0.5], (len(moved), 1)), atol=1e-5)


def test_what_is_computed_is_no_constant():
    graph = Graph(head().float32)
    assert graph.constant(graph.inputs[0]) is None
    assert all(graph.constant(output) is None for _, output in graph.computed())


def test_an_operators_version_rises_and_never_falls():
    graph = Graph(encoder().float32)
    count = len(graph.model.operatorCodes)
    index = graph.operator_code("CONV_2D", 5)
    assert graph.operator_code("CONV_2D", 3) == index
    assert graph.model.operatorCodes[index].version == 5
    assert len(graph.model.operatorCodes) == count


def test_operators_beyond_the_old_schemas_byte_have_its_place_holder():
    graph = Graph(encoder().float32)
    code = graph.model.operatorCodes[graph.operator_code("BROADCAST_TO", 2)]
    assert (code.builtinCode, code.deprecatedBuiltinCode, code.version) == (130, 127, 2)
    code = graph.model.operatorCodes[graph.operator_code("QUANTIZE", 2)]
    assert (code.builtinCode, code.deprecatedBuiltinCode) == (114, 114)
