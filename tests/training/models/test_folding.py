"""Folding changes nothing but what it is asked to cut off, and ranges are what they say."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import Tensor

from edge_asc.training.models import DeviceNet
from edge_asc.training.models.config import NetworkConfig
from edge_asc.training.models.device_layers import Tap, quantization
from edge_asc.training.models.device_net import BOUND
from edge_asc.training.models.folding import (
    MAX_VALUES,
    SIGMOID_REACH,
    TANH_REACH,
    Inputs,
    Span,
    all_but,
    all_seen,
    calibrate,
    fold,
    least_error,
)
from edge_asc.training.models.mobile_asc_net import MobileASCNet
from tests.training.models.trained_looking import (
    FEATURE_RANGE,
    draw_inputs,
    make_config,
    make_network,
)

EDGE = make_config("edge", "gated")


def make(config: NetworkConfig = EDGE) -> tuple[MobileASCNet, list[Inputs]]:
    inputs = draw_inputs(config)
    return make_network(config, inputs), inputs


def logits(network: torch.nn.Module, batches: list[Inputs]) -> Tensor:
    with torch.no_grad():
        return torch.cat([network(*inputs) for inputs in batches])


def passed_by_tap(network: DeviceNet, batches: list[Inputs]) -> dict[str, Tensor]:
    """All that passes each tap, flat, or in the encoder (channels, values)."""
    passed: dict[str, list[Tensor]] = {}
    for name, tap in network.named_modules():
        if isinstance(tap, Tap):
            tap.register_forward_hook(
                lambda _, __, out, name=name: passed.setdefault(name, []).append(
                    out.transpose(0, 1).flatten(1) if out.dim() == 4 else out.flatten()
                )
            )
    logits(network, batches)
    return {
        name.replace("taps.", ""): torch.cat(parts, dim=parts[0].dim() - 1)
        for name, parts in passed.items()
    }


@pytest.mark.parametrize(
    ("span", "form"), [(None, "folded"), (all_seen, "bounded")], ids=["unbounded", "all seen"]
)
@pytest.mark.parametrize("fusion", ["none", "early", "gated"])
@pytest.mark.parametrize("variant", ["edge", "paper"])
def test_a_folded_network_computes_the_same(variant, fusion, span, form):
    network, inputs = make(make_config(variant, fusion))
    device = fold(network, inputs, FEATURE_RANGE, span)
    assert device.config == replace(network.config, form=form)
    wanted = logits(network, inputs)  # 0.07 to 0.5 at most
    assert float((logits(device, inputs) - wanted).abs().max()) < 1e-5


def test_without_a_span_it_is_the_same_function_on_any_window():
    network, inputs = make()
    device = fold(network, inputs[:1], FEATURE_RANGE, None)
    features, city, time = draw_inputs(EDGE, batches=1, seed=9)[0]
    other: list[Inputs] = [(10.0 * features, city, time)]
    torch.testing.assert_close(logits(device, other), logits(network, other), rtol=0.0, atol=1e-5)


def test_folding_leaves_the_network_alone():
    network, inputs = make()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    fold(network, inputs, FEATURE_RANGE, all_but(1e-2))
    assert all(value.equal(before[name]) for name, value in network.state_dict().items())


def test_the_share_that_was_asked_for_is_cut_off():
    network, inputs = make()
    device = fold(network, inputs, FEATURE_RANGE, all_but(1e-2))
    passed = passed_by_tap(device, inputs)
    encoder = {name: values for name, values in passed.items() if name.startswith("blocks.")}
    assert len(encoder) == 12
    for values in encoder.values():
        assert float(values.min()) >= 0.0
        assert float(values.max()) <= BOUND

    def at_the_top(name: str) -> Tensor:
        return (passed[name] > BOUND - 1e-5).float().mean(dim=1)

    def at_the_bottom(name: str) -> Tensor:
        return (passed[name] < 1e-5).float().mean(dim=1)

    # What comes straight from the features: 154 of 15,360 values, but for rounding errors.
    exact = pytest.approx(0.01, abs=2 / 15_360)
    assert at_the_top("blocks.0.expand").tolist() == [exact] * 32
    assert at_the_top("blocks.0.pool").tolist() == [exact]
    assert at_the_bottom("blocks.0.pool").tolist() == [exact]
    # The others see what those let pass, which reaches less far.
    for share in (at_the_top("blocks.0.depthwise"), at_the_bottom("blocks.0.depthwise")):
        assert float(share.max()) <= 154 / 15_360
        assert 0.007 < float(share.median()) < 0.01
    assert 0.005 < float(at_the_top("blocks.0.mix").median()) < 0.01


def test_tighter_ranges_change_more():
    network, inputs = make()
    wanted = logits(network, inputs)
    errors = [
        float((logits(fold(network, inputs, FEATURE_RANGE, span), inputs) - wanted).abs().max())
        for span in (all_seen, all_but(1e-3), all_but(1e-2), all_but(1e-1))
    ]
    assert errors == sorted(errors)
    assert errors[-1] > 100 * errors[0]


@pytest.mark.parametrize("level", [0.0, -1.3])
def test_windows_in_which_nothing_happens_give_a_network_that_computes(level):
    network, (inputs, *_) = make(make_config("edge", "none"))
    silent: list[Inputs] = [(torch.full_like(inputs[0], level),)]
    device = fold(network, silent, FEATURE_RANGE, all_but(1e-3))
    torch.testing.assert_close(logits(device, silent), logits(network, silent), rtol=0, atol=1e-4)
    other = logits(device, [inputs])
    assert bool(torch.isfinite(other).all())


def test_the_features_range_is_the_one_they_are_clipped_to():
    network, inputs = make()
    tap = fold(network, inputs, (-3.0, 2.5), all_but(0.1)).taps["features"]
    assert (float(tap.low), float(tap.high)) == (-3.0, 2.5)


@pytest.mark.parametrize("span", [None, all_seen, all_but(1e-2)], ids=["none", "all", "all but"])
def test_every_tap_has_the_range_of_what_passes_it(span: Span | None):
    network, inputs = make()
    device = fold(network, inputs, FEATURE_RANGE, span)
    passed = passed_by_tap(device, inputs)
    taps = {n.replace("taps.", ""): m for n, m in device.named_modules() if isinstance(m, Tap)}
    assert all(tap.is_set for tap in taps.values())
    shares = {}
    for name, values in passed.items():
        low, high = float(taps[name].low), float(taps[name].high)
        scale, _ = quantization(low, high)
        shares[name] = float(((values < low - scale) | (values > high + scale)).float().mean())
    if span is None or span is all_seen:
        assert set(shares.values()) == {0.0}
    else:
        assert max(shares.values()) <= 0.02
        assert shares["gru.input_gates"] > 0.005


def test_logits_are_never_cut_off():
    """They are few and decide."""
    network, inputs = make()
    device = fold(network, inputs, FEATURE_RANGE, all_but(0.1))
    seen, tap = logits(device, inputs), device.taps["logits"]
    assert (float(tap.low), float(tap.high)) == (float(seen.min()), float(seen.max()))


def test_what_a_gate_cannot_tell_gets_no_range():
    network, inputs = make()
    with torch.no_grad():
        network.gru.weight_ih_l0.mul_(1000.0)  # type: ignore[operator]
    device = fold(network, inputs, FEATURE_RANGE, all_seen)
    passed = passed_by_tap(device, inputs)
    ranges = {
        name: (float(tap.low), float(tap.high))
        for name, tap in device.gru.taps.named_children()
        if isinstance(tap, Tap)
    }

    def largest(name: str) -> float:
        return float(passed[name].abs().max())

    assert largest("gru.gates_in") > 20.0
    assert ranges["gates_in"] == (-SIGMOID_REACH, SIGMOID_REACH)
    assert ranges["candidate_in"] == (-TANH_REACH, TANH_REACH)
    # The state may still add to the input what it adds.
    assert ranges["input_gates"][1] == pytest.approx(SIGMOID_REACH + largest("gru.state_gates"))
    reach = TANH_REACH + largest("gru.state_candidate")
    assert ranges["input_candidate"] == pytest.approx((-reach, reach))
    # So no more is lost than one step of a gate's 256.
    wanted = logits(network, inputs)
    with torch.no_grad():
        for name in ("input_gates", "input_candidate"):
            tap = device.gru.taps[name]
            tap.register_forward_hook(
                lambda tap, _, out: out.clamp(float(tap.low), float(tap.high))
            )
    assert float((logits(device, inputs) - wanted).abs().max()) < 1 / 256


def test_calibrating_leaves_a_range_that_is_there():
    network, inputs = make()
    device = fold(network, inputs, FEATURE_RANGE, all_seen)
    before = {name: value.clone() for name, value in device.state_dict().items()}
    device.taps["logits"].set_range(0.0, 0.0)
    calibrate(device, inputs[:1], all_seen)
    changed = {n for n, value in device.state_dict().items() if not value.equal(before[n])}
    assert changed == {"taps.logits.low", "taps.logits.high"}
    assert float(device.taps["logits"].high) == float(logits(device, inputs[:1]).max())


def test_a_tensor_that_never_leaves_0_has_a_range_too():
    """In a window of one step no state comes back."""
    config = replace(make_config("edge", "none"), num_frames=25, cell_frames=None)
    network, inputs = make(config)
    assert network.config.num_steps == 1
    device = fold(network, inputs, FEATURE_RANGE, all_seen)
    assert device.gru.taps["state_gates"].is_set


def test_all_seen_overlooks_nothing():
    values = torch.zeros(2, MAX_VALUES + 1000)
    values[0, 7], values[1, -5] = 3.0, -2.0
    low, high = all_seen(values)
    assert low.tolist() == [0.0, -2.0]
    assert high.tolist() == [3.0, 0.0]


@pytest.mark.parametrize(("share", "cut"), [(0.0, 1), (1e-4, 1), (1e-2, 10), (0.1, 100)])
def test_all_but_leaves_out_as_many_at_either_end(share, cut):
    values = torch.randn(3, 1000, generator=torch.Generator().manual_seed(0))
    low, high = all_but(share)(values)
    in_order = np.sort(values.numpy(), axis=1)
    np.testing.assert_array_equal(low.numpy(), in_order[:, cut - 1])
    np.testing.assert_array_equal(high.numpy(), in_order[:, -cut])


def test_of_very_many_values_the_same_ones_are_drawn_each_time():
    values = torch.randn(1, 3 * MAX_VALUES, generator=torch.Generator().manual_seed(0))
    first, second = all_but(1e-2)(values), all_but(1e-2)(values)
    assert first == second
    # Quantiles of the normal distribution, of 200,000: 1 % ± three standard errors of 0.02 %.
    share = float((values > first[1]).float().mean())
    assert share == pytest.approx(0.01, abs=3 * (0.01 / MAX_VALUES) ** 0.5)


def mean_square_error(values: np.ndarray, low: float, high: float) -> float:
    """Of 256 steps from `low` to `high`, in double precision and as TFLite chooses them."""
    scale, zero_point = quantization(low, high)
    steps = np.clip(np.rint(values / scale) + zero_point, -128, 127)
    return float(np.square((steps - zero_point) * scale - values).mean())


def test_least_error_is_the_best_of_all_shares():
    random = np.random.default_rng(0)
    values = random.standard_normal(5000) * np.exp(random.standard_normal(5000))  # a long tail
    low, high = least_error(torch.from_numpy(values.astype(np.float32))[None])
    tried = {
        share: mean_square_error(values, share * values.min(), share * values.max())
        for share in np.linspace(0.3, 1.0, 36)
    }
    best = min(tried, key=tried.__getitem__)
    assert 0.3 < best < 1.0  # a tail that few values reach is worth cutting off
    assert float(low) == pytest.approx(best * values.min(), rel=1e-5)
    assert float(high) == pytest.approx(best * values.max(), rel=1e-5)
    assert tried[best] < tried[1.0]


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.floats(-100.0, 100.0, width=32), min_size=2, max_size=200),
    st.floats(0.5, 5.0),
)
def test_least_error_is_never_worse_than_the_full_range(values, power):
    even = np.array(values, np.float64)
    x = (np.sign(even) * np.abs(even / 100.0) ** power).astype(np.float32)  # crowded towards 0
    assume(np.abs(x).max() > 1e-3)
    low, high = (float(end) for end in least_error(torch.from_numpy(x)[None]))
    full = mean_square_error(x, float(x.min()), float(x.max()))
    assert mean_square_error(x, low, high) <= full * (1 + 1e-3) + 1e-12
