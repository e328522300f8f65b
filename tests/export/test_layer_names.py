from __future__ import annotations

import pytest
import torch

from edge_asc.errors import ExportError
from edge_asc.export.flatbuffer import Graph
from edge_asc.export.kernel_rules import CARRIERS
from edge_asc.export.layer_names import LayerNames, layer_names
from edge_asc.export.onnx import Part, _Encoder, _Head, write_onnx
from tests.export.device_material import device_net, encoder, features, head


@pytest.fixture(scope="module")
def names(tmp_path_factory: pytest.TempPathFactory) -> dict[str, LayerNames]:
    folder = tmp_path_factory.mktemp("onnx")
    found: dict[str, LayerNames] = {}
    windows = features(2)
    cells = [{"features": window[None, :, :50]} for window in windows]
    steps = [device_net().encode(torch.from_numpy(w[None])).detach().numpy() for w in windows]
    for name, module, inputs, tflite in (
        ("steps", _Encoder(device_net()), cells, encoder().float32),
        ("logits", _Head(device_net()), [{"steps": step} for step in steps], head().float32),
    ):
        example = {key: torch.from_numpy(values) for key, values in inputs[0].items()}
        part = Part(f"part_{name}", module.eval(), example, name)
        found |= layer_names(tflite, part, write_onnx(part, folder), inputs)
    return found


def test_pytorch_names_are_found_by_values_and_agree_with_those_in_the_file(names):
    for material in (encoder(), head()):
        graph = Graph(material.float32)
        for operator, output in graph.computed():
            name = graph.name(output)
            tap = name.split("|")[0]
            # In PyTorch the first state is a new one plus a kept one that is zero.
            assert names[name].tap == tap or (tap, names[name].tap) == ("gru.new/0", "gru.state/0")
            if graph.kind(operator) not in CARRIERS:
                assert names[name].tap == name


@pytest.mark.parametrize(
    ("tensor", "node"),
    [
        ("blocks.1.pool", "/blocks/blocks.1/pool/AveragePool_output_0"),
        ("blocks.2.depthwise|concatenation", "/blocks/blocks.2/Concat_output_0"),
        ("gru.state_candidate/2", "/gru/state_candidate_2/Gemm_output_0"),
        ("gru.gates/3", "/gru/Sigmoid_3_output_0"),
        ("logits", "logits"),
    ],
)
def test_onnx_names_are_found_by_values(names, tensor, node):
    assert names[tensor].onnx == node


def test_what_onnx_does_without_has_no_name_there(names):
    assert names["blocks.1.mix|pad"] == LayerNames("blocks.1.mix", "")  # its convolutions pad
    assert names["features"] == LayerNames("features", "features")
    assert [n for n, found in names.items() if not found.onnx and not n.endswith("|pad")] == []


def test_without_windows_it_is_an_error(tmp_path):
    part = Part("encoder", _Encoder(device_net()), {}, "steps")
    with pytest.raises(ExportError, match="at least one, got none"):
        layer_names(encoder().float32, part, tmp_path / "encoder.onnx", [])
