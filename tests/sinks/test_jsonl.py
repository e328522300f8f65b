"""JSON lines are what docs/messages.schema.json says."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest

from edge_asc.classifier import SceneEstimate
from edge_asc.scenes import SCENES
from edge_asc.sinks import Gap, Report
from edge_asc.sinks.jsonl import JsonLines, gap_to_json, to_json

SCHEMA_PATH = Path(__file__).parents[2] / "docs" / "messages.schema.json"
VALIDATOR = jsonschema.Draft202012Validator(json.loads(SCHEMA_PATH.read_text(encoding="utf-8")))

ESTIMATE = SceneEstimate(SCENES, np.linspace(0.01, 0.19, 10).astype(np.float32), 2.0, 12.0)
REPORT = Report(ESTIMATE, "walk.wav", "tiny", True)
CHINA = timezone(timedelta(hours=8))


def test_the_schema_is_one() -> None:
    VALIDATOR.check_schema(VALIDATOR.schema)


def test_every_field() -> None:
    report = replace(REPORT, city="Xi'an", time=datetime(2026, 5, 17, 14, 3, 9, 12_345, CHINA))
    values = to_json(report)
    assert values == {
        "schema": 2,
        "type": "estimate",
        "start_s": 2.0,
        "end_s": 12.0,
        "time": "2026-05-17T14:03:09.012+08:00",
        "source": "walk.wav",
        "scene": "bar",
        "confidence": 0.19,
        "probabilities": dict(zip(SCENES, np.linspace(0.01, 0.19, 10).round(6), strict=True)),
        "city": "Xi'an",
        "padded": False,
        "after_gap": False,
        "model": "tiny",
        "demonstration": True,
    }
    VALIDATOR.validate(values)


@pytest.mark.parametrize(
    "report",
    [
        REPORT,
        replace(REPORT, file="walk.wav"),
        replace(REPORT, time=datetime(2026, 5, 17, 14, 3)),
        replace(REPORT, estimate=replace(ESTIMATE, padded=True, after_gap=True)),
    ],
)
def test_what_is_written_validates(report: Report) -> None:
    assert list(VALIDATOR.iter_errors(to_json(report))) == []


@pytest.mark.parametrize(
    "change",
    [{"confidence": 1.5}, {"schema": 1}, {"time": "yesterday"}, {"loudness": 3}, {"scene": None}],
)
def test_the_schema_refuses_what_is_wrong(change: dict[str, Any]) -> None:
    with pytest.raises(jsonschema.ValidationError):
        VALIDATOR.validate(to_json(REPORT) | change)


def test_one_flushed_line_of_ascii_each() -> None:
    buffer = io.BytesIO()
    sink = JsonLines(io.TextIOWrapper(buffer, encoding="ascii"))
    sink.write(replace(REPORT, source="café\n.wav"))
    sink.write(REPORT)
    first, second = buffer.getvalue().splitlines()
    assert json.loads(first)["source"] == "café\n.wav"
    assert json.loads(second)["source"] == "walk.wav"


def test_a_gap() -> None:
    end = datetime(2026, 5, 17, 14, 3, 9, 12_345, CHINA)
    stream = io.StringIO()
    gap = Gap(12.0, 15.25, 2.5, "it was unplugged", "microphone 'USB'", end)
    JsonLines(stream).write_gap(gap)
    values = json.loads(stream.getvalue())
    assert values == {
        "schema": 2,
        "type": "gap",
        "start_s": 12.0,
        "end_s": 15.25,
        "lost_s": 2.5,
        "time": "2026-05-17T14:03:09.012+08:00",
        "source": "microphone 'USB'",
        "cause": "it was unplugged",
    }
    VALIDATOR.validate(values)
    VALIDATOR.validate(gap_to_json(replace(gap, time=None)))
