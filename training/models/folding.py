"""MobileASCNet -> DeviceNet: fold the norms, scale every channel to its range, calibrate the rest.

What a channel reaches on real windows decides its range, but for a small share at either end: what
lies beyond is cut off, in float too, so that float and int8 still compute the same. Tight ranges
resolve finely and cut off more; docs/quantization.md has the figures.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from edge_asc.training.models.config import Form
from edge_asc.training.models.device_layers import Tap, range_of_share
from edge_asc.training.models.device_net import BOUND, DeviceBlock, DeviceGRU, DeviceNet
from edge_asc.training.models.fusion import EarlyFusion, GatedFusion
from edge_asc.training.models.mobile_asc_net import GRU_SIZE, MobileASCNet, ResidualBlock

Inputs = tuple[Tensor, ...]
"""Features (B, 1, T, M) and, for a network with context, city (B, C) and time (B, 8)."""

Span = Callable[[Tensor], tuple[Tensor, Tensor]]
"""Maps values, shape (channels, count), to the lowest and the highest to keep of each channel."""

SIGMOID_REACH = 8.0
TANH_REACH = 4.0
"""Beyond it the functions are within 1/256 of their limits, which is what int8 can tell."""

MIN_SPAN_SHARE = 1e-3
"""A channel that hardly says anything is given this share of the widest one's range."""

SHRINK_GRID = (0.3, 1.0, 36)
"""Shares of the full range that `least_error` tries: from, to, how many."""

MIN_WIDTH = 1e-6
"""The range of every channel where none says anything, and of a tensor that never leaves 0."""

MAX_VALUES = 200_000
"""Values of a channel by which `all_but` and `least_error` choose; of more, as many are drawn."""


def all_seen(values: Tensor) -> tuple[Tensor, Tensor]:
    """The span of everything."""
    return values.amin(dim=1), values.amax(dim=1)


def all_but(share: float) -> Span:
    """The span of all but this share at either end."""

    def span(values: Tensor) -> tuple[Tensor, Tensor]:
        values = _some(values)
        cut = max(1, round(values.shape[1] * share))
        low = values.kthvalue(cut, dim=1).values
        return low, values.kthvalue(values.shape[1] - cut + 1, dim=1).values

    return span


def least_error(values: Tensor) -> tuple[Tensor, Tensor]:
    """The part of the full span that 256 steps render with the least mean square error."""
    values = _some(values)
    low, high = all_seen(values)
    low, high = low.clamp(max=0.0), high.clamp(min=0.0)
    best, share = torch.full_like(low, torch.inf), torch.ones_like(low)
    for factor in torch.linspace(*SHRINK_GRID):
        scale = ((high - low) * factor / 255).clamp_min(1e-12)[:, None]
        bottom = torch.round(low[:, None] * factor / scale)
        steps = torch.maximum(torch.round(values / scale), bottom).minimum(bottom + 255)
        error = (scale * steps - values).square().mean(dim=1)
        share = torch.where(error < best, factor, share)
        best = torch.minimum(error, best)
    return low * share, high * share


@torch.no_grad()
def fold(
    network: MobileASCNet,
    batches: list[Inputs],
    feature_range: tuple[float, float],
    span: Span | None,
) -> DeviceNet:
    """Return `network` as a DeviceNet in evaluation mode, its ranges chosen by `span` on `batches`.

    `feature_range` is what standardised features are clipped to. Without `span` nothing is bounded
    and nothing scaled: the same function as `network`, for float; its ranges are all that was seen.
    """
    form: Form = "folded" if span is None else "bounded"
    device = DeviceNet(replace(network.config, form=form)).eval()
    config = network.config
    cells = torch.cat(
        [
            features.reshape(-1, 1, config.frames_per_cell, config.num_mels)
            for features, *_ in batches
        ]
    )
    scale = torch.ones(1)
    for source, target in zip(network.blocks, device.blocks, strict=True):
        assert isinstance(source, ResidualBlock)
        assert isinstance(target, DeviceBlock)
        cells, scale = _fold_block(source, target, cells, scale, span)
    _fold_gru(network, device, scale)
    if config.uses_context:
        _fold_fusion(network, device)
    else:
        _fill(device.head, network.head.weight, network.head.bias)
    device.taps["features"].set_range(*feature_range)
    calibrate(device, batches, span or all_seen)
    return device


def _fill(layer: nn.Conv2d | nn.Linear, weight: Tensor, bias: Tensor | None) -> None:
    layer.weight.copy_(weight)
    if bias is not None:
        assert layer.bias is not None
        layer.bias.copy_(bias)


def _convolution(module: nn.Module) -> nn.Conv2d:
    assert isinstance(module, nn.Conv2d)
    return module


