"""A small DeviceNet with random weights, its float32 and int8 TFLite, and inputs to compare on."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from edge_asc.export.flatbuffer import Graph
from edge_asc.export.layer_errors import Inputs
from edge_asc.export.quantizer import quantize
from edge_asc.interpreter import Network
from edge_asc.training.models.config import NetworkConfig
from edge_asc.training.models.device_layers import Tap
from edge_asc.training.models.device_net import DeviceNet
from edge_asc.training.models.folding import all_seen, fold
from edge_asc.training.models.mobile_asc_net import MobileASCNet
from tests.export.device_tflite import encoder_tflite, head_tflite

Array = npt.NDArray[np.float32]

CONFIG = NetworkConfig(
    variant="edge", fusion="none", num_scenes=4, num_cities=3, num_frames=100, cell_frames=50
)
FEATURE_RANGE = (-3.0, 3.0)


@dataclass(frozen=True)
class Material:
    """One part of the network in its forms."""

    float32: bytes
    int8: bytes
    ranges: dict[str, tuple[float, float]]
    """By tensor, as `quantize` takes them"""
    windows: list[Inputs]


@lru_cache(maxsize=1)
def device_net() -> DeviceNet:
    """Random weights on their int8 grid; the GRU's gates open and shut, its state fills [-1, 1]."""
    torch.manual_seed(0)
    network = MobileASCNet(CONFIG).eval()
    with torch.no_grad():
        network.gru.weight_ih_l0 *= 40.0
        network.gru.weight_hh_l0 *= 2.0
        network.head.weight *= 10.0
    device = fold(network, [(torch.from_numpy(features()),)], FEATURE_RANGE, all_seen)
    with torch.no_grad():
        for layer in device.modules():
            if isinstance(layer, nn.Conv2d | nn.Linear):
                layer.weight.copy_(_on_grid(layer.weight, per_row=isinstance(layer, nn.Conv2d)))
    return device


def features(count: int = 24, seed: int = 1) -> Array:
    """Windows of noise, shape (count, 1, frames, mels)."""
    shape = (count, 1, CONFIG.num_frames, CONFIG.num_mels)
    noise = np.random.default_rng(seed).standard_normal(shape)
    return noise.clip(*FEATURE_RANGE).astype(np.float32)


@lru_cache(maxsize=1)
def encoder() -> Material:
    """The encoder; one window is one cell."""
    cells = features().transpose(0, 2, 3, 1).reshape(-1, 1, 50, CONFIG.num_mels, 1)
    return _material(encoder_tflite(device_net()), [{"features": cell} for cell in cells])


@lru_cache(maxsize=1)
def head() -> Material:
    """The head on the steps of the float encoder: four of them."""
    network = Network(encoder().float32)
    cells = [network.run(**inputs) for inputs in encoder().windows]
    steps = [np.concatenate(pair, axis=1) for pair in zip(cells[::2], cells[1::2], strict=True)]
    return _material(head_tflite(device_net()), [{"steps": step} for step in steps])


def _material(float32: bytes, windows: list[Inputs]) -> Material:
    taps = {
        name.replace("taps.", ""): (float(tap.low), float(tap.high))
        for name, tap in device_net().named_modules()
        if isinstance(tap, Tap)
    }
    taps["steps"] = taps["blocks.2.mix"]
    taps |= _seen(float32, windows)
    graph = Graph(float32)
    names = [graph.name(i) for i in graph.inputs] + [graph.name(o) for _, o in graph.computed()]
    ranges = {name: taps[name.split("|")[0].split("/")[0]] for name in names}
    return Material(float32, quantize(float32, ranges), ranges, windows)


def _seen(float32: bytes, windows: list[Inputs]) -> dict[str, tuple[float, float]]:
    """Ranges of what has no bound by construction, with snapped weights, and a little room."""
    network = Network(float32, keep_tensors=True)
    seen: dict[str, tuple[float, float]] = {}
    for inputs in windows:
        network.run(**inputs)
        for name, values in network.tensors().items():
            tap = name.split("/")[0]
            if tap in _MEASURED:
                low, high = seen.get(tap, (0.0, 0.0))
                seen[tap] = (min(low, float(values.min())), max(high, float(values.max())))
    return {tap: (1.05 * low, 1.05 * high) for tap, (low, high) in seen.items()}


_MEASURED = (
    "gru.input_gates",
    "gru.input_candidate",
    "gru.state_gates",
    "gru.state_candidate",
    "gru.reset",
    "gru.gates_in",
    "gru.candidate_in",
    "logits",
)


def _on_grid(weight: torch.Tensor, *, per_row: bool) -> torch.Tensor:
    rows = weight.reshape(len(weight) if per_row else 1, -1)
    step = rows.abs().amax(dim=1, keepdim=True) / 127
    return (torch.round(rows / step) * step).reshape(weight.shape)
