"""Comparing two results: what is found, and what is not made up."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from edge_asc.benchmarks.bench import bootstrap
from edge_asc.benchmarks.bench.compare import (
    FASTER,
    MIN_SAMPLES,
    NO_DIFFERENCE,
    SLOWER,
    TOO_FEW,
    Comparison,
    compare,
)
from edge_asc.benchmarks.bench.result import TOTAL, BenchError, Result, Timing
from tests.benchmarks.bench.made_results import MODEL, STAGES_MS, made_result, made_timings


def verdicts(comparison: Comparison) -> dict[str, str]:
    return {row.stage: row.p50.verdict for row in comparison.rows}


def halves(result: Result) -> tuple[Result, Result]:
    """The first and the second half of each stage's samples."""
    middle = len(result.timings[0].samples_s) // 2
    return tuple(
        replace(
            result,
            timings=tuple(replace(one, samples_s=one.samples_s[part]) for one in result.timings),
        )
        for part in (slice(middle), slice(middle, None))
    )  # type: ignore[return-value]


def test_a_run_is_no_different_from_itself() -> None:
    result = made_result()
    comparison = compare(result, result)
    assert [row.stage for row in comparison.rows] == [TOTAL, *STAGES_MS]
    for row in comparison.rows:
        for change in (row.p50, row.p95):
            assert change.ratio == 1.0
            assert change.interval is not None
            assert change.interval[0] < 1.0 < change.interval[1]
            assert change.verdict == NO_DIFFERENCE
    assert comparison.cautions == ()
    assert comparison.differences == ()


def test_two_halves_of_a_run_differ_as_rarely_as_stated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bootstrap, "RESAMPLES", 300)
    held, told, num = 0, 0, 60
    for seed in range(num):
        rows = compare(*halves(made_result(seed, 400)), smallest=1.000001).rows
        (total,) = (row for row in rows if row.stage == TOTAL)
        assert total.p50.interval is not None
        held += total.p50.interval[0] <= 1.0 <= total.p50.interval[1]
        told += any(row.p50.verdict != NO_DIFFERENCE for row in rows)
    # At 95 %, 60 trials give 57; 51 or fewer come once in 70 times if blocks were perfect. That any
    # of the six stages is told happens in 5 % of runs, 3 of 60.
    assert held >= 52
    assert told <= 7


def test_a_slowed_stage_is_found_and_only_it_and_the_total() -> None:
    comparison = compare(made_result(1), made_result(2, slowed={"features": 1.3}))
    found = verdicts(comparison)
    assert {stage for stage, verdict in found.items() if verdict == SLOWER} == {"features", TOTAL}
    assert {found[stage] for stage in found.keys() - {"features", TOTAL}} == {NO_DIFFERENCE}
    (row,) = (row for row in comparison.rows if row.stage == "features")
    assert row.p50.interval is not None
    assert row.p50.interval[0] < 1.3 < row.p50.interval[1]
    (back,) = (
        row
        for row in compare(made_result(2, slowed={"features": 1.3}), made_result(1)).rows
        if row.stage == "features"
    )
    assert back.p50.verdict == FASTER
    assert back.p50.ratio == pytest.approx(1 / row.p50.ratio)


def test_what_is_smaller_than_worth_telling_is_not_told_however_sure() -> None:
    fast, slow = (
        replace(result, timings=result.timings[2:3])
        for result in (made_result(1, 3000), made_result(2, 3000, slowed={"features": 1.04}))
    )
    (row,) = compare(fast, slow).rows
    assert row.stage == "features"
    assert row.p50.joint_interval is not None
    assert row.p50.joint_interval[0] > 1.0
    assert row.p50.verdict == NO_DIFFERENCE
    (row,) = compare(fast, slow, smallest=1.02).rows
    assert row.p50.verdict == SLOWER


def test_joint_intervals_are_wider_and_grow_with_the_number_of_ratios() -> None:
    few = replace(made_result(), timings=made_result().timings[:1])
    many = made_result()
    widths = []
    for result in (few, many):
        comparison = compare(result, replace(result))
        row = comparison.rows[-1] if result is few else comparison.rows[1]
        assert row.stage == "read"
        for change in (row.p50, row.p95):
            assert change.joint_interval is not None
            assert change.interval is not None
        assert row.p50.joint_interval is not None
        widths.append(row.p50.joint_interval[1] - row.p50.joint_interval[0])
    # 2 and 12 ratios: the normal's quantiles at 5 % / 4 and 5 % / 24 are 2.24 and 2.87.
    assert widths[1] / widths[0] == pytest.approx(2.87 / 2.24, rel=0.1)


def test_only_surely_slower_stages_lie_above_a_ratio() -> None:
    comparison = compare(made_result(1), made_result(2, slowed={"features": 1.3}))
    assert [row.stage for row in comparison.above(1.1)] == [TOTAL, "features"]
    assert [row.stage for row in comparison.above(1.2)] == ["features"]
    assert comparison.above(1.3) == []


def test_the_same_seed_gives_the_same_document() -> None:
    texts = [
        json.dumps(compare(made_result(1), made_result(2), seed=3).to_dict(), allow_nan=False)
        for _ in range(2)
    ]
    assert texts[0] == texts[1]
    document = json.loads(texts[0])
    assert document["confidence"] == 0.95
    assert document["num_ratios"] == 12
    assert document["rows"][0]["stage"] == TOTAL


def test_one_sample_gives_a_ratio_but_no_interval() -> None:
    one, two = (
        replace(made_result(), timings=(Timing(MODEL, "window", TOTAL, (seconds,)),))
        for seconds in (0.002, 0.003)
    )
    (row,) = compare(one, two).rows
    assert row.p50.ratio == pytest.approx(1.5)
    assert (row.p50.interval, row.p50.joint_interval) == (None, None)
    assert (row.p50.verdict, row.p95.verdict) == (TOO_FEW, TOO_FEW)
    assert row.num_samples == (1, 1)
    assert compare(one, two).above(1.0) == []


def test_a_tail_needs_more_samples_than_a_median() -> None:
    short = made_result(num=MIN_SAMPLES[95] - 1)
    for row in compare(short, made_result()).rows:
        assert row.p50.interval is not None
        assert row.p95.verdict == TOO_FEW


def test_stages_without_samples_are_left_out() -> None:
    result = made_result()
    emptied = replace(
        result, timings=(replace(result.timings[0], samples_s=()), *result.timings[1:])
    )
    assert "read" not in verdicts(compare(result, emptied))
    nothing = replace(result, timings=tuple(replace(t, samples_s=()) for t in result.timings))
    with pytest.raises(BenchError, match=r"no stage in common.*A has none that was measured"):
        compare(nothing, result)


def test_results_of_other_models_have_nothing_in_common() -> None:
    rng = np.random.default_rng(1)
    other = replace(
        made_result(),
        models=({"name": "other", "sha256": "cd" * 32},),
        timings=tuple(replace(t, model="other") for t in made_timings(50, rng)),
    )
    with pytest.raises(BenchError, match=r"A has m \(window\); B has other \(window\)"):
        compare(made_result(), other)


def test_what_no_clock_tells_has_no_ratio_to_zero() -> None:
    zero, some = (
        replace(made_result(), timings=(Timing(MODEL, "window", "decision", (seconds,) * 30),))
        for seconds in (0.0, 2e-7)
    )
    (row,) = compare(zero, some).rows
    assert row.p50.ratio == pytest.approx(2.0)
