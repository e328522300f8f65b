"""`edge-asc calibrate`: on recordings, on runs, and what it refuses."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from edge_asc.model_file import ModelFile


@pytest.fixture
def recordings(tmp_path: Path, rng: np.random.Generator) -> Path:
    """Loud ones of a bar and soft ones of a bus, two minutes each, and one of another class."""
    folder = tmp_path / "mine"
    folder.mkdir()
    rows = []
    for number, (scene, level) in enumerate([("bar", 0.5), ("bus", 0.001)] * 2 + [("siren", 0.1)]):
        sound = level * rng.uniform(-1, 1, 30 * 44_100)
        soundfile.write(folder / f"{number}.wav", sound, 44_100)
        rows.append({"file": f"{number}.wav", "scene": scene, "group": f"visit{number}"})
    with (folder / "clips.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, ["file", "scene", "group"])
        writer.writeheader()
        writer.writerows(rows)
    return folder


def test_recordings_of_ones_own(
    edge_asc: Any, model_path: Path, recordings: Path, tmp_path: Path
) -> None:
    before = ModelFile.read(model_path)
    done = edge_asc("calibrate", model_path, "--data", recordings, "-o", tmp_path / "home.tflite")
    assert done.exit_code == 0, done.stderr
    assert done.stdout.startswith("60 windows of 4 groups (mine)\ntemperature ")
    after = ModelFile.read(tmp_path / "home.tflite")
    assert after.whole == before.whole
    assert after.manifest.decisions["held_out"]["windows"] == 60
    assert after.manifest.decision_config.unknown_below is not None
    level = after.manifest.drift_reference
    assert level is not None
    assert level.level[0] < -1.0 < 1.0 < level.level[1]
    listened = edge_asc(
        "listen", "--source", recordings / "0.wav", "--fast", "--model", tmp_path / "home.tflite",
        "--format", "json",
    )  # fmt: skip
    assert '"drift": {"level": ' in listened.stdout


def test_a_signature_does_not_outlast_it(
    edge_asc: Any, signed_path: Path, recordings: Path, tmp_path: Path
) -> None:
    done = edge_asc("calibrate", signed_path, "--data", recordings, "-o", tmp_path / "home.tflite")
    assert done.exit_code == 0, done.stderr
    assert done.stderr.endswith("home.tflite; it is not signed any more\n")
    assert ModelFile.read(tmp_path / "home.tflite").signature is None


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ((), "give either --data DIR or --run DIR"),
        (("--data", "a", "--run", "b"), "give either --data DIR or --run DIR"),
        (("--run", "b", "--folds", "1"), "--folds chooses among the recordings of --data"),
        (("--data", "a", "--false-alarm", "0.6"), "0.6 is not in the range"),
    ],
)
def test_wrong_usage(
    edge_asc: Any, model_path: Path, tmp_path: Path, options: tuple[str, ...], message: str
) -> None:
    done = edge_asc("calibrate", model_path, *options, "-o", tmp_path / "out.tflite")
    assert done.exit_code == 2
    assert message in done.stderr


def test_too_few_recordings(
    edge_asc: Any, model_path: Path, recordings: Path, tmp_path: Path
) -> None:
    done = edge_asc(
        "calibrate", model_path, "--data", recordings, "--folds", "9", "-o", tmp_path / "o.tflite"
    )
    assert done.exit_code == 1
    assert "0 held-out windows of 0 groups are too few; at least 20 of 2" in done.stderr
    assert not (tmp_path / "o.tflite").exists()
