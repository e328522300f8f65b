"""Metrics as Prometheus' own parser reads them."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

import edge_asc
from edge_asc.drift import Drift
from edge_asc.level import Level
from edge_asc.messages import Message, OutputState
from edge_asc.sinks.metrics import Metrics
from edge_asc.vitals import Vitals
from tests.sample_messages import CHANGE, DECISION, ESTIMATE, GAP, HEALTH, REPORT, SCENES

Samples = dict[tuple[str, ...], float]
"""By the name of the sample and the values of its labels, in the order of their names"""


def samples(metrics: Metrics) -> Samples:
    """Everything of the program's own that is told."""
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(metrics.exposition().decode())
        for sample in family.samples
        if family.name.startswith("edge_asc")
    }


def after(*messages: Message, **facts: Any) -> Samples:
    """What is told after `messages`, to a listener that hears sound."""
    vitals = Vitals("microphone", "tiny", live=True)
    vitals.sound_came()
    for name, value in facts.items():
        setattr(vitals, name, value)
    metrics = Metrics(vitals)
    for message in messages:
        metrics.write(message)
    return samples(metrics)


def test_before_anything_was_heard_nothing_is_claimed() -> None:
    told = samples(Metrics(Vitals("microphone", "tiny", live=True)))
    names = {name for name, *_ in told}
    assert told["edge_asc_state", "starting"] == 1
    assert told["edge_asc_build_info", "tiny", edge_asc.__version__] == 1
    assert told["edge_asc_estimates_total",] == 0
    assert told["edge_asc_latency_seconds_count",] == 0
    for unknown in ("scene", "scene_probability", "confidence", "familiarity", "level_dbfs"):
        assert f"edge_asc_{unknown}" not in names
    assert not [name for name in names if "drift" in name]


def test_a_report_tells_the_scene_and_how_sure() -> None:
    told = after(REPORT, CHANGE, HEALTH, level=Level(-31.5, -20.0, 0.0))
    assert {scene: told["edge_asc_scene", scene] for scene in (*SCENES, "unknown")} == {
        "bus": 0,
        "shopping_mall": 1,
        "bar": 0,
        "unknown": 0,
    }
    beliefs = [told["edge_asc_scene_probability", scene] for scene in SCENES]
    assert beliefs == [0.0625, 0.9375, 0.0]
    assert told["edge_asc_confidence",] == 0.9375
    assert told["edge_asc_familiarity",] == 3.5
    assert told["edge_asc_level_dbfs",] == -31.5
    assert told["edge_asc_state", "listening"] == 1
    assert told["edge_asc_state", "no sound"] == 0


def test_without_decisions_the_estimate_counts() -> None:
    told = after(replace(REPORT, decision=None))
    assert told["edge_asc_confidence",] == pytest.approx(0.83)
    assert told["edge_asc_familiarity",] == 4.25


def test_an_unknown_scene_has_no_belief_and_an_undecided_one_is_none() -> None:
    unknown = after(replace(REPORT, decision=replace(DECISION, scene="unknown")))
    assert unknown["edge_asc_scene", "unknown"] == 1
    assert ("edge_asc_confidence",) not in unknown
    undecided = after(replace(REPORT, decision=replace(DECISION, scene=None, since_s=None)))
    assert ("edge_asc_scene", "bar") not in undecided
    assert ("edge_asc_confidence",) not in undecided
    assert ("edge_asc_scene_probability", "bar") in undecided


def test_what_is_not_known_is_absent() -> None:
    estimate = replace(ESTIMATE, familiarity=math.nan)
    told = after(replace(REPORT, estimate=estimate, decision=None))
    assert ("edge_asc_familiarity",) not in told
    assert ("edge_asc_level_dbfs",) not in told


@pytest.mark.parametrize("facts", [{"paused": True}, {"ended": True}, {"_sound_came_s": -1e9}])
def test_without_sound_no_scene_and_no_level_go_on(facts: dict[str, Any]) -> None:
    told = after(REPORT, level=Level(-31.5, -20.0, 0.0), **facts)
    names = {name for name, *_ in told}
    assert not names & {"edge_asc_scene", "edge_asc_scene_probability", "edge_asc_level_dbfs"}
    assert "edge_asc_estimates_total" in names


def test_after_a_gap_no_scene_is_told_until_the_next_window() -> None:
    assert ("edge_asc_scene", "bar") not in after(REPORT, GAP)
    assert ("edge_asc_scene", "bar") in after(REPORT, GAP, REPORT)


def test_digital_silence_is_minus_infinity() -> None:
    told = after(REPORT, level=Level(-math.inf, -math.inf, 0.0))
    assert told["edge_asc_level_dbfs",] == -math.inf


def test_latencies_are_counted_by_bounds() -> None:
    vitals = Vitals("microphone", "tiny", live=True)
    metrics = Metrics(vitals)
    for latency_ms in (5.0, 7.0, 80.0, 6_000.0):
        vitals.latency_ms = latency_ms
        metrics.write(REPORT)
    told = samples(metrics)
    bounds = ("0.005", "0.01", "0.1", "5.0", "+Inf")
    counts = [told["edge_asc_latency_seconds_bucket", bound] for bound in bounds]
    assert counts == [1, 2, 3, 3, 4]
    assert told["edge_asc_latency_seconds_count",] == 4
    assert told["edge_asc_latency_seconds_sum",] == pytest.approx(6.092)


def test_each_output_has_its_state_and_counts() -> None:
    name = 'log "a\\b".csv\nnext'
    told = after(outputs=lambda: (OutputState(name, "waiting", 40, 3, 1, "disk full"),))
    states = [told["edge_asc_output_state", name, state] for state in ("ok", "waiting", "failing")]
    assert states == [0, 1, 0]
    assert told["edge_asc_output_written_total", name] == 40
    assert told["edge_asc_output_queued", name] == 3
    assert told["edge_asc_output_lost_total", name] == 1


def test_drift_is_told_where_it_is_known() -> None:
    told = after(drift=Drift(0.25, 0.5, 0.03125, 0.0625, 0.05, 40.0))
    assert told["edge_asc_drift_level",] == 0.25
    assert told["edge_asc_drift_colour",] == 0.5
    assert told["edge_asc_drift_level_outside_ratio",] == 0.03125
    assert told["edge_asc_drift_colour_outside_ratio",] == 0.0625
    assert told["edge_asc_drift_expected_ratio",] == 0.05


def test_every_metric_is_described_and_the_process_is_measured() -> None:
    metrics = Metrics(Vitals("microphone", "tiny", live=True))
    metrics.write(REPORT)
    families = {
        family.name: family
        for family in text_string_to_metric_families(metrics.exposition().decode())
    }
    assert all(family.documentation for family in families.values())
    assert families["process_resident_memory_bytes"].samples[0].value > 1e6
    counters = [family for family in families.values() if family.type == "counter"]
    assert all(sample.name.endswith("_total") for item in counters for sample in item.samples)
