"""Acceptance: the error of the GRU's state stays bounded over 20, 60 and 600 steps."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

import numpy as np
import pytest
import torch

from edge_asc.errors import ExportError
from edge_asc.export.gru_drift import (
    FREE_STEPS,
    GruInputs,
    GruStep,
    adversarial_inputs,
    gru_drift,
    real_inputs,
)
from edge_asc.export.quantizer import quantize
from edge_asc.interpreter import Network
from edge_asc.training.models import DeviceNet
from edge_asc.training.models.device_layers import STATE_RANGE, quantization
from tests.export.device_material import CONFIG, Material, device_net, encoder, head
from tests.export.device_tflite import head_tflite

STEP, _ = quantization(*STATE_RANGE)
"""Of the state, the new state and the kept state"""

LONG = 600
INPUTS = (
    "real",
    *adversarial_inputs(GruInputs(np.ones((1, 2, 2), "f4"), np.ones((1, 2, 1), "f4"))),
)


def any_head() -> Material:
    return head(any_state=True)


@lru_cache
def inputs_of(recurrent_scale: float = 1.0) -> dict[str, GruInputs]:
    material = head(recurrent_scale, any_state=True)
    real = real_inputs(material.float32, material.windows, sequences=2, steps=LONG)
    return {"real": real, **adversarial_inputs(real)}


def test_a_step_by_itself_computes_what_it_does_in_the_network():
    for tflite in (head().float32, head().int8):
        network = Network(tflite, keep_tensors=True)
        network.run(**head().windows[3])
        tensors = network.tensors()
        step = GruStep(tflite)
        assert step.size == 64
        for k in (2, 3):
            before, wanted = (tensors[f"gru.state/{i}"][0] for i in (k - 1, k))
            gates, candidate = (tensors[f"gru.input_{n}"][k] for n in ("gates", "candidate"))
            found = step.following(before, gates, candidate)
            # XNNPACK, which runs the step, rounds some int8 sums the other way.
            assert np.abs(found - wanted).max() <= 1e-6 + (
                0.0 if tflite == head().float32 else STEP
            )


def test_two_steps_are_enough():
    """A window of one second."""
    device = DeviceNet(replace(CONFIG, num_frames=50, form="bounded"))
    step = GruStep(head_tflite(device))
    zeros = np.zeros(64, np.float32)
    gates, candidate = np.full(128, 0.3, np.float32), np.full(64, -0.2, np.float32)
    with torch.no_grad():
        given = (torch.from_numpy(values[None]) for values in (gates, candidate, zeros))
        wanted = device.gru.step(*given).numpy()[0]
    assert np.abs(step.following(zeros, gates, candidate) - wanted).max() < 1e-6


def test_states_follow_one_another_from_zero():
    step = GruStep(head().int8)
    real = inputs_of()["real"]
    states = step.states(real.gates[0, :5], real.candidate[0, :5])
    assert states.shape == (5, 64)
    state = np.zeros(64, np.float32)
    for k in range(5):
        state = step.following(state, real.gates[0, k], real.candidate[0, k])
        assert np.array_equal(states[k], state)


def test_float_steps_are_those_of_pytorch():
    device = device_net()
    real = inputs_of()["real"]
    gates, candidate = real.gates[0, :20], real.candidate[0, :20]
    state = torch.zeros(1, 64)
    states = GruStep(head().float32).states(gates, candidate)
    with torch.no_grad():
        for gate, new, found in zip(gates, candidate, states, strict=True):
            state = device.gru.step(
                torch.from_numpy(gate[None]), torch.from_numpy(new[None]), state
            )
            assert np.abs(state.numpy()[0] - found).max() < 1e-4


def test_real_inputs_are_the_windows_end_to_end():
    real = inputs_of()["real"]
    assert real.gates.shape == (2, LONG, 128)
    assert real.candidate.shape == (2, LONG, 64)
    network = Network(head().float32, keep_tensors=True)
    network.run(**head().windows[1])
    assert np.array_equal(real.gates[0, 4:8], network.tensors()["gru.input_gates"])
    period = 4 * len(head().windows)
    assert np.array_equal(real.gates[0, period : period + 4], real.gates[0, :4])


@pytest.mark.parametrize("name", [name for name in INPUTS if name.startswith("update gate at 1")])
def test_update_gate_at_one_keeps_the_state_for_ever(name):
    """int8 can only say 255/256, which alone would forget a state in some hundred steps.

    But |q| <= 128, so 255/256 q is at most half a step from q, and rounds back to it; what is new,
    (1 - 255/256) n, is at most half a step too, and rounds to 0. So nothing moves at all.
    """
    shut = inputs_of()[name]
    states = GruStep(any_head().int8).states(shut.gates[0], shut.candidate[0])
    frozen = states[FREE_STEPS:]
    assert np.abs(frozen[0]).max() > 0.9
    assert np.array_equal(frozen, np.broadcast_to(frozen[0], frozen.shape))
    # A float gate at 24 less what the state says is 1 - 1e-8: float does not move either.
    drift = gru_drift(any_head().float32, any_head().int8, shut)
    before = drift.max_error[FREE_STEPS - 1]
    assert drift.max_error[FREE_STEPS:] == pytest.approx(before, abs=1e-4)


@pytest.mark.parametrize("name", INPUTS)
def test_error_stays_below_the_bound_of_its_analysis(name):
    """With gates that keep at most half of the state, an error E becomes E / 2 + L E + e at most.

    e is what one step adds. New state, kept state and their sum are each rounded to half a step
    of 1/128: 3/256. A gate takes in three rounded numbers (from the input, from the state, their
    sum), half a step s each; its slope is 1/4 and it is rounded to half of 1/256 itself. It moves
    the state by at most |h - n| <= 2 times its error. The candidate takes in four rounded numbers
    (also the reset state) with slope 1 and is rounded to half of 1/128.

    L is what the weights carry on from state to state: tiny here, because they are.
    So E is never above e / (1 - 1/2 - L), after 20, 60 or 600 steps.
    """
    scale = 0.02
    material, gru = head(scale, any_state=True), device_net(scale).gru
    rows = gru.state_gates.weight.detach().abs().sum(dim=1).numpy()
    reset, update = rows[:64].max(), rows[64:].max()
    candidate = float(gru.state_candidate.weight.detach().abs().sum(dim=1).max())
    remembered = candidate + float(gru.state_candidate.bias.detach().abs().max())
    carried = 2 * update / 4 + reset / 4 * remembered + candidate
    step = {name: np.ptp(limits) / 255 for name, limits in material.ranges.items()}
    gate = (step["gru.input_gates"] + step["gru.state_gates/1"] + step["gru.gates_in/1"]) / 2 / 4
    taken = ("input_candidate", "state_candidate/1", "reset/1", "candidate_in/1")
    new = sum(step[f"gru.{name}"] for name in taken) / 2 + STEP / 2
    # The reset gate's error moves the candidate by at most |W h + b| times that.
    added = 3 * STEP / 2 + 2 * (gate + 1 / 512) + new + remembered * (gate + 1 / 512)
    bound = added / (1 - 0.5 - carried)
    assert bound < 0.3

    given = inputs_of(scale)[name]
    halved = np.concatenate(
        [given.gates[..., :64], np.minimum(given.gates[..., 64:], -update)], axis=2
    )
    drift = gru_drift(material.float32, material.int8, GruInputs(halved, given.candidate))
    for steps in (20, 60, 600):
        assert 0.0 < drift.max_error[:steps].max() < bound


@pytest.mark.parametrize("name", INPUTS)
def test_error_stays_bounded_with_full_weights(name):
    """No analysis covers these: weights that carry errors on, gates anywhere from 0 to 1.

    What a unit does not follow: it keeps z and moves by (1 - z)(n - h), which rounds to nothing
    below half a step. So float may creep away by 1/256 / (1 - z), at z = 0.98 by 0.2.
    """
    drift = gru_drift(any_head().float32, any_head().int8, inputs_of()[name])
    for steps in (20, 60, 600):
        assert drift.max_error[:steps].max() < 0.2
        assert drift.snr_db[steps - 1] > 25.0


def test_what_drifts_is_seen_to_drift():
    """If 1 - z could be 1, its steps would be 1/255, which times -1 is 0.502 steps of the state.

    It rounds to one, in every step, where 1/256 rounds to none.
    """
    wide = {n: (0.0, 1.0) if n.startswith("gru.share") else r for n, r in any_head().ranges.items()}
    drifting = quantize(any_head().float32, wide)
    shut = inputs_of()["update gate at 1, candidate at -1"]
    drift = gru_drift(any_head().float32, drifting, shut)
    assert drift.max_error[-1] > 10 * drift.max_error[FREE_STEPS - 1]


def test_a_network_without_gru_is_refused():
    with pytest.raises(ExportError, match="no GRU of two steps or more"):
        GruStep(encoder().float32)
    with pytest.raises(ExportError, match=r"has no tensor 'gru\.input_gates'"):
        real_inputs(encoder().float32, encoder().windows[:1], 1, 10)
