"""Costs of operators from times of cuts; no time is measured that a test relies on."""

from __future__ import annotations

import random
from itertools import pairwise

import numpy as np
import pytest

from edge_asc.benchmarks.bench.graph_cuts import Group
from edge_asc.benchmarks.bench.operators import (
    NETWORKS,
    network_inputs,
    one_round,
    profile,
    summarize,
)
from edge_asc.interpreter import Network
from edge_asc.model_file import ModelFile, default_model_path
from tests.benchmarks.bench.made_results import series
from tests.export import device_material

CONV, ADD, PAD, POOL = (
    Group(place, 1, name) for place, name in enumerate(["CONV", "ADD", "PAD", "POOL"])
)


def made_times_us(costs_us: list[float], rounds: int = 200, noise: float = 0.01) -> np.ndarray:
    """Times of all cuts and of the whole, which a slow machine makes slower from time to time."""
    rng = np.random.default_rng(1)
    exact = np.cumsum([1.0, *costs_us])
    exact = np.append(exact, exact[-1])
    machine = series(rounds, rng)[:, None]
    return 1e-6 * exact * machine * (1 + noise * rng.standard_normal((rounds, len(exact))))


def test_costs_are_what_each_operator_adds() -> None:
    costs_us = [50.0, 20.0, 5.0, 25.0]
    found = summarize(
        "whole", [CONV, ADD, PAD, POOL], made_times_us(costs_us), np.random.default_rng(1)
    )
    assert [cost.group for cost in found.costs] == [CONV, ADD, PAD, POOL]
    for cost, true_us in zip(found.costs, costs_us, strict=True):
        # The made-up machine is slower than its median in the long run: 1 % at most here.
        assert 0.98e-6 * true_us - 0.5e-6 < cost.median_s < 1.03e-6 * true_us + 0.5e-6
        assert cost.low_s < 1e-6 * true_us * 1.02 + 0.3e-6
        assert cost.high_s > 1e-6 * true_us * 0.98 - 0.3e-6
    assert sum(cost.median_s for cost in found.costs) == pytest.approx(found.sum_s)
    assert sum(cost.share for cost in found.costs) == pytest.approx(1.0)
    assert found.sum_s == pytest.approx(100e-6, rel=0.03)
    assert found.whole_s == pytest.approx(101e-6, rel=0.03)
    assert found.call_s == pytest.approx(1e-6, rel=0.03)


def test_what_is_faster_with_the_next_operator_was_fused_with_it() -> None:
    found = summarize(
        "whole",
        [CONV, ADD, PAD, POOL],
        made_times_us([50.0, 30.0, -20.0, 25.0]),
        np.random.default_rng(1),
    )
    assert [cost.group.label for cost in found.costs] == ["CONV", "ADD + PAD", "POOL"]
    assert [cost.group.count for cost in found.costs] == [1, 2, 1]
    assert found.costs[1].median_s == pytest.approx(10e-6, abs=1.5e-6)
    assert sum(cost.share for cost in found.costs) == pytest.approx(1.0)


def test_a_first_operator_that_is_faster_than_none_is_joined_with_the_second() -> None:
    found = summarize("whole", [CONV, ADD], made_times_us([-0.5, 30.0]), np.random.default_rng(1))
    assert [cost.group.label for cost in found.costs] == ["CONV + ADD"]


def test_what_cannot_be_told_from_nothing_has_an_interval_around_zero() -> None:
    found = summarize(
        "whole", [CONV, ADD], made_times_us([80.0, 0.0], noise=0.05), np.random.default_rng(1)
    )
    *_, nothing = found.costs
    assert nothing.low_s < 0.0 < nothing.high_s


def test_a_round_times_each_call_once_after_one_that_does_not_count() -> None:
    called: list[str] = []
    ticks = iter(range(100))
    times_s = one_round(
        [lambda: called.append("a"), lambda: called.append("b"), lambda: called.append("c")],
        random.Random(2),
        clock=lambda: float(next(ticks)),
    )
    assert times_s == [1.0, 1.0, 1.0]
    assert sorted(called) == ["a", "a", "b", "b", "c", "c"]
    assert called[::2] == called[1::2]
    assert called[::2] == ["abc"[place] for place in random.Random(2).sample(range(3), 3)]


@pytest.mark.parametrize("part", ["encoder", "head"])
@pytest.mark.parametrize("arithmetic", ["float32", "int8"])
def test_each_form_of_each_network_is_profiled(part: str, arithmetic: str) -> None:
    material = getattr(device_material, part)()
    tflite = getattr(material, arithmetic)
    shown: list[str] = []
    found = profile(part, tflite, material.windows[0], rounds=20, show=shown.append)
    assert len(shown) == 20
    rows = found.rows("m")
    assert rows[0]["index"] == 0
    for row, following in pairwise(rows):
        assert following["index"] == row["index"] + row["operators"]
    assert {(row["model"], row["network"]) for row in rows} == {("m", part)}
    assert all(row["low_s"] <= row["high_s"] for row in rows)
    assert sum(row["median_s"] for row in rows) == pytest.approx(found.sum_s)


def test_networks_are_given_what_the_model_was_checked_with() -> None:
    model = ModelFile.read(default_model_path())
    assert model.head is not None
    inputs = network_inputs(model)
    assert tuple(inputs) == NETWORKS
    assert inputs["encoder"]["features"].shape == (1, 50, 64, 1)
    # So the head answers as the golden vectors say that a stream does.
    logits = Network(model.head).run(**inputs["head"])
    assert np.array_equal(logits[0], model.golden["streamed_logits"][0])
