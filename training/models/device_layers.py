"""What int8 does to a tensor, as a layer that PyTorch can run and train through."""

from __future__ import annotations

import torch
from torch import Tensor, nn

SIGMOID_RANGE = (0.0, 255 / 256)
TANH_RANGE = (-1.0, 127 / 128)
"""What TFLite's int8 kernels give: steps of 1/256 and of 1/128."""

_OFF_TIES = 2.0**-17
"""Relative: seen by float32, and too little to reach the next product of two 8-bit numbers."""

STATE_RANGE = (TANH_RANGE[0] * (1 + _OFF_TIES), TANH_RANGE[1] * (1 + _OFF_TIES))
"""A tanh times a gate, rounded as by `range_of_share` but towards 0: where a gate says 1/256,
nothing of any tanh is left, so that it can leave a state as it is."""

_STEPS = 255


def range_of_share(low: float, high: float) -> tuple[float, float]:
    """The range of a gate, in steps of 1/256, times a value within `low` to `high`.

    With the steps of the value the product would often lie halfway between two of them, where
    XNNPACK rounds up on ARM and to the even one on x86. A little finer, all of these are rounded
    away from 0 everywhere.
    """
    return low * (1 - _OFF_TIES), high * (1 - _OFF_TIES)


def quantization(low: float, high: float) -> tuple[float, int]:
    """Scale and zero point by which int8 spans `low` to `high` and 0, which is one of its values.

    Raises:
        ValueError: the range is empty or not finite.
    """
    low, high = min(low, 0.0), max(high, 0.0)
    scale = (high - low) / _STEPS
    if not 0.0 < scale < float("inf"):
        raise ValueError(f"no int8 scale spans {low} to {high}: calibrate the network first")
    return scale, round(-128 - low / scale)


class Tap(nn.Module):
    """A tensor that int8 keeps in 256 steps: passes it on, or rounds it as the interpreter will."""

    def __init__(self, low: float = 0.0, high: float = 0.0) -> None:
        super().__init__()
        self.low: Tensor
        self.high: Tensor
        self.register_buffer("low", torch.tensor(low))
        self.register_buffer("high", torch.tensor(high))
        self.rounds = False

    @property
    def is_set(self) -> bool:
        """Whether there is a range."""
        return float(self.low) != 0.0 or float(self.high) != 0.0

    def set_range(self, low: float, high: float) -> None:
        """Round to 256 steps from `low` to `high`; 0 becomes one of them."""
        self.low.fill_(low)
        self.high.fill_(high)

    def forward(self, x: Tensor) -> Tensor:
        """Return `x`, rounded and clipped to its range where `rounds` is set.

        The gradient passes where `x` lies within the range. Raises ValueError where there is none.
        """
        if not self.rounds:
            return x
        scale, zero_point = quantization(float(self.low), float(self.high))
        rounded: Tensor = torch.fake_quantize_per_tensor_affine(x, scale, zero_point, -128, 127)
        return rounded


class Taps(nn.Module):
    """Taps by name; `taps["features"](x)` passes `x`."""

    def __init__(self, **ranges: tuple[float, float] | None) -> None:
        super().__init__()
        for name, limits in ranges.items():
            self.add_module(name, Tap(*(limits or (0.0, 0.0))))

    def __getitem__(self, name: str) -> Tap:
        tap = self.get_submodule(name)
        assert isinstance(tap, Tap)
        return tap


class Layers(nn.Module):
    """Linear layers by name."""

    def __init__(self, **sizes: tuple[int, int]) -> None:
        super().__init__()
        for name, (in_size, out_size) in sizes.items():
            self.add_module(name, nn.Linear(in_size, out_size))

    def __contains__(self, name: str) -> bool:
        return name in self._modules

    def __getitem__(self, name: str) -> nn.Linear:
        layer = self.get_submodule(name)
        assert isinstance(layer, nn.Linear)
        return layer


def set_rounding(network: nn.Module, on: bool) -> None:
    """Make every `Tap` in `network` round, or pass its tensor on."""
    for module in network.modules():
        if isinstance(module, Tap):
            module.rounds = on
