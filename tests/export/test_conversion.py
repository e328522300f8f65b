"""Parts are converted two at a time; what comes out has the network's own names and ranges."""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from edge_asc.export import conversion
from edge_asc.export.conversion import Converted, convert_network
from edge_asc.export.flatbuffer import Graph
from edge_asc.export.onnx import OnnxNetwork, network_parts, to_tflite_layout
from edge_asc.export.tflite import Conversion, ConversionError
from edge_asc.interpreter import Network
from edge_asc.training.checkpoint import Windows, load_checkpoint, load_windows
from edge_asc.training.models import DeviceNet

PATIENCE_S = 60.0
"""How long a test waits for what must come at once"""


@pytest.fixture(scope="module")
def device(bounded_run: Path) -> DeviceNet:
    network = load_checkpoint(bounded_run / "checkpoint.safetensors").build_network()
    assert isinstance(network, DeviceNet)
    return network


@pytest.fixture(scope="module")
def windows(bounded_run: Path) -> Windows:
    return load_windows(bounded_run / "windows.safetensors").test


@pytest.fixture
def converted(
    device: DeviceNet,
    windows: Windows,
    exported_bounded: Path,
    converted_before: Callable[[Path], None],
    tmp_path: Path,
) -> Converted:
    converted_before(exported_bounded)
    return convert_network(device, windows, tmp_path)


def part_inputs(
    device: DeviceNet, windows: Windows, part: str, index: int
) -> dict[str, np.ndarray]:
    """Inputs of `part` for one window, in PyTorch's layout."""
    features = windows.features[index : index + 1, None]
    with torch.no_grad():
        steps = device.encode(torch.from_numpy(features)).numpy()
    context = {
        "city": windows.city[index : index + 1],
        "time": windows.time[index : index + 1],
    }
    return {
        "whole": {"features": features, **context},
        "encoder": {"features": features[:, :, :50]},
        "head": {"steps": steps, **context},
    }[part]


OF_FLOAT32 = 2e-5
"""Of values up to 6; 0.97e-5 was seen, and another processor sums in another order"""


@pytest.mark.converter
def test_every_form_of_every_part_computes_what_the_device_network_does(
    converted: Converted, device: DeviceNet, windows: Windows
) -> None:
    assert [part.name for part in converted.parts] == ["whole", "encoder", "head"]
    for part in converted.parts:
        module = copy.deepcopy(part.module).double()
        onnx = OnnxNetwork(converted.onnx[part.name])
        tflite = Network(converted.float32[part.name])
        for index in range(3):
            inputs = part_inputs(device, windows, part.name, index)
            with torch.no_grad():
                tensors = {
                    name: torch.from_numpy(values).double() for name, values in inputs.items()
                }
                wanted = module(**tensors).numpy()
            np.testing.assert_allclose(onnx.run(**inputs), wanted, atol=OF_FLOAT32)
            np.testing.assert_allclose(
                tflite.run(**to_tflite_layout(inputs)).reshape(wanted.shape),
                wanted,
                atol=OF_FLOAT32,
            )


@pytest.mark.converter
def test_tensors_have_the_names_of_taps_and_all_have_a_range(converted: Converted) -> None:
    names: dict[str, set[str]] = {}
    for part, tflite in converted.float32.items():
        graph = Graph(tflite)
        found = [graph.name(i) for i in graph.inputs]
        found += [graph.name(output) for _, output in graph.computed()]
        names[part] = {name for name in found if "|" not in name}
    assert names["whole"] | {"steps"} == names["encoder"] | names["head"]
    assert {"features", "blocks.2.mix"} <= names["encoder"]
    assert {"gru.state/3", "fusion.gate", "logits", "city", "time"} <= names["head"]
    assert names["whole"] | names["head"] <= converted.ranges.keys()
    assert converted.ranges["features"] == (-4.5, 4.5)
    assert converted.ranges["steps"] == converted.ranges["blocks.2.mix"] == (0.0, 6.0)


class FakeConverter:
    """Notes who calls; fails for one part, once another is under way, or for none."""

    def __init__(self, failing: str = "") -> None:
        self.failing = failing
        self.began: list[str] = []
        self.stopped: list[str] = []
        self.kept_layout: dict[str, list[str]] = {}
        self.most_at_once = 0
        self._running = 0
        self._lock = threading.Lock()
        self._two_run = threading.Event()

    def __call__(
        self, onnx_path: Path, folder: Path, *, keep_layout: list[str], stop: threading.Event
    ) -> Conversion:
        name, log = onnx_path.stem, folder / "log"
        with self._lock:
            self.began.append(name)
            self.kept_layout[name] = keep_layout
            self._running += 1
            self.most_at_once = max(self.most_at_once, self._running)
            if self._running == 2:
                self._two_run.set()
        assert self._two_run.wait(PATIENCE_S), "only one part is converted at a time"
        if name == self.failing:
            raise ConversionError(f"{name} cannot be converted", onnx_path, log)
        if self.failing and stop.wait(PATIENCE_S):
            self.stopped.append(name)
            raise ConversionError(f"{name} was ended because the export stopped", onnx_path, log)
        with self._lock:
            self._running -= 1
        return Conversion(name.encode(), b"", None, 1.0, 1.0, "onnx2tf 1", log)


def convert_parts(device: DeviceNet, folder: Path) -> dict[str, Conversion]:
    parts = network_parts(device)
    paths = {part.name: folder / f"{part.name}.onnx" for part in parts}
    return conversion._convert_all(parts, paths, folder)


def test_two_parts_are_converted_at_a_time_the_longest_first(
    device: DeviceNet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = FakeConverter()
    monkeypatch.setattr(conversion, "convert", fake)
    found = convert_parts(device, tmp_path)
    assert {name: one.float32 for name, one in found.items()} == {
        name: name.encode() for name in ("whole", "encoder", "head")
    }
    assert fake.most_at_once == 2
    assert "whole" in fake.began[:2]


def test_sequences_and_vectors_keep_their_layout(
    device: DeviceNet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = FakeConverter()
    monkeypatch.setattr(conversion, "convert", fake)
    convert_parts(device, tmp_path)
    assert fake.kept_layout == {
        "whole": ["city", "time"],
        "encoder": [],
        "head": ["steps", "city", "time"],
    }


@pytest.mark.parametrize("failing", ["whole", "encoder"])
def test_where_one_part_fails_the_others_end_at_once(
    device: DeviceNet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: str
) -> None:
    fake = FakeConverter(failing)
    monkeypatch.setattr(conversion, "convert", fake)
    with pytest.raises(ConversionError, match=f"{failing} cannot be converted"):
        convert_parts(device, tmp_path)
    assert len(fake.stopped) >= 1
    assert sorted([failing, *fake.stopped]) == sorted(fake.began)


def test_ctrl_c_ends_all_that_runs_and_begins_no_more(
    device: DeviceNet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = FakeConverter("none of them")
    monkeypatch.setattr(conversion, "convert", fake)

    def interrupted(*_: object, **__: object) -> None:
        assert fake._two_run.wait(PATIENCE_S)
        raise KeyboardInterrupt

    monkeypatch.setattr(conversion, "wait", interrupted)
    with pytest.raises(KeyboardInterrupt):
        convert_parts(device, tmp_path)
    assert sorted(fake.stopped) == ["encoder", "whole"]
    assert "head" not in fake.began
