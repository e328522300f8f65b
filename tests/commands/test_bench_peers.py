"""`edge-asc bench peers` as it is typed, with peers that need no converter."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest

from edge_asc.benchmarks.bench.peers_threads import VARIABLES
from edge_asc.benchmarks.bench.result import Result
from edge_asc.model_file import ModelFile, default_model_path
from tests.commands.conftest import Program

SCHEMA = json.loads((Path(__file__).parents[2] / "docs" / "bench.schema.json").read_text())
QUICK = ("--runs", "2", "--warm-up", "0")


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edge_asc.benchmarks.bench.peers.REST_S", 0.01)
    for variable in VARIABLES:  # so that what the command sets is set back
        monkeypatch.setenv(variable, "1")


@pytest.fixture
def encoder_path(tmp_path: Path) -> Path:
    """A .tflite that hears patches of 50 frames: the shipped encoder."""
    encoder = ModelFile.read(default_model_path()).encoder
    assert encoder is not None
    path = tmp_path / "encoder.tflite"
    path.write_bytes(encoder)
    return path


def test_the_official_pipeline_and_a_file_beside_the_shipped_model(
    edge_asc: Program, encoder_path: Path, tmp_path: Path
) -> None:
    out = tmp_path / "peers.json"
    peer = f"mine={encoder_path}:log-mel"
    done = edge_asc("bench", "peers", *QUICK, "--only", "official", "--peer", peer, "-o", str(out))
    assert done.exit_code == 0, done.stderr
    rows = [line.split("|")[1].strip() for line in done.stdout.splitlines() if line[:1] == "|"]
    assert rows[2] == "edge int8, LiteRT"
    assert rows[3] == "one more second of its stream"
    assert {"official pipeline*", "official pipeline onnxruntime*", "mine"} <= set(rows)
    assert done.stderr.splitlines()[-1] == f"wrote {out}"
    jsonschema.validate(json.loads(out.read_text()), SCHEMA)
    assert {len(each.samples_s) for each in Result.read(out).timings} == {2}


def test_json_is_all_that_is_on_stdout(edge_asc: Program, encoder_path: Path) -> None:
    peer = f"mine={encoder_path}"
    options = ("--only", "official", "--peer", peer, "--format", "json", "--clock", "cpu")
    done = edge_asc("bench", "peers", *QUICK, *options)
    document = json.loads(done.stdout)
    jsonschema.validate(document, SCHEMA)
    assert document["models"][-1]["name"] == "mine"
    assert document["settings"]["clock"] == "cpu"


def test_a_file_that_cannot_be_a_peer_is_left_out_and_said(
    edge_asc: Program, tmp_path: Path
) -> None:
    path = tmp_path / "text.tflite"
    path.write_text("no network")
    done = edge_asc("bench", "peers", *QUICK, "--only", "official", "--peer", f"mine={path}")
    assert done.exit_code == 0
    assert "left out: `mine`: " in done.stderr
    assert "- `mine`: " in done.stdout


@pytest.mark.parametrize(
    ("value", "fault"),
    [
        ("mine", "must be NAME=FILE or NAME=FILE:FRONTEND"),
        ("mine=", "must be NAME=FILE or NAME=FILE:FRONTEND"),
        ("mine=missing.tflite:samples", "missing.tflite: no such file"),
    ],
)
def test_a_peer_that_is_not_named_well_is_wrong_usage(
    edge_asc: Program, value: str, fault: str
) -> None:
    done = edge_asc("bench", "peers", "--peer", value)
    assert done.exit_code == 2
    assert fault in done.stderr


def test_a_folder_as_output_is_wrong_usage_before_anything_is_measured(
    edge_asc: Program, tmp_path: Path
) -> None:
    done = edge_asc("bench", "peers", "-o", str(tmp_path))
    assert done.exit_code == 2
    assert "is a folder" in done.stderr
