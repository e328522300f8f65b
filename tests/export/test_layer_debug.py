from __future__ import annotations

import numpy as np
import pytest
import torch

from edge_asc.errors import ExportError
from edge_asc.export import layer_debug
from edge_asc.export.conversion import Converted, convert_network
from edge_asc.export.flatbuffer import Graph
from edge_asc.export.kernel_rules import CARRIERS
from edge_asc.export.layer_debug import DebugPart, debug_layers, part_inputs
from edge_asc.export.layer_errors import layer_errors
from edge_asc.export.layer_names import layer_names
from edge_asc.export.onnx import Part, _Encoder, _Head, write_onnx
from edge_asc.export.quantizer import quantize
from edge_asc.export.scale_faults import layer_of
from edge_asc.export.stages import NetworkShape
from edge_asc.interpreter import Network
from edge_asc.training.checkpoint import Windows, load_checkpoint, load_windows
from edge_asc.training.models import DeviceNet
from tests.export.device_material import CONFIG, device_net, encoder, features, head
from tests.export.test_layer_errors import find, with_scale

SHAPE = NetworkShape(uses_context=False, cell_frames=50)


def windows(count: int) -> Windows:
    city, time = np.zeros((count, 3), np.float32), np.zeros((count, 8), np.float32)
    label, groups = np.zeros(count, np.int64), ["one"] * count
    return Windows(features(count)[:, 0], city, time, label, groups)


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, DebugPart]:
    """Encoder and head, the head also in the place of the whole: a window's steps are its input."""
    folder = tmp_path_factory.mktemp("onnx")
    cell = torch.from_numpy(features(1)[:, :, :50])
    steps = device_net().encode(torch.from_numpy(features(1))).detach()
    made = {
        "encoder": Part("encoder", _Encoder(device_net()).eval(), {"features": cell}, "steps"),
        "head": Part("head", _Head(device_net()).eval(), {"steps": steps}, "logits"),
    }
    return {
        name: DebugPart(part, write_onnx(part, folder), material.float32, material.int8)
        for (name, part), material in zip(made.items(), (encoder(), head()), strict=True)
    }


def test_inputs_are_spread_over_the_windows_and_the_head_gets_the_encoders_steps(parts):
    given = part_inputs(parts, windows(130), SHAPE)
    assert {name: len(one) for name, one in given.items()} == {"encoder": 60, "head": 60}
    all_features = features(130).transpose(0, 2, 3, 1)
    assert np.array_equal(given["encoder"][0]["features"][0], all_features[0, :50])
    assert np.array_equal(given["encoder"][59]["features"][0], all_features[129, 50:])
    network = Network(encoder().float32)
    steps = [network.run(features=all_features[129:, k : k + 50]) for k in (0, 50)]
    assert np.array_equal(given["head"][59]["steps"], np.concatenate(steps, axis=1))


def test_context_goes_to_whole_and_head_and_not_to_the_encoder(parts):
    given = part_inputs(
        {**parts, "whole": parts["head"]}, windows(2), NetworkShape(True, cell_frames=50)
    )
    assert given["whole"][1].keys() == {"features", "city", "time"}
    assert given["head"][1].keys() == {"steps", "city", "time"}
    assert given["encoder"][1].keys() == {"features"}
    assert given["head"][1]["city"].shape == (1, 3)


