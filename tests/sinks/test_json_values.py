"""Every message is what docs/messages.schema.json says, whatever its numbers."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_asc.classifier import SceneEstimate
from edge_asc.decision import UNKNOWN_SCENE, Decision
from edge_asc.drift import Drift
from edge_asc.messages import (
    Gap,
    Health,
    Latency,
    Message,
    OutputState,
    PastScene,
    Report,
    SceneChange,
)
from edge_asc.sinks.json_values import SCHEMA_VERSION, to_line, to_values
from tests.sample_messages import (
    CHANGE,
    DECISION,
    ESTIMATE,
    GAP,
    HEALTH,
    MESSAGES,
    REPORT,
    SCENES,
)

SCHEMA_PATH = Path(__file__).parents[2] / "docs" / "messages.schema.json"
SCHEMA = json.loads(SCHEMA_PATH.read_text(encoding="utf-8"))
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)
TIME = "2026-05-17T14:03:09.012+08:00"


def test_the_schema_is_one() -> None:
    VALIDATOR.check_schema(SCHEMA)


def test_the_schema_has_the_version_of_the_messages() -> None:
    kinds = [SCHEMA["$defs"][kind] for kind in ("estimate", "gap", "event", "health")]
    assert [kind["properties"]["schema"]["const"] for kind in kinds] == [SCHEMA_VERSION] * 4


def test_an_estimate() -> None:
    assert to_values(REPORT) == {
        "schema": 3,
        "type": "estimate",
        "start_s": 2.0,
        "end_s": 12.0,
        "time": TIME,
        "source": "microphone 'USB'",
        "scene": "shopping_mall",
        "confidence": 0.83,
        "probabilities": {"bus": 0.03, "shopping_mall": 0.83, "bar": 0.14},
        "familiarity": 4.25,
        "decision": {
            "scene": "shopping_mall",
            "confidence": 0.9375,
            "since_s": 0.5,
            "probabilities": {"bus": 0.0625, "shopping_mall": 0.9375, "bar": 0.0},
            "familiarity": 3.5,
        },
        "level_dbfs": -31.5,
        "city": "Xi'an",
        "padded": False,
        "after_gap": False,
        "model": "tiny",
        "demonstration": True,
    }


def test_a_gap() -> None:
    assert to_values(GAP) == {
        "schema": 3,
        "type": "gap",
        "start_s": 12.0,
        "end_s": 15.25,
        "lost_s": 2.5,
        "time": TIME,
        "source": "microphone 'USB'",
        "cause": "it was unplugged",
    }


def test_an_event() -> None:
    assert to_values(CHANGE) == {
        "schema": 3,
        "type": "event",
        "scene": "bar",
        "start_s": 22.5,
        "detected_s": 31.0,
        "time": TIME,
        "confidence": 0.75,
        "previous": {
            "scene": "shopping_mall",
            "start_s": 0.5,
            "end_s": 22.5,
            "duration_s": 22.0,
            "confidence": 0.875,
        },
        "source": "microphone 'USB'",
    }


def test_health() -> None:
    assert to_values(HEALTH) == {
        "schema": 3,
        "type": "health",
        "state": "listening",
        "trouble": "",
        "source": "microphone 'USB'",
        "model": "tiny",
        "uptime_s": 60.5,
        "heard_s": 57.25,
        "lost_s": 2.5,
        "num_gaps": 1,
        "num_estimates": 40,
        "num_changes": 2,
        "level_dbfs": -31.5,
        "latency": {"median_ms": 3.5, "max_ms": 12.25},
        "memory_mb": 71.5,
        "drift": {
            "level": 0.25,
            "colour": 0.5,
            "level_outside": 0.03125,
            "colour_outside": 0.0625,
            "expected": 0.05,
            "heard_s": 40.0,
        },
        "outputs": [
            {
                "name": "log a.csv",
                "state": "waiting",
                "written": 40,
                "queued": 3,
                "lost": 1,
                "error": "cannot be written: disk full",
            }
        ],
        "time": TIME,
    }


@pytest.mark.parametrize(
    "message",
    [
        *MESSAGES,
        replace(REPORT, file="walk.wav", decision=None, city=None, time=None, level_dbfs=None),
        replace(REPORT, time=datetime(2026, 5, 17, 14, 3)),
        replace(REPORT, estimate=replace(ESTIMATE, padded=True, after_gap=True)),
        replace(REPORT, decision=replace(DECISION, scene=UNKNOWN_SCENE)),
        replace(REPORT, decision=replace(DECISION, scene=None, since_s=None)),
        replace(CHANGE, scene=None, confidence=None, previous=None, time=None),
        replace(CHANGE, previous=PastScene(UNKNOWN_SCENE, 0.0, 1.0, None)),
        replace(HEALTH, latency=None, memory_mb=None, drift=None, outputs=(), time=None),
    ],
)
def test_what_is_written_validates(message: Message) -> None:
    assert list(VALIDATOR.iter_errors(to_values(message))) == []


@pytest.mark.parametrize("message", MESSAGES)
@pytest.mark.parametrize(
    "change", [{"schema": 2}, {"time": "yesterday"}, {"loudness": 3}, {"source": ""}]
)
def test_the_schema_refuses_what_is_wrong(message: Message, change: dict[str, Any]) -> None:
    with pytest.raises(jsonschema.ValidationError):
        VALIDATOR.validate(to_values(message) | change)


@pytest.mark.parametrize("message", MESSAGES)
def test_the_schema_misses_every_field(message: Message) -> None:
    values = to_values(message)
    for name in values:
        with pytest.raises(jsonschema.ValidationError):
            VALIDATOR.validate({key: value for key, value in values.items() if key != name})


@pytest.mark.parametrize("number", [math.inf, -math.inf, math.nan])
def test_what_is_no_number_is_null(number: float) -> None:
    silent = replace(REPORT, level_dbfs=number, estimate=replace(ESTIMATE, familiarity=number))
    values = to_values(silent)
    assert (values["level_dbfs"], values["familiarity"]) == (None, None)
    VALIDATOR.validate(values)
    assert to_values(replace(HEALTH, level_dbfs=number))["level_dbfs"] is None


def test_a_line_is_ascii() -> None:
    line = to_line(replace(GAP, cause="die Straßenbahn\n\u2028", source="café"))
    assert line.isascii()
    assert "\n" not in line
    assert json.loads(line)["cause"] == "die Straßenbahn\n\u2028"


# What follows: any message that a listener can make, and numbers that it should never make.

times_s = st.floats(0, 1e9)
any_float = st.floats()
"""Infinity and NaN, too"""
texts = st.text(min_size=1)
scenes = st.sampled_from((*SCENES, UNKNOWN_SCENE, None))
moments = st.none() | st.datetimes(timezones=st.none() | st.timezones())
shares = st.floats(0, 1)
optional_shares = st.none() | shares
probabilities = st.lists(shares, min_size=3, max_size=3).map(
    lambda values: np.array(values, np.float32)
)
counts = st.integers(0)
estimates = st.builds(
    SceneEstimate,
    scenes=st.just(SCENES),
    probabilities=probabilities,
    start_s=times_s,
    end_s=times_s.map(lambda end_s: end_s + 1),
    padded=st.booleans(),
    after_gap=st.booleans(),
    familiarity=any_float,
)
decisions = st.builds(
    Decision,
    scenes=st.just(SCENES),
    belief=probabilities,
    scene=scenes,
    since_s=st.none() | times_s,
    familiarity=any_float,
)
reports = st.builds(
    Report,
    estimate=estimates,
    source=texts,
    model=texts,
    demonstration=st.booleans(),
    city=st.none() | texts,
    time=moments,
    file=st.none() | texts,
    decision=st.none() | decisions,
    level_dbfs=st.none() | any_float,
)
gaps = st.builds(
    Gap,
    start_s=times_s,
    end_s=times_s.map(lambda end_s: end_s + 1),
    lost_s=st.floats(1e-5, 1e9),
    cause=texts,
    source=texts,
    time=moments,
)
past_scenes = st.builds(
    lambda scene, start_s, length_s, confidence: PastScene(
        scene, start_s, start_s + length_s, confidence
    ),
    texts,
    times_s,
    times_s,
    optional_shares,
)
changes = st.builds(
    SceneChange,
    scene=scenes,
    start_s=times_s,
    detected_s=times_s,
    confidence=optional_shares,
    previous=st.none() | past_scenes,
    source=texts,
    time=moments,
)
healths = st.builds(
    Health,
    state=st.sampled_from(("starting", "listening", "no sound", "paused", "ended")),
    trouble=st.text(),
    source=texts,
    model=texts,
    uptime_s=times_s,
    heard_s=times_s,
    lost_s=times_s,
    num_gaps=counts,
    num_estimates=counts,
    num_changes=counts,
    level_dbfs=st.none() | any_float,
    latency=st.none() | st.builds(Latency, times_s, times_s),
    memory_mb=st.none() | times_s,
    drift=st.none()
    | st.builds(Drift, st.floats(-100, 100), times_s, shares, shares, shares, times_s),
    outputs=st.lists(
        st.builds(
            OutputState,
            texts,
            st.sampled_from(("ok", "waiting", "failing")),
            counts,
            counts,
            counts,
            st.text(),
        )
    ).map(tuple),
    time=moments,
)


@given(reports | gaps | changes | healths)
def test_every_message_validates(message: Message) -> None:
    line = to_line(message)
    assert "\n" not in line
    VALIDATOR.validate(json.loads(line))
