"""What a network costs: multiply-accumulates for one window, bytes of weights."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from edge_asc.context import TIME_FEATURES
from edge_asc.training.models.scene_network import SceneNetwork, count_parameters

BYTES_PER_WEIGHT = {"float32": 4, "int8": 1}


@torch.no_grad()
def count_macs(network: SceneNetwork) -> int:
    """Multiply-accumulates that `network` spends on one window.

    Convolutions, linear layers, GRU and attention are counted, while `network` hears one window of
    zeros. As in most published figures, normalisation, activations, pooling, sums and the city's
    table are not.
    """
    total = 0

    def add(module: nn.Module, inputs: tuple[Tensor, ...], output: Any) -> None:  # noqa: ANN401
        nonlocal total
        total += _module_macs(module, inputs, output)

    hooks = [module.register_forward_hook(add) for module in network.modules()]
    was_training = network.training
    try:
        network.eval()(*_silent_window(network))
    finally:
        network.train(was_training)
        for hook in hooks:
            hook.remove()
    return total


def estimate_bytes(network: nn.Module) -> dict[str, int]:
    """Bytes of the weights by number format, estimated as parameters x 4 or x 1.

    A model file adds its graph, quantization scales and, in int8, biases of four bytes.
    """
    return {name: count_parameters(network) * size for name, size in BYTES_PER_WEIGHT.items()}


def _silent_window(network: SceneNetwork) -> list[Tensor]:
    config = network.config
    device = next(network.parameters()).device
    window = torch.zeros(1, 1, config.num_frames, config.num_mels, device=device)
    if not config.uses_context:
        return [window]
    city = torch.zeros(1, config.num_cities, device=device)
    return [window, city, torch.zeros(1, TIME_FEATURES, device=device)]


def _module_macs(module: nn.Module, inputs: tuple[Tensor, ...], output: Any) -> int:  # noqa: ANN401
    """What `module` spends itself; 0 for a container, whose parts are counted on their own."""
    if isinstance(module, nn.Conv2d):
        return int(output.numel()) * math.prod(module.weight.shape[1:])
    if isinstance(module, nn.Linear):
        return int(output.numel()) * module.in_features
    if isinstance(module, nn.GRU):
        steps = inputs[0].shape[:-1].numel()
        return steps * sum(w.numel() for n, w in module.named_parameters() if "weight" in n)
    if isinstance(module, nn.MultiheadAttention):
        return _attention_macs(module, inputs[0])
    return 0


def _attention_macs(attention: nn.MultiheadAttention, steps: Tensor) -> int:
    """Query, key, value and output by (E, E) matrices; scores and their sums over all pairs.

    The output's matrix is a linear layer that attention uses without calling it.
    """
    length, size = steps.shape[-2:]
    return 4 * length * size * size + 2 * length * length * size
