"""Weights on their int8 grid, by which a network gives nearly what it gave."""

from __future__ import annotations

import copy
from functools import lru_cache

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from edge_asc.export.quantizer import weight_grid
from edge_asc.training.models import DeviceNet, weight_rounding
from edge_asc.training.models.device_layers import Tap
from edge_asc.training.models.folding import Inputs, all_seen, fold
from edge_asc.training.models.weight_rounding import WEIGHT_STEPS, round_weights
from tests.training.models.trained_looking import (
    FEATURE_RANGE,
    draw_inputs,
    make_config,
    make_network,
)

CASES = [("edge", "gated"), ("edge", "early"), ("edge", "none"), ("paper", "none")]


@lru_cache
def networks(variant, fusion) -> tuple[DeviceNet, DeviceNet, list[Inputs]]:
    """A device network, the same with rounded weights, and the windows that both were made by."""
    config = make_config(variant, fusion)
    inputs = draw_inputs(config)
    device = fold(make_network(config, inputs), inputs, FEATURE_RANGE, all_seen)
    rounded = copy.deepcopy(device)
    round_weights(rounded, inputs)
    return device, rounded, inputs


def layers(network: DeviceNet) -> dict[str, nn.Conv2d | nn.Linear]:
    return {
        name: module
        for name, module in network.named_modules()
        if isinstance(module, nn.Conv2d | nn.Linear)
    }


def grid_rows(layer: nn.Conv2d | nn.Linear) -> Tensor:
    """What shares a step: an output channel of a convolution, the matrix of a linear layer."""
    rows = len(layer.weight) if isinstance(layer, nn.Conv2d) else 1
    return layer.weight.detach().reshape(rows, -1)


@torch.no_grad()
def to_the_nearest(network: DeviceNet) -> DeviceNet:
    network = copy.deepcopy(network)
    for layer in layers(network).values():
        rows = grid_rows(layer)
        step = rows.abs().amax(dim=1, keepdim=True) / 127
        layer.weight.copy_((torch.round(rows / step) * step).reshape(layer.weight.shape))
    return network


def snr_db(wanted: Tensor, found: Tensor) -> float:
    return float(10 * torch.log10(wanted.square().sum() / (found - wanted).square().sum()))


def layer_inputs(network: DeviceNet, batches: list[Inputs]) -> dict[str, Tensor]:
    caught: dict[str, list[Tensor]] = {}
    hooks = [
        layer.register_forward_pre_hook(
            lambda _, args, name=name: caught.setdefault(name, []).append(args[0])
        )
        for name, layer in layers(network).items()
    ]
    with torch.no_grad():
        for inputs in batches:
            network(*inputs)
    for hook in hooks:
        hook.remove()
    return {name: torch.cat(parts) for name, parts in caught.items()}


@pytest.mark.parametrize(("variant", "fusion"), CASES)
def test_every_weight_is_a_whole_number_of_its_steps(variant, fusion):
    device, rounded, _ = networks(variant, fusion)
    for name, layer in layers(rounded).items():
        rows = grid_rows(layer).numpy().astype(np.float64)
        # The step was laid before rounding: the largest weight of a row has 127.
        given = grid_rows(layers(device)[name]).abs().amax(dim=1).numpy() / WEIGHT_STEPS
        steps = rows / given[:, None]
        assert np.abs(steps - np.rint(steps)).max() < 1e-4, name
        assert np.abs(steps).max() <= WEIGHT_STEPS + 1e-4, name
        # The export finds a grid again that all lie on, the same or one of whole steps of it.
        found = weight_grid(rows.astype(np.float32)).astype(np.float64)
        on_found = rows / found[:, None]
        assert np.abs(on_found - np.rint(on_found)).max() < 2e-3, name
        assert np.abs(on_found).max() <= WEIGHT_STEPS + 1e-4, name


@torch.no_grad()
def outputs(network: DeviceNet, batches: list[Inputs]) -> tuple[Tensor, Tensor]:
    """Steps of the encoder, and logits."""
    steps = torch.cat([network.encode(features) for features, *_ in batches])
    return steps, torch.cat([network(*inputs) for inputs in batches])


