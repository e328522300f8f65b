from __future__ import annotations

import numpy as np
import pytest

from edge_asc.export.flatbuffer import Graph, Quantization
from edge_asc.export.quantizer import Precision, quantize
from edge_asc.export.scale_faults import find_faults, layer_of, with_conversions
from edge_asc.interpreter import Network
from tests.export.device_material import encoder, head
from tests.export.test_layer_errors import find, with_scale


def faults(material, int8, ranges=None):
    return find_faults(Graph(material.float32), Graph(int8), ranges or {})


@pytest.mark.parametrize(
    ("tensor", "layer"),
    [
        ("gru.state/3", "gru.state"),
        ("gru.gates/12|strided_slice#2", "gru.gates|strided_slice"),
        ("blocks.0.mix|pad", "blocks.0.mix|pad"),
        ("logits", "logits"),
    ],
)
def test_steps_and_pieces_of_a_tensor_are_one_layer(tensor, layer):
    assert layer_of(tensor) == layer


def test_a_sound_file_has_no_faults():
    assert faults(encoder(), encoder().int8) == []
    assert faults(head(), head().int8) == []


def test_a_wrong_input_scale_is_told_by_the_biases_of_those_that_read_it():
    (fault,) = faults(encoder(), with_scale(encoder().int8, "blocks.0.expand", 4.0))
    assert fault.tensor == "blocks.0.expand"
    assert (
        "scale is 0.0941, but the biases of blocks.0.depthwise were made for 0.0235" in fault.text
    )


def test_a_wrong_weight_scale_is_not_put_down_to_the_input():
    (fault,) = faults(encoder(), with_scale(encoder().int8, "blocks.1.mix.weight", 0.5, 3))
    assert fault.tensor == "blocks.1.mix"
    assert fault.text.startswith("weight scale of channel 3 is")
    assert fault.text.endswith("by which its values are 0.5 × those of the float network")


def test_a_wrong_bias_scale_does_nothing_to_the_numbers_but_is_a_fault():
    """The kernels take a bias for steps of input times weight, whatever the file says."""
    broken = with_scale(encoder().int8, "blocks.1.mix.bias", 2.0, 3)
    inputs = encoder().windows[0]
    assert np.array_equal(Network(broken).run(**inputs), Network(encoder().int8).run(**inputs))
    (fault,) = faults(encoder(), broken)
    assert (fault.tensor, fault.text[:27]) == ("blocks.1.mix", "bias scale of channel 3 is ")


def test_of_moved_tensors_the_odd_one_is_wrong():
    found = faults(head(), with_scale(head().int8, "gru.input_gates|strided_slice#3", 2.0))
    assert {fault.tensor for fault in found} == {"gru.input_gates|strided_slice#3"}


def test_of_two_moved_tensors_the_one_that_fits_its_values_less_is_wrong():
    ranges = {"blocks.2.mix": (0.0, 6.0), "blocks.2.mix|reshape": (0.0, 6.0)}
    for tensor in ranges:
        for factor in (3.0, 0.3):
            broken = with_scale(encoder().int8, tensor, factor)
            assert {f.tensor for f in faults(encoder(), broken, ranges)} == {tensor}


def test_a_wrong_zero_point_is_named():
    graph = Graph(head().int8)
    index = find(graph, "gru.state_gates/2")
    found = graph.quantization(index)
    assert found is not None
    graph.set_type(index, np.int8, Quantization(found.scale, found.zero_point + 9))
    (fault,) = faults(head(), graph.to_bytes())
    assert fault.tensor == "gru.state_gates/2"
    assert (
        fault.text
        == f"zero point is {found.zero_point + 9}, but {found.zero_point} in its other steps"
    )


@pytest.mark.parametrize("factor", [1.01, 0.5])
@pytest.mark.parametrize("tensor", ["logits", "sound", "gru.reset/2", "steps"])
def test_where_the_range_is_known_no_scale_can_differ_from_it(tensor, factor):
    broken = Graph(with_scale(head().int8, tensor, factor))
    found = find_faults(Graph(head().float32), broken, {}, head().ranges)
    assert {fault.tensor for fault in found} == {tensor}
    assert any("but its range asks for" in fault.text for fault in found)
    sound = Graph(head().int8)
    assert find_faults(Graph(head().float32), sound, {}, head().ranges) == []


def test_ranges_of_16_bits_are_symmetric():
    graph = Graph(encoder().float32)
    wide: dict[str, Precision] = {graph.name(o): "int16" for _, o in graph.computed()}
    int16 = Graph(quantize(encoder().float32, encoder().ranges, wide))
    assert find_faults(graph, int16, {}, encoder().ranges) == []


def test_conversions_change_nothing_in_a_sound_file_and_make_a_broken_one_run():
    inputs = encoder().windows[0]
    wanted = Network(encoder().int8, keep_tensors=True).run(**inputs)
    same = Network(with_conversions(encoder().int8), keep_tensors=True).run(**inputs)
    assert np.array_equal(same, wanted)
    broken = with_scale(encoder().int8, "blocks.1.depthwise|concatenation", 2.0)
    network = Network(with_conversions(broken), keep_tensors=True)
    network.run(**inputs)
    tensors = network.tensors()
    joined = np.concatenate([tensors["blocks.1.depthwise"], tensors["blocks.1.pool"]], axis=3)
    step = 2 * 6 / 255
    # Converted, not copied: twice the step, and no value more than half of it away.
    assert np.abs(tensors["blocks.1.depthwise|concatenation"] - joined).max() <= step / 2 + 1e-6
