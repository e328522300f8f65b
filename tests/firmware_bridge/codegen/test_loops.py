"""Layers that were unrolled become loops, whatever their steps share and keep."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edge_asc.firmware_bridge.codegen.compiler import CompiledNetwork, compile_network
from edge_asc.firmware_bridge.codegen.host import HostModel
from edge_asc.firmware_bridge.codegen.oracle import ARITHMETICS, Arithmetic, oracle
from tests.firmware_bridge.codegen.networks import Builder
from tests.firmware_bridge.codegen.random_operators import Rng, int8s

WIDTH = 8
STATE = 1 / 128


def recurrent(steps: int, *, stacks: int, late: bool = False, constant_rows: bool = False) -> bytes:
    """h = tanh(W h + x[step]), read step by step; the states' means, of `stacks` parts, are added.

    x is the input and the first state a constant, or the other way round.

    With `late`, a step reads the state before it once more after it made its own, so that the two
    cannot share a place.
    """
    b = Builder()
    rows = np.arange(steps * WIDTH) % 100 if constant_rows else None
    x = b.tensor((steps, WIDTH), 0.02, 3, rows, name="x")
    weights = np.random.default_rng(9).integers(-127, 128, (WIDTH, WIDTH))
    w = b.tensor((WIDTH, WIDTH), 0.004, 0, weights)
    first = None if constant_rows else np.arange(WIDTH)
    given = state = b.tensor((1, WIDTH), STATE, 0, first)
    states: list[int] = []
    for step in range(steps):
        part = b.tensor((1, WIDTH), 0.02, 3)
        numbers = ([step, 0], [step + 1, WIDTH], [1, 1])
        limits = [b.tensor((2,), values=values, dtype="int32") for values in numbers]
        b.operator("STRIDED_SLICE", [x, *limits], part)
        moved, summed = b.tensor((1, WIDTH), 0.03, -4), b.tensor((1, WIDTH), 0.03, 1)
        b.operator("FULLY_CONNECTED", [state, w, -1], moved)
        b.operator("ADD", [moved, part], summed)
        after = b.tensor((1, WIDTH), STATE, 0)
        b.operator("TANH", [summed], after)
        if late:
            both = b.tensor((1, WIDTH), STATE, 0)
            b.operator("MUL", [after, state], both)
            states.append(both)
        else:
            states.append(after)
        state = after
    return b.build([given if constant_rows else x], [_mean_of_means(b, states, stacks)])


def _mean_of_means(b: Builder, states: list[int], stacks: int) -> int:
    if stacks == 0:
        return states[-1]
    axis = b.tensor((1,), values=[0], dtype="int32")
    means = []
    each = len(states) // stacks
    for at in range(0, len(states), each):
        stack, mean = b.tensor((each, WIDTH), STATE, 0), b.tensor((1, WIDTH), STATE, 0)
        b.operator("CONCATENATION", states[at : at + each], stack, axis=0)
        b.operator("MEAN", [stack, axis], mean, keepDims=True)
        means.append(mean)
    total = means[0]
    for mean in means[1:]:
        added = b.tensor((1, WIDTH), STATE, 0)
        b.operator("ADD", [total, mean], added)
        total = added
    return total


def check(tflite: bytes, folder: Path, rng: Rng, arithmetic: Arithmetic) -> CompiledNetwork:
    network = compile_network(tflite, "steps", arithmetic)
    vectors = [[int8s(rng, place.shape) for place in network.inputs] for _ in range(20)]
    run = oracle(arithmetic).load(tflite)
    made = HostModel([network], folder).run("steps", vectors)
    for got, vector in zip(made, vectors, strict=True):
        np.testing.assert_array_equal(got, run(vector))
    return network


@pytest.mark.parametrize("arithmetic", ARITHMETICS)
@pytest.mark.parametrize("stacks", [0, 1, 3])
def test_steps_become_one_loop(
    stacks: int, arithmetic: Arithmetic, tmp_path: Path, rng: Rng
) -> None:
    """Whether only the last state is read, or all of them, in one stack or in several."""
    network = check(recurrent(9, stacks=stacks), tmp_path, rng, arithmetic)
    (loop,) = network.loops
    assert (loop.period, loop.count) == (3, 8)  # the first step reads a constant


def test_rows_of_a_constant_are_read_by_a_loop(tmp_path: Path, rng: Rng) -> None:
    network = check(recurrent(9, stacks=1, constant_rows=True), tmp_path, rng, "litert")
    (loop,) = network.loops
    assert (loop.period, loop.count) == (3, 8)


def test_more_steps_take_no_more_constants_or_code() -> None:
    few = compile_network(recurrent(8, stacks=0), "steps", "litert")
    many = compile_network(recurrent(32, stacks=0), "steps", "litert")
    assert few.constant_bytes == many.constant_bytes
    assert few.num_calls == many.num_calls
    assert many.arena_bytes == few.arena_bytes + 24 * WIDTH  # the input


def test_a_state_that_is_read_late_has_a_place_of_its_own(tmp_path: Path, rng: Rng) -> None:
    check(recurrent(9, stacks=1, late=True), tmp_path, rng, "litert")


def test_steps_with_weights_of_their_own_are_no_loop(tmp_path: Path, rng: Rng) -> None:
    b = Builder()
    x = b.tensor((1, WIDTH), STATE, 0)
    last = x
    for layer in range(6):
        weights = np.random.default_rng(layer).integers(-127, 128, (WIDTH, WIDTH))
        made = b.tensor((1, WIDTH), STATE, 0)
        w = b.tensor((WIDTH, WIDTH), 0.004, 0, weights)
        b.operator("FULLY_CONNECTED", [last, w, -1], made)
        last = made
    network = check(b.build([x], [last]), tmp_path, rng, "litert")
    assert network.loops == ()
    assert network.num_calls == 6
