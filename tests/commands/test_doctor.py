"""`edge-asc doctor`."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from edge_asc import __version__
from edge_asc.doctor.finding import Finding, Subject
from edge_asc.sources import RawFormat

LONG = "eight ch" * 8 + " and then a second line"


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What would be examined; instead of that, these findings are given."""
    seen: dict[str, Any] = {"findings": [Finding("python", "ok", "3.11")]}

    def examine(subject: Subject) -> Iterator[Finding]:
        seen["subject"] = subject
        yield from seen["findings"]

    monkeypatch.setattr("edge_asc.doctor.examine", examine)
    monkeypatch.setenv("EDGE_ASC_CONFIG", os.devnull)  # an empty file
    return seen


def test_text(edge_asc: Any, seen: dict[str, Any]) -> None:
    seen["findings"] += [
        Finding("temperature", "not checked", "unknown"),
        Finding("clock", "warning", LONG, "set it"),
        Finding("model", "problem", "damaged", "another"),
    ]
    done = edge_asc("doctor")
    assert done.exit_code == 1
    assert done.stderr == ""
    assert done.stdout.splitlines() == [
        "ok          python          3.11",
        "not checked temperature     unknown",
        "warning     clock           " + "eight ch" * 8 + " and",
        " " * 28 + "then a second line",
        " " * 28 + "-> set it",
        "problem     model           damaged",
        " " * 28 + "-> another",
        "1 problem, 1 warning",
    ]


def test_nothing_found(edge_asc: Any, seen: dict[str, Any]) -> None:
    seen["findings"] += [Finding("clock", "ok", "right")] * 2
    done = edge_asc("doctor")
    assert done.exit_code == 0
    assert done.stdout.endswith("nothing found that keeps this machine from listening\n")


def test_json(edge_asc: Any, seen: dict[str, Any]) -> None:
    seen["findings"] += [Finding("clock", "warning", "2 °C", "set it")] * 2
    done = edge_asc("doctor", "--format", "json")
    assert done.exit_code == 0
    values = json.loads(done.stdout)
    assert values.pop("findings") == [
        {"name": "python", "state": "ok", "found": "3.11", "advice": ""},
        {"name": "clock", "state": "warning", "found": "2 °C", "advice": "set it"},
        {"name": "clock", "state": "warning", "found": "2 °C", "advice": "set it"},
    ]
    assert values == {"schema": 1, "version": __version__, "problems": 0, "warnings": 2}


def test_it_examines_what_listen_would_use(
    edge_asc: Any, seen: dict[str, Any], tmp_path: Path
) -> None:
    config = tmp_path / "config.toml"
    config.write_text(
        'device = "USB"\n[listen]\nsource = "exec:arecord"\nrate = 48_000\ntrust = "fleet.pub"\n'
    )
    assert edge_asc("doctor", "--config", config, "--model", "x.tflite").exit_code == 0
    assert seen["subject"] == Subject(
        source="exec:arecord",
        device="USB",
        raw=RawFormat(48_000, 1, "s16"),
        model=Path("x.tflite"),
        trust=tmp_path / "fleet.pub",
        config=config,
    )
    edge_asc("doctor", "--config", config, "--device", "Headset", "--no-microphone")
    assert (seen["subject"].device, seen["subject"].microphone) == ("Headset", False)


def test_by_itself(edge_asc: Any, seen: dict[str, Any]) -> None:
    edge_asc("doctor")
    assert seen["subject"] == Subject(config=Path(os.devnull))


def test_a_configuration_that_is_wrong_is_a_finding(
    edge_asc: Any, seen: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tmp_path / "config.toml"
    config.write_text("[listen]\n\nratte = 3\n")
    edge_asc("doctor", "--config", config, "--device", "USB")
    assert f"{config}, line 3: unknown key 'ratte'" in seen["subject"].config_error
    assert seen["subject"].device == "USB"
    monkeypatch.setenv("EDGE_ASC_LISTEN_RATE", "fast")
    edge_asc("doctor")
    assert "'fast' is not a valid integer" in seen["subject"].config_error


def test_the_real_thing_without_a_microphone(edge_asc: Any) -> None:
    done = edge_asc("doctor", "--no-microphone", "--format", "json")
    found = {finding["name"]: finding["state"] for finding in json.loads(done.stdout)["findings"]}
    assert (found["python"], found["interpreter"]) == ("ok", "ok")
    assert (found["portaudio"], found["level"]) == ("not checked", "not checked")
    assert done.exit_code == int("problem" in found.values())
