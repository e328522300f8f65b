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
from edge_asc.training.models.folding import SIGMOID_REACH, TANH_REACH, all_seen, fold
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


@lru_cache
def device_net(recurrent_scale: float = 1.0) -> DeviceNet:
    """Random weights on their int8 grid; the GRU's gates open and shut, its state fills [-1, 1]."""
    torch.manual_seed(0)
    network = MobileASCNet(CONFIG).eval()
    with torch.no_grad():
        for weight, factor in (
            (network.gru.get_parameter("weight_ih_l0"), 200.0),
            (network.gru.get_parameter("weight_hh_l0"), recurrent_scale),
            (network.head.weight, 10.0),
        ):
            weight.mul_(factor)
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
    float32 = encoder_tflite(device_net())
    return _material(device_net(), float32, [{"features": cell} for cell in cells])


@lru_cache
def head(recurrent_scale: float = 1.0, *, any_state: bool = False) -> Material:
    """The head on the steps of the float encoder: four of them.

    With `any_state` its ranges hold whatever a state can give, otherwise what these windows give.
    """
    network = Network(encoder().float32)
    cells = [network.run(**inputs) for inputs in encoder().windows]
    steps = [np.concatenate(pair, axis=1) for pair in zip(cells[::2], cells[1::2], strict=True)]
    device = device_net(recurrent_scale)
    windows: list[Inputs] = [{"steps": step} for step in steps]
    return _material(device, head_tflite(device), windows, any_state=any_state)


def _material(
    device: DeviceNet, float32: bytes, windows: list[Inputs], *, any_state: bool = False
) -> Material:
    taps = {
        name.replace("taps.", ""): (float(tap.low), float(tap.high))
        for name, tap in device.named_modules()
        if isinstance(tap, Tap)
    }
    taps |= {"steps": taps["blocks.2.mix"], **_gru_ranges(device, any_state)}
    outputs = np.concatenate([Network(float32).run(**inputs) for inputs in windows])
    taps["logits"] = (1.05 * float(outputs.min()), 1.05 * float(outputs.max()))
    graph = Graph(float32)
    names = [graph.name(i) for i in graph.inputs] + [graph.name(o) for _, o in graph.computed()]
    ranges = {name: taps[name.split("|")[0].split("/")[0]] for name in names}
    return Material(float32, quantize(float32, ranges), ranges, windows)


def _gru_ranges(device: DeviceNet, any_state: bool) -> dict[str, tuple[float, float]]:
    """Of a gate's input all that can move it; of what the state gives all that it can give."""
    from_state = {}
    for name in ("state_gates", "state_candidate"):
        layer = getattr(device.gru, name)
        most = layer.weight.detach().abs().sum(dim=1).max()
        most = most if any_state else most / 3  # seen is a little less
        bias = 0.0 if layer.bias is None else layer.bias.detach().abs().max()
        from_state[name] = float(most + bias)
    widest = {
        **from_state,
        "reset": from_state["state_candidate"],
        "gates_in": SIGMOID_REACH,
        "input_gates": SIGMOID_REACH + from_state["state_gates"],
        "candidate_in": TANH_REACH,
        "input_candidate": TANH_REACH + from_state["state_candidate"],
    }
    return {f"gru.{name}": (-reach, reach) for name, reach in widest.items()}


def _on_grid(weight: torch.Tensor, *, per_row: bool) -> torch.Tensor:
    rows = weight.reshape(len(weight) if per_row else 1, -1)
    step = rows.abs().amax(dim=1, keepdim=True) / 127
    return (torch.round(rows / step) * step).reshape(weight.shape)