def _without_norm(convolution: nn.Module, norm: nn.Module) -> tuple[Tensor, Tensor]:
    assert isinstance(norm, nn.BatchNorm2d)
    assert norm.running_var is not None
    assert norm.running_mean is not None
    gain = norm.weight / torch.sqrt(norm.running_var + norm.eps)
    weight = _convolution(convolution).weight
    return weight * _column(gain), norm.bias - norm.running_mean * gain


def _fold_block(
    source: ResidualBlock, target: DeviceBlock, x: Tensor, x_scale: Tensor, span: Span | None
) -> tuple[Tensor, Tensor]:
    """Fill `target`; `x` holds true values, which are `x_scale` times those of the device.

    Returns the same of the block's output.
    """
    first, first_norm, _, depthwise, last, last_norm = source.body
    pool, short, short_norm = source.shortcut
    weight, bias = _without_norm(first, first_norm)
    expand = target.expand
    inner = torch.relu(F.conv2d(x, weight, bias, expand.stride, expand.padding))
    _, inner_scale = _channel_scale(inner, span, from_zero=True)
    scaled = weight * x_scale[None, :, None, None] / _column(inner_scale)
    _fill(expand, scaled, bias / inner_scale)

    weight = _convolution(depthwise).weight
    filtered = F.conv2d(inner, weight, None, 1, 1, groups=len(weight))
    low, filtered_scale = _channel_scale(filtered, span, from_zero=False)
    scaled = weight * _column(inner_scale / filtered_scale)
    _fill(target.depthwise, scaled, -low / filtered_scale)

    # A pooled shortcut averages; the other kind skips all but the first of each stride.
    past = pool(x)
    if isinstance(pool, nn.Identity):
        frames, mels = _convolution(short).stride
        past = past[:, :, ::frames, ::mels]
    past_low, past_scale = torch.zeros_like(x_scale), x_scale
    if isinstance(target.pool, nn.Conv2d):
        past_low, past_scale = _channel_scale(past, span, from_zero=False)
        share = torch.ones_like(target.pool.weight) / target.pool.weight.numel()
        _fill(target.pool, share * x_scale / past_scale, -past_low / past_scale)

    last_weight, last_bias = _without_norm(last, last_norm)
    short_weight, short_bias = _without_norm(short, short_norm)
    both, both_bias = torch.cat((last_weight, short_weight), dim=1), last_bias + short_bias
    out = torch.relu(F.conv2d(torch.cat((filtered, past), dim=1), both, both_bias))
    _, out_scale = _channel_scale(out, span, from_zero=True)
    in_scale = torch.cat((filtered_scale, past_scale))
    lowest = both[:, :, 0, 0] @ torch.cat((low, past_low))
    scaled = both * in_scale[None, :, None, None] / _column(out_scale)
    _fill(target.mix, scaled, (both_bias + lowest) / out_scale)
    return out, out_scale


def _column(values: Tensor) -> Tensor:
    return values[:, None, None, None]


def _channel_scale(x: Tensor, span: Span | None, *, from_zero: bool) -> tuple[Tensor, Tensor]:
    """Lowest kept value of each channel of `x`, (N, C, T, M), and its range over `BOUND`."""
    if span is None:
        return torch.zeros(x.shape[1]), torch.ones(x.shape[1])
    low, high = span(x.transpose(0, 1).flatten(1))
    if from_zero:
        low = torch.zeros_like(low)
    width = high - low
    least = max(MIN_SPAN_SHARE * float(width.max()), MIN_WIDTH)
    return low, width.clamp_min(least) / BOUND


def _some(values: Tensor) -> Tensor:
    """At most `MAX_VALUES` of each row, the same ones each time."""
    if values.shape[1] <= MAX_VALUES:
        return values
    generator = torch.Generator().manual_seed(0)
    return values[:, torch.randperm(values.shape[1], generator=generator)[:MAX_VALUES]]


def _fold_gru(network: MobileASCNet, device: DeviceNet, steps_scale: Tensor) -> None:
    source, target, gates = network.gru, device.gru, 2 * GRU_SIZE
    from_input, from_state, input_bias, state_bias = (
        getattr(source, name).detach()
        for name in ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0")
    )
    repeats = source.input_size // len(steps_scale)
    from_input = from_input * steps_scale.repeat(repeats)  # mel outside, channel inside
    _fill(target.input_gates, from_input[:gates], input_bias[:gates] + state_bias[:gates])
    _fill(target.input_candidate, from_input[gates:], input_bias[gates:])
    _fill(target.state_gates, from_state[:gates], None)
    _fill(target.state_candidate, from_state[gates:], state_bias[gates:])


