"""The parity report counts right and refuses what is below its floors."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import numpy as np
import pytest

from edge_asc.errors import ExportError
from edge_asc.export.context_coverage import AttributeCoverage, ContextCoverage
from edge_asc.export.parity import (
    Kind,
    ParityReport,
    StageLogits,
    StageParity,
    chance_of_more,
    compare,
    parity_report,
)

SCENES = ("bus", "bar")
REFERENCE = np.array([[2.0, 0.0], [0.0, 2.0], [1.0, 0.9], [0.0, 1.0]], np.float32)
LABEL = np.array([0, 1, 1, 1])
GROUPS = ["a", "a", "b", "b"]


def stage(
    logits: np.ndarray, kind: Kind = "quantized", runtime: str = "R 1", indices: object = None
) -> StageLogits:
    where = np.arange(len(logits)) if indices is None else np.asarray(indices)
    return StageLogits(
        form="TFLite int8" if kind == "quantized" else kind,
        kind=kind,
        runtime=runtime,
        runtime_class=runtime.split()[0],
        version=runtime.split()[1],
        way="whole window",
        logits=logits,
        indices=where,
    )


def report(*stages: StageLogits) -> ParityReport:
    return parity_report(
        REFERENCE,
        stages,
        label=LABEL,
        group=GROUPS,
        scenes=SCENES,
        data="made for this test",
        reference_name="PyTorch 2",
    )


def many(
    lost: int, gained: int, windows: int, groups: int, kind: Kind = "quantized"
) -> ParityReport:
    """A stage that loses and gains so many labels, spread over the groups; half are right before.

    Window i is of group i modulo `groups`.
    """
    label = np.zeros(windows, np.int64)
    named = (np.arange(windows) >= windows // 2).astype(np.int64)
    after = named.copy()
    after[:lost] = 1
    after[windows // 2 : windows // 2 + gained] = 0
    reference, logits = np.eye(2, dtype=np.float32)[named], np.eye(2, dtype=np.float32)[after]
    return parity_report(
        reference,
        [stage(logits, kind)],
        label=label,
        group=[str(i % groups) for i in range(windows)],
        scenes=SCENES,
        data="made for this test",
        reference_name="PyTorch 2",
    )


def test_equal_logits_are_at_parity() -> None:
    same = report(stage(REFERENCE.copy(), "float"))
    (only,) = same.stages
    assert (only.max_error, only.snr_db, only.agreement) == (0.0, None, 1.0)
    assert (only.num_flips, only.flips, only.p_value) == (0, {}, 1.0)
    assert same.reference_accuracy == only.accuracy == 0.75
    same.check()


def test_figures_are_those_of_a_hand_count() -> None:
    logits = REFERENCE + np.array([[0.1, 0.0], [0.0, 0.0], [0.0, 0.2], [0.0, 0.0]], np.float32)
    (only,) = report(stage(logits)).stages
    # Signal 4 + 4 + 1 + 0.81 + 1 = 10.81, noise 0.01 + 0.04 = 0.05; the third flips to "bar".
    assert only.max_error == pytest.approx(0.2)
    assert only.snr_db == pytest.approx(10 * math.log10(10.81 / 0.05), abs=1e-3)
    assert (only.agreement, only.accuracy) == (0.75, 1.0)
    assert (only.num_flips, only.flips, only.worst_window) == (1, {"bus -> bar": 1}, 2)
    assert (only.lost, only.gained, only.drop_points) == (0, 1, -25.0)


def test_flips_are_counted_by_name_most_frequent_first() -> None:
    scenes = ("bus", "metro", "bar")
    reference = np.eye(3, dtype=np.float32)[[0, 0, 0, 1, 2]]
    logits = np.eye(3, dtype=np.float32)[[1, 1, 2, 0, 2]]
    found = parity_report(
        reference,
        [stage(logits)],
        label=np.array([0, 0, 2, 0, 2]),
        group=list("abcde"),
        scenes=scenes,
        data="x",
        reference_name="PyTorch 2",
    )
    (only,) = found.stages
    assert only.flips == {"bus -> metro": 2, "bus -> bar": 1, "metro -> bus": 1}
    assert next(iter(only.flips)) == "bus -> metro"
    assert (only.lost, only.gained) == (2, 2)


def test_rounding_is_seen_apart_from_what_the_device_network_changed() -> None:
    device = REFERENCE + np.array([[0.0, 0.0], [0.0, 0.0], [0.0, 0.2], [0.0, 0.0]], np.float32)
    first, second = report(stage(device, "device"), stage(device + np.float32(0.01))).stages
    assert first.rounding is None
    assert second.rounding is not None
    assert (second.num_flips, second.rounding.num_flips) == (1, 0)
    assert second.max_error == pytest.approx(0.21)
    assert second.rounding.max_error == pytest.approx(0.01, abs=1e-6)


def test_a_float_stage_is_held_to_the_device_network_where_there_is_one() -> None:
    device = REFERENCE + np.float32(0.05)
    report(stage(device, "device"), stage(device + np.float32(0.5e-4), "float")).check()
    with pytest.raises(ExportError, match=r"float, R 1, whole window differs from PyTorch by 0.05"):
        report(stage(device, "device"), stage(REFERENCE, "float")).check()


def test_some_windows_are_compared_with_the_same_of_the_reference() -> None:
    everything = stage(REFERENCE + np.float32(0.1))
    some = stage(REFERENCE[[1, 3]] + np.float32(0.3), runtime="Slow 1", indices=[1, 3])
    first, second = report(everything, some).stages
    assert (second.windows, second.groups, second.accuracy) == (2, 2, 1.0)
    assert second.worst_window in (1, 3)
    assert second.max_error == pytest.approx(0.3)
    assert first.other_runtime is None
    assert second.other_runtime is not None
    assert second.other_runtime.max_error == pytest.approx(0.2)


def test_a_float_stage_that_is_off_is_refused() -> None:
    report(stage(REFERENCE + np.float32(0.9e-4), "float")).check()
    with pytest.raises(ExportError, match=r"differs from PyTorch by 0.0002 .* allowed are 1e-04"):
        report(stage(REFERENCE + np.float32(2e-4), "float")).check()


@pytest.mark.parametrize("kind", ["float", "quantized"])
def test_logits_that_are_not_finite_are_refused(kind: Kind) -> None:
    logits = REFERENCE.copy()
    logits[2, 1] = np.nan
    with pytest.raises(ExportError, match="no finite logits for test window 2"):
        report(stage(logits, kind))


def test_windows_without_label_are_refused() -> None:
    with pytest.raises(ValueError, match="each with the index of its scene"):
        parity_report(
            REFERENCE,
            [],
            label=np.array([0, 1, -1, 1]),
            group=GROUPS,
            scenes=SCENES,
            data="x",
            reference_name="PyTorch 2",
        )


def test_a_stage_that_flips_nearly_everything_is_refused_on_four_windows() -> None:
    with pytest.raises(ExportError, match=r"another scene than the checkpoint in 4 of 4 windows"):
        report(stage(-REFERENCE)).check(max_drop_points=100.0)


class TestAccuracyDrop:
    """1000 windows of 20 groups, half of them right; one window is 0.1 points."""

    def test_a_drop_above_the_floor_is_refused(self) -> None:
        found = many(lost=4, gained=1, windows=1000, groups=20)
        assert found.stages[0].drop_points == pytest.approx(0.3)
        assert found.check(max_drop_points=0.3) == []
        with pytest.raises(ExportError, match=r"loses \+0.30 \(.* to .*\) points .* are 0.2 "):
            found.check(max_drop_points=0.2)

    def test_labels_that_change_without_loss_pass(self) -> None:
        assert many(lost=20, gained=20, windows=1000, groups=20).check(0.2) == []

    def test_a_gain_passes(self) -> None:
        assert many(lost=0, gained=30, windows=1000, groups=20).check(0.2) == []

    def test_float_stages_are_held_to_it_too(self) -> None:
        # Their labels may be other than the checkpoint's where a device network stands between.
        assert "loses +0.50" in many(5, 0, 1000, 20, kind="device").faults(0.2)[0]


class TestFewWindows:
    """60 windows: one is 1.7 points, so 0.2 points cannot be measured."""

    def test_one_lost_label_is_no_ground_to_refuse_but_said(self) -> None:
        (doubt,) = many(lost=1, gained=0, windows=60, groups=20).check(max_drop_points=0.2)
        assert "60 windows of 20 groups, one of which is 1.7 points" in doubt
        # Rule of three: 3 / 60.
        assert "one below 5.0 cannot be told from none (R 1)" in doubt

    def test_what_is_surely_worse_is_refused_all_the_same(self) -> None:
        found = many(lost=6, gained=0, windows=120, groups=20)  # p = 2 / 2**6 = 0.03
        assert found.stages[0].p_value == pytest.approx(0.03125)
        assert found.stages[0].drop_interval.low > 0.2
        with pytest.raises(ExportError, match=r"loses \+5.00 .* on 120 windows"):
            found.check(max_drop_points=0.2)

    def test_lost_and_gained_alike_is_chance(self) -> None:
        assert many(lost=3, gained=2, windows=120, groups=20).faults(0.2) == []

    def test_few_groups_are_few_however_many_windows(self) -> None:
        found = many(lost=4, gained=0, windows=1000, groups=3)
        (doubt,) = found.check(max_drop_points=0.3)
        assert "1000 windows of 3 groups" in doubt

    def test_one_group_says_nothing_about_others(self) -> None:
        (only,) = many(lost=1, gained=0, windows=60, groups=1).stages
        assert only.drop_interval == (-100.0, 100.0)


def test_chances_are_those_of_the_binomial_distribution() -> None:
    # 1 - 0.95**10 - 10 * 0.05 * 0.95**9 = 0.0861
    assert chance_of_more(2, 10, 0.05) == pytest.approx(0.0861, abs=1e-4)
    assert chance_of_more(0, 10, 0.05) == 1.0
    assert chance_of_more(3000, 5000, 0.05) == pytest.approx(0.0, abs=1e-9)


def test_equal_logits_have_no_distance() -> None:
    assert compare(REFERENCE, REFERENCE).snr_db is None


def test_a_context_that_breaks_int8_is_refused() -> None:
    hours = AttributeCoverage("hour", 24, 288, 280, "7 h", 4)
    told = replace(report(stage(REFERENCE)), context=ContextCoverage(12, (hours,)))
    with pytest.raises(ExportError, match=r"with every hour told, .* 4 of 12 windows for 7 h"):
        told.check()
    fine = replace(hours, worst_agreeing=6)
    replace(told, context=ContextCoverage(12, (fine,))).check()
    few = replace(fine, agreeing=200)
    with pytest.raises(ExportError, match=r"in 69.4% of 288 answers, demanded are 80%"):
        replace(told, context=ContextCoverage(12, (few,))).check()


def test_the_manifest_gets_json_with_the_names_that_info_reads() -> None:
    found = report(stage(REFERENCE.copy(), "device"), stage(REFERENCE + np.float32(0.1)))
    told = replace(found, not_run={"tflite-runtime": "not here"})
    values = json.loads(json.dumps(told.to_dict(), allow_nan=False))
    assert {"windows", "groups", "data", "stages", "not_run", "context"} <= values.keys()
    first, second = values["stages"]
    names = {"stage", "snr_db", "agreement", "accuracy", "accuracy_interval"}
    assert names <= first.keys() == second.keys()
    assert first["stage"] == "device, R 1, whole window"
    assert first["snr_db"] is None
    assert len(second["accuracy_interval"]) == 2
    assert second["rounding"]["num_flips"] == 0


def test_the_resolution_is_half_the_interval_but_three_windows_at_least() -> None:
    none, some = many(0, 0, 300, 30).stages[0], many(40, 40, 300, 29).stages[0]
    assert none.resolution_points == 1.0
    low, high = some.drop_interval
    assert some.resolution_points == (high - low) / 2 > 1.0
    assert isinstance(some, StageParity)
