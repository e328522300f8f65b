"""`edge-asc classify`."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest

WavWriter = Callable[..., Path]
SCHEMA_PATH = Path(__file__).parents[2] / "docs" / "messages.schema.json"
SCHEMA = json.loads(SCHEMA_PATH.read_text(encoding="utf-8"))


@pytest.fixture
def loud(write_wav: WavWriter, rng: np.random.Generator) -> Path:
    return write_wav(rng.uniform(-0.9, 0.9, 5 * 44_100), name="loud.wav")


@pytest.fixture
def soft(write_wav: WavWriter, rng: np.random.Generator) -> Path:
    return write_wav(rng.uniform(-1e-3, 1e-3, 2 * 44_100), name="soft.wav")


def json_lines(text: str) -> list[dict[str, Any]]:
    estimates = [json.loads(line) for line in text.splitlines()]
    for estimate in estimates:
        jsonschema.validate(estimate, SCHEMA)
    return estimates


def test_one_line_a_file(edge_asc: Any, model_path: Path, loud: Path, soft: Path) -> None:
    done = edge_asc("classify", loud, soft)
    assert done.exit_code == 0, done.stderr
    first, second = done.stdout.splitlines()
    assert first.startswith(f"{loud}  bar ")
    assert first.endswith("[short, repeated to a whole window]")
    assert second.startswith(f"{soft}  bus ")
    assert done.stderr == "demonstration model: not fit to decide anything\n"


def test_json(edge_asc: Any, model_path: Path, loud: Path, soft: Path) -> None:
    options = ("--format", "json", "--city", "Hefei", "--time", "2026-05-17T12:00")
    first, second = json_lines(edge_asc("classify", loud, soft, *options).stdout)
    assert (first["file"], first["scene"], first["padded"]) == (str(loud), "bar", True)
    assert (first["start_s"], first["end_s"]) == (0, 5)
    assert (first["time"], first["city"]) == ("2026-05-17T12:00:05.000", "Hefei")
    assert (second["file"], second["scene"], second["padded"]) == (str(soft), "bus", False)


def test_windows(edge_asc: Any, model_path: Path, loud: Path) -> None:
    windows = json_lines(edge_asc("classify", loud, "--windows", "--format", "json").stdout)
    assert [(window["start_s"], window["end_s"], window["padded"]) for window in windows] == [
        (0, 2, False),
        (2, 4, False),
        (4, 5, True),
    ]
    (whole,) = json_lines(edge_asc("classify", loud, "--format", "json").stdout)
    mean = np.mean([window["probabilities"]["bar"] for window in windows])
    assert whole["probabilities"]["bar"] == pytest.approx(mean, abs=2e-6)
    text = edge_asc("classify", loud, "--windows").stdout.splitlines()
    assert text[1].startswith(f"{loud}     2.0 to    4.0 s  bar ")


def test_csv(edge_asc: Any, model_path: Path, loud: Path, soft: Path) -> None:
    done = edge_asc("classify", loud, soft, "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(done.stdout)))
    assert [row["scene"] for row in rows] == ["bar", "bus"]
    assert list(rows[0])[-3:] == ["bus", "airport", "bar"]
    assert rows[0]["bar"] == rows[0]["confidence"]
    assert rows[0]["model"] == "level"


def test_a_bad_file_does_not_stop_the_others(
    edge_asc: Any, model_path: Path, loud: Path, tmp_path: Path
) -> None:
    done = edge_asc("classify", tmp_path / "none.wav", tmp_path, loud)
    assert done.exit_code == 1
    assert len(done.stdout.splitlines()) == 1
    assert f"edge-asc: error: {tmp_path / 'none.wav'}: no such file" in done.stderr
    assert f"name the files in it, for instance {tmp_path}/*.wav" in done.stderr


def test_usage(edge_asc: Any, model_path: Path, loud: Path) -> None:
    assert edge_asc("classify").exit_code == 2
    assert edge_asc("classify", loud, "--city", "Atlantis").exit_code == 2


def test_only_a_signed_model_with_trust(
    edge_asc: Any, model_path: Path, signed_path: Path, soft: Path, key: Path
) -> None:
    arguments = ("classify", soft, "--trust", f"{key}.pub")
    for model in ((), ("--model", model_path)):
        done = edge_asc(*arguments, *model)
        assert (done.exit_code, done.stdout) == (1, "")
        assert f"edge-asc: error: {model_path} is not signed" in done.stderr
    assert edge_asc(*arguments, "--model", signed_path).exit_code == 0


def test_the_installed_model_is_used(
    edge_asc: Any, model_path: Path, soft: Path, models: Path
) -> None:
    edge_asc("update", model_path)
    arguments = ("classify", soft)
    line = f"using the installed model {models / 'model.tflite'}"
    assert edge_asc(*arguments).stderr.splitlines()[0] == line
    assert line not in edge_asc(*arguments, "--model", model_path).stderr
    (models / "model.tflite").write_bytes(b"broken")
    done = edge_asc(*arguments)
    assert done.exit_code == 0
    first, second = done.stderr.splitlines()[:2]
    assert first.startswith("the installed model cannot be used: ")
    assert second == "using the model shipped with edge-asc instead"
