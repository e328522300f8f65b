"""The worst window travels with the model, and bounds follow from what was measured."""

from __future__ import annotations

import numpy as np
import pytest

from edge_asc.export.golden_windows import choose_golden, deviations, golden_record
from edge_asc.export.parity import Kind, StageLogits, Way
from edge_asc.training.checkpoint import Windows

STEP = 0.25


def stage(
    runtime: str,
    logits: np.ndarray,
    way: Way = "whole window",
    kind: Kind = "quantized",
    step: int = 1,
) -> StageLogits:
    """`runtime` is "CLASS VERSION[, KERNELS]"; it was run on every `step`-th window."""
    name, version = runtime.partition(",")[0].split()
    where = np.arange(0, len(logits), step)
    return StageLogits("TFLite int8", kind, runtime, name, version, way, logits[where], where)


def make_windows(count: int) -> Windows:
    return Windows(
        np.zeros((count, 2, 3), np.float16),
        np.zeros((count, 4), np.float32),
        np.zeros((count, 8), np.float32),
        np.zeros(count, np.int64),
        ["g"] * count,
    )


def test_the_worst_window_of_either_way_comes_first() -> None:
    reference = np.zeros((100, 3), np.float32)
    whole, streamed = reference.copy(), reference.copy()
    whole[20, 1], streamed[77, 2] = 0.5, -0.6
    chosen = choose_golden(
        [stage("a 1", whole), stage("a 1", streamed, "encoder + head")], reference
    )
    assert chosen.tolist() == [77, 0, 25, 50]


def test_float_stages_do_not_choose_where_there_is_int8() -> None:
    reference = np.zeros((10, 3), np.float32)
    rough, fine = reference.copy(), reference.copy()
    rough[3, 0], fine[8, 0] = 0.1, 0.7
    stages = [stage("a 1", fine, kind="float"), stage("a 1", rough)]
    assert choose_golden(stages, reference)[0] == 3
    assert choose_golden(stages[:1], reference)[0] == 8


def test_few_windows_are_taken_once_each() -> None:
    reference = np.zeros((2, 3), np.float32)
    assert choose_golden([stage("a 1", reference)], reference).tolist() == [0, 1]


def test_deviations_are_from_the_first_runtime_on_the_same_windows() -> None:
    first = np.arange(12, dtype=np.float32).reshape(6, 2)
    other = first.copy()
    other[4, 1] += 0.5
    other[5, 0] += 9.0  # not among every second window
    stages = [
        stage("a 1", first),
        stage("a 1", first, "encoder + head"),
        stage("b 2", other, step=2),
        stage("b 2", first - 0.75, "encoder + head", step=2),
    ]
    assert deviations(stages) == {"b 2": 0.75}


class TestRecord:
    """Four runtimes on five windows; two of the windows travel with the model."""

    def record(self, step: float) -> tuple[dict[str, np.ndarray], dict[str, object]]:
        base = np.zeros((5, 2), np.float32)
        stages, golden = [], []
        for name, off in [("a 1, fast", 0.0), ("a 1, plain", 2.0), ("b 2", 0.75), ("c 3", 0.0)]:
            for way in ("whole window", "encoder + head"):
                stages.append(stage(name, base + np.float32(off), way))
                golden.append(stage(name, base[:2] + np.float32(off), way))
        return golden_record(stages, golden, make_windows(2), step=step, uses_context=True)

    def test_bounds_are_twice_what_was_measured_and_two_steps_at_least(self) -> None:
        _, facts = self.record(STEP)
        assert facts == {
            "windows": 2,
            "reference": "a 1",
            # The reference's own plain kernels are 2.0 off.
            "bound_logits": 4.0,
            "runtimes": {
                "b": {"version": "2", "bound_logits": 1.5},
                "c": {"version": "3", "bound_logits": 2 * STEP},
            },
        }

    def test_arrays_are_those_that_the_model_file_wants(self) -> None:
        arrays, _ = self.record(STEP)
        assert {name: array.shape for name, array in arrays.items()} == {
            "features": (2, 2, 3),
            "city": (2, 4),
            "time": (2, 8),
            "logits": (2, 2),
            "streamed_logits": (2, 2),
            "b.logits": (2, 2),
            "c.logits": (2, 2),
        }
        assert arrays["features"].dtype == np.float32
        assert arrays["b.logits"][0, 0] == 0.75
        assert arrays["logits"][0, 0] == 0.0

    def test_float_logits_have_one_bound_for_all(self) -> None:
        arrays, facts = self.record(0.0)
        assert facts["runtimes"] == {}
        assert not [name for name in arrays if name.endswith(".logits")]

    def test_what_was_not_measured_gets_twelve_steps(self) -> None:
        same = np.zeros((3, 2), np.float32)
        only = [stage("a 1", same)]
        arrays, facts = golden_record(only, only, make_windows(3), step=STEP, uses_context=False)
        assert facts["bound_logits"] == pytest.approx(12 * STEP)
        assert arrays.keys() == {"features", "logits"}