# Seen: 14 to 22 dB better in the encoder, 9 to 23 dB in the logits.
@pytest.mark.parametrize("seen", [True, False], ids=["same windows", "others"])
@pytest.mark.parametrize(("variant", "fusion"), CASES)
def test_outputs_stay_nearer_than_by_rounding_to_the_nearest(variant, fusion, seen):
    device, rounded, inputs = networks(variant, fusion)
    batches = inputs if seen else draw_inputs(device.config, seed=7)
    wanted, nearest, found = (
        outputs(network, batches) for network in (device, to_the_nearest(device), rounded)
    )
    gains = [snr_db(w, f) - snr_db(w, n) for w, n, f in zip(wanted, nearest, found, strict=True)]
    assert gains[0] > 10.0
    assert gains[1] > 5.0
    assert snr_db(wanted[1], found[1]) > 40.0


def test_what_a_layer_adds_has_no_mean_and_less_power():
    device, rounded, inputs = networks("edge", "gated")
    nearest = layers(to_the_nearest(device))
    for name, values in layer_inputs(rounded, inputs).items():
        with torch.no_grad():
            wanted = layers(device)[name](values)
            added = layers(rounded)[name](values) - wanted
            plainly = nearest[name](values) - wanted
        every = (0, 2, 3) if added.dim() == 4 else (0,)
        size = float(added.square().mean().sqrt())
        assert size <= float(plainly.square().mean().sqrt()), name
        if layers(rounded)[name].bias is not None:
            assert float(added.mean(dim=every).abs().max()) <= 0.1 * size, name


def test_a_layer_without_bias_does_well_too():
    device, rounded, inputs = networks("edge", "gated")
    without = [name for name, layer in layers(rounded).items() if layer.bias is None]
    assert without == ["gru.state_gates", "fusion.city"]
    states = layer_inputs(rounded, inputs)["gru.state_gates"]
    with torch.no_grad():
        wanted = device.gru.state_gates(states)
        found = rounded.gru.state_gates(states)
        plainly = to_the_nearest(device).gru.state_gates(states)
    assert snr_db(wanted, found) > snr_db(wanted, plainly) + 10.0  # seen: 21


def test_nothing_but_weights_and_biases_changes():
    device, rounded, _ = networks("edge", "gated")
    taps = {n for n, m in device.named_modules() if isinstance(m, Tap)}
    before, after = device.state_dict(), rounded.state_dict()
    changed = {name for name in before if not before[name].equal(after[name])}
    assert {name.rsplit(".", 1)[0] for name in changed}.isdisjoint(taps)
    # An average of 5 x 2 equal weights lies on its grid already.
    assert "blocks.0.pool.weight" not in changed
    assert not any(layer._forward_pre_hooks for layer in layers(rounded).values())


def test_the_same_seed_gives_the_same_weights():
    device, rounded, inputs = networks("edge", "none")
    again = copy.deepcopy(device)
    round_weights(again, inputs)
    assert all(
        value.equal(again.state_dict()[name]) for name, value in rounded.state_dict().items()
    )


@pytest.mark.parametrize("most", [1, 500_000])
def test_little_memory_is_enough(monkeypatch, most):
    """A cell of `paper` is a whole window: all vectors of 512 would take gigabytes."""
    device, _, inputs = networks("paper", "none")
    rounded, unfolded, unfold = copy.deepcopy(device), [], torch.nn.functional.unfold

    def spy(x, *args, **kwargs):
        unfolded.append(unfold(x, *args, **kwargs))
        return unfolded[-1]

    monkeypatch.setattr(weight_rounding, "MAX_NUMBERS", most)
    monkeypatch.setattr(torch.nn.functional, "unfold", spy)
    round_weights(rounded, inputs)
    # One cell is the least; that of a depthwise convolution has 9 x 32 x 50 x 32 numbers.
    assert max(patches.numel() for patches in unfolded) <= max(most, 460_800)
    wanted, nearest, found = (
        outputs(network, inputs)[0] for network in (device, to_the_nearest(device), rounded)
    )
    assert snr_db(wanted, found) > snr_db(wanted, nearest) + 5.0


def test_channels_that_say_nothing_are_no_trouble():
    """Inputs that are always 0 have no second moment to divide by, a row of zeros no step."""
    config = make_config("edge", "none")
    inputs = draw_inputs(config)
    network = make_network(config, inputs)
    with torch.no_grad():
        network.blocks[0].body[1].bias[:5] = -100.0  # type: ignore[index,union-attr]
        network.head.weight[2] = 0.0
        network.blocks[1].body[0].weight[3] = 0.0  # type: ignore[index,union-attr]
    device = fold(network, inputs, FEATURE_RANGE, all_seen)
    with torch.no_grad():
        wanted = torch.cat([device(*b) for b in inputs])
        round_weights(device, inputs)
        found = torch.cat([device(*b) for b in inputs])
    assert snr_db(wanted, found) > 40.0
