"""How `listen` decides: the model's way, each part switched off, the user's way."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge_asc.model_file import ModelFile

WavWriter = Callable[..., Path]
CALIBRATED = {
    "config": {"margin": 0.1, "unknown_below": 100.0},
    "drift": {"level": [-1.0, 1.0], "colour": 0.5, "outside": 0.05},
    "held_out": {"data": "tones", "windows": 40, "groups": 4, "false_alarm_rate": 0.1},
}


@pytest.fixture
def recording(write_wav: WavWriter, rng: np.random.Generator) -> Path:
    """Ten seconds of loud noise, then ten of soft noise."""
    level = np.repeat([0.9, 0.001], 10 * 44_100)
    return write_wav(level * rng.uniform(-1, 1, 20 * 44_100))


@pytest.fixture
def calibrated(model_path: Path) -> Path:
    """The model with a temperature, a drift reference, and a threshold that nothing reaches."""
    model = ModelFile.read(model_path)
    manifest = replace(model.manifest, temperature=4.0, decisions=CALIBRATED)
    replace(model, manifest=manifest).write(model_path)
    return model_path


def heard(edge_asc: Any, recording: Path, *options: str) -> list[dict[str, Any]]:
    done = edge_asc("listen", "--source", recording, "--fast", "--format", "json", *options)
    assert done.exit_code == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def decided(lines: list[dict[str, Any]]) -> list[str | None]:
    return [line["decision"]["scene"] for line in lines if line["type"] == "estimate"]


def test_by_default_a_scene_is_decided_and_its_changes_are_events(
    edge_asc: Any, model_path: Path, recording: Path
) -> None:
    lines = heard(edge_asc, recording)
    events = [line for line in lines if line["type"] == "event"]
    assert [event["scene"] for event in events] == ["bar", "bus", None]
    assert events[1]["start_s"] == pytest.approx(10.0, abs=1.0)
    assert events[2]["previous"]["scene"] == "bus"
    assert lines[-1]["type"] == "health"
    assert lines[-1]["drift"] is None


def test_raw_is_the_networks_own_words(edge_asc: Any, calibrated: Path, recording: Path) -> None:
    lines = heard(edge_asc, recording, "--raw")
    assert {line["type"] for line in lines} == {"estimate", "health"}
    assert {line["decision"] for line in lines if line["type"] == "estimate"} == {None}
    cool = heard(edge_asc, recording)
    # A temperature of 4 makes the same scene less sure.
    assert lines[0]["scene"] == cool[0]["scene"]
    assert lines[0]["confidence"] > cool[0]["confidence"]
    assert lines[0]["confidence"] == heard(edge_asc, recording, "--no-calibration")[0]["confidence"]


def test_an_unfamiliar_sound_is_unknown_unless_that_is_switched_off(
    edge_asc: Any, calibrated: Path, recording: Path
) -> None:
    assert decided(heard(edge_asc, recording))[-1] == "unknown"
    assert "unknown" not in decided(heard(edge_asc, recording, "--no-unknown"))
    text = edge_asc("listen", "--source", recording, "--fast").stdout
    assert "=== unknown scene begins, after bar for " in text


def test_drift_is_counted_unless_it_is_switched_off(
    edge_asc: Any, calibrated: Path, recording: Path
) -> None:
    drift = heard(edge_asc, recording)[-1]["drift"]
    assert drift["level_outside"] > 0.5
    assert drift["expected"] == 0.05
    assert heard(edge_asc, recording, "--no-drift")[-1]["drift"] is None


def changes(lines: list[dict[str, Any]]) -> list[float]:
    return [line["detected_s"] for line in lines if line["type"] == "event"]


def test_a_longer_time_constant_decides_later(
    edge_asc: Any, model_path: Path, recording: Path
) -> None:
    usual, slow = heard(edge_asc, recording), heard(edge_asc, recording, "--time-constant", "5")
    assert changes(usual)[1] < changes(slow)[1]
    none = heard(edge_asc, recording, "--smoothing", "none", "--margin", "0")
    assert changes(none)[1] <= changes(usual)[1]


def test_a_stay_means_the_hmm_with_a_matrix_of_its_own(
    edge_asc: Any, model_path: Path, recording: Path
) -> None:
    model = ModelFile.read(model_path)
    stuck = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]
    decisions = CALIBRATED | {"config": {"smoothing": "hmm", "transition": stuck}}
    manifest = replace(model.manifest, decisions=decisions)
    replace(model, manifest=manifest).write(model_path)
    assert set(decided(heard(edge_asc, recording))) == {"bar"}
    assert decided(heard(edge_asc, recording, "--stay", "10"))[-1] == "bus"


def test_raw_and_a_part_of_a_decision_exclude_each_other(
    edge_asc: Any, model_path: Path, recording: Path
) -> None:
    done = edge_asc("listen", "--source", recording, "--raw", "--margin", "0.3")
    assert done.exit_code == 2
    assert "--margin (command line) cannot be used with --raw (command line)" in done.stderr