def test_everything_is_left_in_the_folder_and_returned(parts, tmp_path, monkeypatch):
    monkeypatch.setattr(layer_debug, "NUM_WINDOWS", 3)
    monkeypatch.setattr(layer_debug, "DRIFT_STEPS", (5, 10))
    real = part_inputs
    both = {"whole": parts["head"], **parts}

    def with_whole(parts, windows, shape):
        found = real({name: parts[name] for name in ("encoder", "head")}, windows, shape)
        return {"whole": found["head"], **found}

    monkeypatch.setattr(layer_debug, "part_inputs", with_whole)
    lines = debug_layers(both, head().ranges | encoder().ranges, windows(3), SHAPE, tmp_path)
    names = ("whole", "encoder", "head")
    pictures = {f"layers_{name}.png" for name in names} | {"gru_drift.png"}
    assert {path.name for path in tmp_path.iterdir()} == {*pictures, "layers.txt"}
    assert (tmp_path / "layers.txt").read_text(encoding="utf-8").splitlines() == lines
    for name in names:
        assert f"{name}: int8 against float, 3 windows, worst first" in lines
    assert lines.count("SNR of gru.state by step, dB") == 2
    assert any(line.startswith("all int8: SNR of the output") for line in lines)
    assert any(line.startswith("update gate at 1 ") for line in lines)
    assert not [line for line in lines if "contradiction" in line]
    assert max(map(len, lines)) <= 120


def test_without_windows_it_is_an_error(parts):
    with pytest.raises(ExportError, match="at least one, got none"):
        part_inputs(parts, windows(0), SHAPE)


def test_frames_of_a_cell_are_those_of_the_network():
    assert CONFIG.frames_per_cell == SHAPE.cell_frames


@pytest.fixture
def converted(bounded_run, exported_bounded, converted_before, tmp_path) -> Converted:
    """A trained network with context, as the converter made it."""
    converted_before(exported_bounded)
    network = load_checkpoint(bounded_run / "checkpoint.safetensors").build_network()
    assert isinstance(network, DeviceNet)
    test = load_windows(bounded_run / "windows.safetensors").test
    return convert_network(network, test, tmp_path)


def test_a_converted_network_is_compared_part_by_part(
    converted, bounded_run, tmp_path, monkeypatch
):
    monkeypatch.setattr(layer_debug, "NUM_WINDOWS", 4)
    monkeypatch.setattr(layer_debug, "DRIFT_STEPS", (5, 10))
    debug = {
        part.name: DebugPart(
            part,
            converted.onnx[part.name],
            converted.float32[part.name],
            quantize(converted.float32[part.name], converted.ranges),
        )
        for part in converted.parts
    }
    test = load_windows(bounded_run / "windows.safetensors").test
    shape = NetworkShape(uses_context=True, cell_frames=50)
    folder = tmp_path / "layers"
    folder.mkdir()
    lines = debug_layers(debug, converted.ranges, test, shape, folder)
    assert len(list(folder.glob("*.png"))) == 4
    assert not [line for line in lines if "contradiction" in line]
    assert len([line for line in lines if line.startswith("fusion.gate_in ")]) == 2
    inputs = part_inputs(debug, test, shape)
    for name, part in debug.items():
        first = [layer_debug._to_torch_layout(one) for one in inputs[name][:2]]
        names = layer_names(part.float32, part.part, part.onnx, first)
        graph = Graph(part.float32)
        for operator, output in graph.computed():
            if graph.kind(operator) not in CARRIERS:
                found = names[graph.name(output)]
                assert found.tap == graph.name(output)
                assert found.onnx


@pytest.mark.parametrize(
    "tensor", ["city", "time", "fusion.time", "fusion.share", "fusion.sum", "gru.state/2", "logits"]
)
def test_a_broken_scale_in_a_converted_head_comes_first(converted, bounded_run, tensor):
    float32 = converted.float32["head"]
    int8 = quantize(float32, converted.ranges)
    assert find(Graph(int8), tensor) >= 0
    parts = {
        name: DebugPart(part, converted.onnx[name], converted.float32[name], b"")
        for name, part in ((part.name, part) for part in converted.parts)
    }
    test = load_windows(bounded_run / "windows.safetensors").test
    windows = part_inputs(parts, test, NetworkShape(True, 50))["head"][:3]
    for factor in (1.5, 0.7):
        broken = with_scale(int8, tensor, factor)
        errors = layer_errors(float32, broken, windows, converted.ranges)
        assert layer_of(errors[0].name) == layer_of(tensor)
        assert [layer_of(e.name) for e in errors if e.fault] == [layer_of(tensor)]
