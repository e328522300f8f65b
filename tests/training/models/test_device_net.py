"""DeviceNet: the same sizes and rules as MobileASCNet, and what rounding its tensors does."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from edge_asc.training.models import DeviceNet, build, count_parameters
from edge_asc.training.models.device_layers import Tap, set_rounding
from edge_asc.training.models.device_net import BOUND, MAX_CONCATENATED, DeviceGRU
from edge_asc.training.models.folding import all_seen, fold
from tests.training.models.trained_looking import (
    FEATURE_RANGE,
    draw_inputs,
    make_config,
    make_network,
)

EDGE = make_config("edge", "gated")


def make_device(config=EDGE) -> DeviceNet:
    inputs = draw_inputs(config)
    return fold(make_network(config, inputs), inputs, FEATURE_RANGE, all_seen)


def named_taps(network: DeviceNet) -> dict[str, Tap]:
    return {name: tap for name, tap in network.named_modules() if isinstance(tap, Tap)}


def test_build_makes_it_of_a_config_with_that_form():
    network = build(replace(EDGE, form="bounded"))
    assert isinstance(network, DeviceNet)
    assert network.config.form == "bounded"


# By hand, for 5 cities and 4 scenes. The convolutions are those of test_mobile_asc_net.py: a mix
# has the columns of both 1x1 convolutions that it joins. Expand, depthwise and mix add a bias; the
# features' pool is one kernel with a bias, 5 x 2 + 1 (edge) or 1 + 1 (paper).
EDGE_BLOCKS = 1_824 + 37_440 + 99_456 + 3 * (32 + 64 + 128) + 11
PAPER_BLOCKS = 1_632 + 25_152 + 99_456 + 3 * (32 + 64 + 128) + 2
GRU = 192 * (1_024 + 64) + 192 + 64  # one bias a gate, two for the candidate
CONTEXT = 5 * 16 + 9 * 16
EARLY = 97 * 128 + 129 * 128 + 129 * 4  # with the layer of the scenes


@pytest.mark.parametrize(
    ("variant", "fusion", "expected"),
    [
        ("edge", "gated", EDGE_BLOCKS + GRU + CONTEXT + 2 * 97 * 96 + 97 * 4),
        ("edge", "early", EDGE_BLOCKS + GRU + CONTEXT + EARLY),
        ("edge", "none", EDGE_BLOCKS + GRU + 65 * 4),
        ("paper", "gated", PAPER_BLOCKS + GRU + CONTEXT + 3 * 97 * 96 + 97 * 4),
    ],
)
def test_parameter_count(variant, fusion, expected):
    config = replace(make_config(variant, fusion), form="bounded")
    assert count_parameters(DeviceNet(config)) == expected


@pytest.mark.parametrize("fusion", ["none", "early", "gated"])
@pytest.mark.parametrize("variant", ["edge", "paper"])
def test_logits_and_steps_have_their_shapes(variant, fusion):
    config = replace(make_config(variant, fusion), form="folded")
    network, (inputs,) = DeviceNet(config).eval(), draw_inputs(config, batches=1)
    with torch.no_grad():
        assert network(*inputs).shape == (8, 4)
        assert network.encode(inputs[0]).shape == (8, config.num_steps, 1024)


@pytest.mark.parametrize("rounds", [False, True])
def test_cell_by_cell_equals_the_whole_window(rounds):
    network, ((features, city, time),) = make_device(), draw_inputs(EDGE, batches=1, seed=2)
    set_rounding(network, rounds)
    with torch.no_grad():
        whole = network(features, city, time)
        cells = [network.encode_cells(cell) for cell in features.split(50, dim=2)]
        streamed = network.classify(torch.cat(cells, dim=1), city, time)
    torch.testing.assert_close(streamed, whole, rtol=0.0, atol=1e-5)


def test_the_gru_written_out_is_pytorchs():
    torch.manual_seed(0)
    theirs, ours = torch.nn.GRU(12, 7, batch_first=True), DeviceGRU(12, 7)
    from_input, from_state, input_bias, state_bias = (p.detach() for p in theirs.parameters())
    ours.load_state_dict(
        ours.state_dict()
        | {
            "input_gates.weight": from_input[:14],
            "input_gates.bias": (input_bias + state_bias)[:14],
            "input_candidate.weight": from_input[14:],
            "input_candidate.bias": input_bias[14:],
            "state_gates.weight": from_state[:14],
            "state_candidate.weight": from_state[14:],
            "state_candidate.bias": state_bias[14:],
        }
    )
    steps = 3.0 * torch.randn(3, 25, 12)
    with torch.no_grad():
        states = torch.stack(ours(steps), dim=1)
        torch.testing.assert_close(states, theirs(steps)[0], rtol=0.0, atol=1e-6)


def test_no_more_states_are_joined_at_once_than_tflite_micro_can(monkeypatch):
    config = replace(make_config("paper", "none", num_frames=500), form="folded")
    counts, cat = [], torch.cat

    def count(tensors, dim=0):
        counts.append(len(tensors))
        return cat(tensors, dim)

    monkeypatch.setattr(torch, "cat", count)
    with torch.no_grad():
        DeviceNet(config).eval()(torch.zeros(1, 1, 500, 64))
    assert counts == [2] * 3 + [9] * 7 + [7]  # blocks, then 63 steps in two rounds of equal groups
    assert max(counts) <= MAX_CONCATENATED


def test_taps_have_the_names_of_what_they_round():
    assert [name.replace("taps.", "") for name in named_taps(make_device())] == [
        *("features", "city", "time", "sound", "logits"),
        *(
            f"blocks.{i}.{name}"
            for i in range(3)
            for name in ("expand", "depthwise", "pool", "mix")
        ),
        *("gru.input_gates", "gru.input_candidate", "gru.state_gates", "gru.state_candidate"),
        *("gru.gates_in", "gru.reset", "gru.candidate_in", "gru.gates", "gru.share"),
        *("gru.candidate", "gru.new", "gru.kept", "gru.state"),
        *("fusion.city", "fusion.time", "fusion.gate", "fusion.share", "fusion.gate_in"),
        *("fusion.candidate", "fusion.old", "fusion.new", "fusion.sum"),
    ]


def test_what_needs_no_calibration_has_its_range_from_the_start():
    unset = [n for n, tap in named_taps(DeviceNet(replace(EDGE, form="bounded"))).items()
             if not tap.is_set]  # fmt: skip
    assert {name.replace("taps.", "") for name in unset} == {
        *("features", "logits"),
        *("gru.input_gates", "gru.input_candidate", "gru.state_gates", "gru.state_candidate"),
        *("gru.gates_in", "gru.reset", "gru.candidate_in"),
        *("fusion.gate_in", "fusion.candidate", "fusion.old", "fusion.new", "fusion.sum"),
    }


@pytest.mark.parametrize("fusion", ["none", "early", "gated"])
def test_rounded_tensors_have_256_values_and_the_scenes_hardly_move(fusion):
    config = make_config("edge", fusion)
    network, (inputs,) = make_device(config), draw_inputs(config, batches=1, seed=2)
    passed: dict[str, torch.Tensor] = {}
    for name, tap in named_taps(network).items():
        tap.register_forward_hook(lambda _, __, out, name=name: passed.update({name: out}))
    with torch.no_grad():
        wanted = network(*inputs)
        set_rounding(network, True)
        rounded = network(*inputs)
    for name, values in passed.items():
        assert len(values.unique()) <= 256, name
    noise = (rounded - wanted).square().mean()
    snr_db = 10 * torch.log10(wanted.square().mean() / noise)
    assert snr_db > 30.0  # seen: 37


def test_in_the_encoder_all_lies_between_0_and_6():
    network, (inputs,) = make_device(), draw_inputs(EDGE, batches=1, seed=2)
    with torch.no_grad():
        steps = network.encode(100.0 * inputs[0])
    assert (float(steps.min()), float(steps.max())) == (0.0, BOUND)


def test_gradients_pass_the_rounding_to_every_weight():
    network, (inputs, *_) = make_device(), draw_inputs(EDGE)
    set_rounding(network, True)
    network.train()(*inputs).square().sum().backward()
    without = [name for name, p in network.named_parameters() if p.grad is None or not p.grad.any()]
    assert without == []


def test_context_must_be_given_exactly_when_it_is_used():
    features, city, time = draw_inputs(EDGE, batches=1)[0]
    with pytest.raises(ValueError, match="give city and time"):
        make_device()(features)
    with pytest.raises(ValueError, match="takes no city"):
        make_device(make_config("edge", "none"))(features, city, time)