def _fold_fusion(network: MobileASCNet, device: DeviceNet) -> None:
    """Scale the embeddings of city and time to [-1, 1], where the sound's state is already."""
    target, fusion = device.fusion, network.fusion
    table, layer = network.context.city_table, network.context.time_layer
    city_scale = table.abs().max()
    # |sin| and |cos| are at most 1, and so is the code for an unknown time.
    time_scale = (layer.weight.abs().sum(dim=1) + layer.bias).max().clamp_min(1e-6)
    _fill(target.city, table.T / city_scale, None)
    _fill(target.time, layer.weight / time_scale, layer.bias / time_scale)
    size = table.shape[1]
    scale = torch.cat((torch.ones(GRU_SIZE), city_scale.expand(size), time_scale.expand(size)))
    head, layers = network.head, target.layers
    if isinstance(fusion, EarlyFusion):
        first, _, second, _ = fusion.layers
        assert isinstance(first, nn.Linear)
        assert isinstance(second, nn.Linear)
        _fill(layers["first"], first.weight * scale, first.bias)
        _fill(layers["second"], second.weight, second.bias)
        _fill(device.head, head.weight, head.bias)
        return
    if isinstance(fusion, GatedFusion):
        _fill(layers["gate"], fusion.drop_gate.weight * scale, fusion.drop_gate.bias)
        _fill(layers["take_gate"], fusion.take_gate.weight * scale, fusion.take_gate.bias)
    else:
        _fill(layers["gate"], fusion.gate.weight * scale, fusion.gate.bias)
    # What the gates mix is scaled as what was joined; the head undoes it.
    candidate = fusion.candidate
    _fill(
        layers["candidate"],
        candidate.weight * scale / scale[:, None],
        candidate.bias / scale,
    )
    _fill(device.head, head.weight * scale, head.bias)


@contextmanager
def _recorded(network: DeviceNet) -> Iterator[dict[str, list[Tensor]]]:
    """Collect what passes each tap of `network` without a range, by the tap's name."""
    values: dict[str, list[Tensor]] = {}
    hooks = []
    for name, module in network.named_modules():
        if isinstance(module, Tap) and not module.is_set:

            def keep(_: nn.Module, __: object, out: Tensor, name: str = name) -> None:
                values.setdefault(name, []).append(out.detach())

            hooks.append(module.register_forward_hook(keep))
    try:
        yield values
    finally:
        for hook in hooks:
            hook.remove()


@torch.no_grad()
def calibrate(network: DeviceNet, batches: list[Inputs], span: Span) -> None:
    """Set the range of every tap that has none by construction."""
    with _recorded(network) as values:
        for inputs in batches:
            network(*inputs)
    unset = {n: m for n, m in network.named_modules() if isinstance(m, Tap) and not m.is_set}
    for name, tap in unset.items():
        passed = torch.cat([part.flatten() for part in values[name]])[None]
        # Logits are few and decide: none is cut off.
        low, high = (all_seen if name == "taps.logits" else span)(passed)
        reach = _reach(name, values)
        tap.set_range(max(float(low), -reach), min(float(high), reach))
        if not tap.is_set:  # it never left 0
            tap.set_range(0.0, MIN_WIDTH)
    _span_any_state(network.gru)


def _span_any_state(gru: DeviceGRU) -> None:
    """Give what the state adds to a step the range that no state can leave.

    A few steps on real windows do not show how far a long stream takes it.
    """
    candidate = _range_of_any_state(gru.state_candidate)
    gru.taps["state_gates"].set_range(*_range_of_any_state(gru.state_gates))
    gru.taps["state_candidate"].set_range(*candidate)
    gru.taps["reset"].set_range(*range_of_share(*candidate))


def _range_of_any_state(layer: nn.Linear) -> tuple[float, float]:
    """Lowest and highest output of `layer` for states within [-1, 1]."""
    most = layer.weight.abs().sum(dim=1)
    middle = torch.zeros_like(most) if layer.bias is None else layer.bias
    return float((middle - most).min()), float((middle + most).max())


def _reach(name: str, values: dict[str, list[Tensor]]) -> float:
    """How far from 0 the tensor at tap `name` matters, given what is still added to it."""

    def largest(tap: str) -> float:
        return max(float(part.abs().max()) for part in values[f"gru.taps.{tap}"])

    kind = name.rsplit(".", 1)[-1]
    if kind == "input_gates":
        return SIGMOID_REACH + largest("state_gates")
    if kind == "input_candidate":
        return TANH_REACH + largest("state_candidate")
    if kind == "candidate_in":
        return TANH_REACH
    return SIGMOID_REACH if kind in ("gates_in", "gate_in", "take_gate_in") else float("inf")
