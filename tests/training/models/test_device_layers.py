"""A tap rounds as the interpreter does, and lets a gradient through where it does not clip."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import nn

from edge_asc.interpreter import TensorSpec
from edge_asc.training.models.device_layers import (
    SIGMOID_RANGE,
    STATE_RANGE,
    TANH_RANGE,
    Layers,
    Tap,
    Taps,
    quantization,
    range_of_share,
    set_rounding,
)

ends = st.floats(-1e3, 1e3, width=32)
steps_from_zero = st.lists(
    st.tuples(st.integers(-400, 400), st.floats(-0.499, 0.499)), min_size=1, max_size=50
)


def rounding_tap(low: float, high: float) -> Tap:
    tap = Tap(low, high)
    set_rounding(tap, True)
    return tap


def as_interpreter(low: float, high: float, values: np.ndarray) -> np.ndarray:
    """What comes back of `values` put into an int8 tensor of that range."""
    spec = TensorSpec("x", 0, values.shape, np.dtype(np.int8), *quantization(low, high))
    return spec.dequantize(spec.quantize(values))


@pytest.mark.parametrize(
    ("low", "high", "scale", "zero_point"),
    [
        (0.0, 6.0, 6 / 255, -128),
        (1.0, 6.0, 6 / 255, -128),  # 0 is always one of the values
        (-6.0, -1.0, 6 / 255, 127),
        (-1.0, 1.55, 2.55 / 255, -28),
        (*SIGMOID_RANGE, 1 / 256, -128),  # what TFLite's kernels demand
        (*TANH_RANGE, 1 / 128, 0),
        (*STATE_RANGE, (1 + 2**-17) / 128, 0),
        (*range_of_share(*STATE_RANGE), (1 - 2**-34) / 128, 0),
    ],
)
def test_scale_and_zero_point(low, high, scale, zero_point):
    found = quantization(low, high)
    assert found[0] == pytest.approx(scale, rel=1e-12)
    assert found[1] == zero_point


def halfway_distance(step: float, product_step: float) -> float:
    """How near to n + 1/2 a gate's product with an int8 tensor comes, of its own size."""
    numbers = np.arange(256)  # without its zero point, and without its sign
    products = np.unique(np.outer(numbers, numbers))[1:].astype(np.float64)
    gate_step, _ = quantization(*SIGMOID_RANGE)
    # As TFLite forms it.
    ratio = np.float32(gate_step) * np.float32(step) / np.float32(product_step)
    results = products * np.float64(ratio)
    return float((np.abs(results - np.floor(results) - 0.5) / results).min())


@given(ends, ends)
@settings(max_examples=50, deadline=None)
def test_a_share_is_never_halfway_between_two_steps(low, high):
    """XNNPACK multiplies in float32, which errs by 2**-24 of a number at most."""
    assume(max(high, 0.0) - min(low, 0.0) > 1e-6)
    (step, _), (share_step, _) = quantization(low, high), quantization(*range_of_share(low, high))
    assert halfway_distance(step, step) == 0.0
    assert halfway_distance(step, share_step) > 2.0**-18


def test_what_a_gate_makes_of_a_tanh_is_never_halfway():
    (step, _), (state_step, _) = quantization(*TANH_RANGE), quantization(*STATE_RANGE)
    assert halfway_distance(step, state_step) > 2.0**-18
    assert 128 / 256 * step < 0.5 * state_step  # a 256th of the lowest tanh is nothing


@pytest.mark.parametrize(
    ("low", "high"), [(0.0, 0.0), (float("nan"), 1.0), (0.0, float("nan")), (0.0, float("inf"))]
)
def test_what_spans_nothing_has_no_scale(low, high):
    with pytest.raises(ValueError, match=rf"no int8 scale spans .* to {high}: calibrate the netwo"):
        quantization(low, high)


def test_a_tap_without_range_passes_on_but_does_not_round():
    tap, x = Tap(), torch.randn(5, generator=torch.Generator().manual_seed(0))
    assert tap(x) is x
    set_rounding(tap, True)
    with pytest.raises(ValueError, match=r"0\.0 to 0\.0: calibrate the network first"):
        tap(x)


def test_a_range_of_one_value_and_0_is_a_range():
    tap = rounding_tap(0.0, 0.0)
    tap.set_range(0.5, 0.5)
    assert tap.is_set
    assert tap(torch.tensor([0.1, 0.5, 0.7])).tolist() == pytest.approx([0.1, 0.5, 0.5], abs=1e-3)


@settings(max_examples=300, deadline=None)
@given(ends, ends, steps_from_zero)
def test_a_tap_rounds_bit_for_bit_as_the_interpreter(low, high, offsets):
    low, high = sorted((low, high))
    assume(max(high, 0.0) - min(low, 0.0) > 1e-6)
    scale, _ = quantization(low, high)
    # Within half a step of a value, not in the middle, where rounding goes one way or the other.
    values = np.array([(steps + part) * scale for steps, part in offsets], np.float32)
    rounded = rounding_tap(low, high)(torch.from_numpy(values)).numpy()
    np.testing.assert_array_equal(rounded, as_interpreter(low, high, values))


@settings(max_examples=300, deadline=None)
@given(ends, ends, st.lists(st.floats(-1e6, 1e6, width=32), min_size=1, max_size=50))
def test_in_the_middle_between_two_values_it_goes_to_one_of_them(low, high, values):
    low, high = sorted((low, high))
    assume(max(high, 0.0) - min(low, 0.0) > 1e-6)
    scale, _ = quantization(low, high)
    x = np.array(values, np.float32)
    rounded = rounding_tap(low, high)(torch.from_numpy(x)).numpy()
    wanted = as_interpreter(low, high, x)
    assert np.abs(rounded - wanted).max() <= scale * 1.001
    far = np.abs(x) > 2 * max(abs(low), abs(high))
    np.testing.assert_array_equal(rounded[far], wanted[far])


def test_the_gradient_passes_inside_the_range_alone():
    x = torch.tensor([-1.5, -0.9, 0.0, 0.3, 1.9, 2.2], requires_grad=True)
    rounding_tap(-1.0, 2.0)(x).square().sum().backward()
    assert x.grad is not None
    values = as_interpreter(-1.0, 2.0, x.detach().numpy())
    inside = np.array([0, 1, 1, 1, 1, 0])
    np.testing.assert_allclose(x.grad.numpy(), 2 * values * inside, rtol=1e-6)


def test_a_range_travels_with_the_weights():
    tap, other = Tap(-0.25, 1.5), Tap()
    other.load_state_dict(tap.state_dict())
    assert (float(other.low), float(other.high)) == (-0.25, 1.5)


def test_taps_and_layers_go_by_name():
    taps = Taps(first=(0.0, 6.0), second=None)
    assert [taps["first"].is_set, taps["second"].is_set] == [True, False]
    layers = Layers(gate=(3, 2))
    assert "gate" in layers
    assert "take_gate" not in layers
    assert layers["gate"](torch.zeros(1, 3)).shape == (1, 2)


def test_rounding_is_set_in_all_of_a_network():
    network = nn.Sequential(Taps(first=(0.0, 6.0), second=(0.0, 1.0)), Tap(0.0, 1.0))
    taps = [module for module in network.modules() if isinstance(module, Tap)]
    set_rounding(network, True)
    assert [tap.rounds for tap in taps] == [True] * 3
    set_rounding(network, False)
    assert [tap.rounds for tap in taps] == [False] * 3
