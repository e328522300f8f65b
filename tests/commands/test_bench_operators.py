"""`edge-asc bench operators`, as it is typed; of the shipped model, whose head is small."""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from edge_asc.benchmarks.bench.result import Result
from edge_asc.export.flatbuffer import Graph
from edge_asc.model_file import ModelFile, default_model_path
from tests.benchmarks.bench.made_results import MODEL, made_result

ENCODER = ("bench", "operators", default_model_path(), "--network", "encoder", "--rounds", "20")


def test_every_operator_is_in_the_table(edge_asc: Any) -> None:
    done = edge_asc(*ENCODER, "--format", "json")
    assert done.exit_code == 0, done.stderr
    document = json.loads(done.stdout)
    rows = document["operators"]
    encoder = ModelFile.read(default_model_path()).encoder
    assert encoder is not None
    assert sum(row["operators"] for row in rows) == len(Graph(encoder).operators)
    assert {row["network"] for row in rows} == {"encoder"}
    assert document["model"] == rows[0]["model"]


def test_the_sum_stands_beside_the_whole(edge_asc: Any) -> None:
    done = edge_asc(*ENCODER)
    head, first, *_ = done.stdout.splitlines()
    assert head.split()[:3] == ["network", "number", "operators"]
    assert first.startswith("encoder")
    assert "µs in all operators; uncut" in done.stdout


def test_a_result_of_the_model_takes_it_in_once(edge_asc: Any, tmp_path: Path) -> None:
    sha256 = hashlib.sha256(default_model_path().read_bytes()).hexdigest()
    path = tmp_path / "a.json"
    made_result(models=({"name": MODEL, "sha256": sha256},)).write(path)
    for _ in range(2):
        assert edge_asc(*ENCODER, "--add-to", path).exit_code == 0
    rows = Result.read(path).operators
    assert {row["model"] for row in rows} == {MODEL}
    assert [row["index"] for row in rows] == sorted({row["index"] for row in rows})
    page = edge_asc("bench", "report", path, path)
    assert "## Operators" in page.stdout


def test_a_result_of_another_model_is_left_alone(edge_asc: Any, tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    made_result().write(path)
    before = path.read_bytes()
    done = edge_asc(*ENCODER, "--add-to", path)
    assert done.exit_code == 1
    assert "is of m, and none of them is this file" in done.stderr
    assert path.read_bytes() == before


def test_a_network_that_the_model_has_not_is_wrong_usage(edge_asc: Any, model_path: Path) -> None:
    done = edge_asc("bench", "operators", model_path, "--network", "head")
    assert done.exit_code == 2
    assert "level has no head: it has whole" in done.stderr


def test_without_litert_it_says_what_to_install(
    edge_asc: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [*sys.modules]:
        if name.startswith(("edge_asc.benchmarks.bench.operators", "edge_asc.benchmarks.bench.gr")):
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.delitem(sys.modules, "edge_asc.export.flatbuffer")
    monkeypatch.setitem(sys.modules, "flatbuffers", None)
    done = edge_asc(*ENCODER)
    assert done.exit_code == 1
    assert "flatbuffers is missing): pip install ai-edge-litert" in done.stderr


def test_a_file_that_is_no_model_is_told(edge_asc: Any, tmp_path: Path) -> None:
    path = tmp_path / "x.tflite"
    path.write_bytes(b"TFL3")
    assert edge_asc("bench", "operators", path).exit_code == 1
