"""`edge-asc info`."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

from edge_asc.model_file import ModelFile
from edge_asc.signature import read_public_key


def test_the_default_model_as_text(edge_asc: Any, model_path: Path) -> None:
    done = edge_asc("info")
    assert done.exit_code == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == "demonstration model: not fit to decide anything"
    for expected in (
        "name             level",
        f"file             {model_path}, {model_path.stat().st_size / 1e6:.3f} MB",
        "verified         2 parts by SHA-256",
        "signature        none",
        "scenes           bus, airport, bar",
        "trained cities   Hefei",
        "features         64 mel bands 50-22050 Hz of 44100 Hz sound, frames of 40 ms every 20 ms",
        "window           2 s",
        "network          variant edge, fusion gated, int8",
        "temperature      1 (not fitted): confidence is as the network gives it",
        "golden windows   1, logits within 0.1",
        "licence          MIT",
        "  16 windows of 4 groups: tones",
        "  TFLite int8 whole window          31.2 dB, same scene in 93.8 %, accuracy 75.0 %"
        " (95 % interval 50.0 - 87.5)",
        "  accuracy 75.0 % (95 % interval 50.0 - 87.5) on 16 windows of 4 groups",
        "    bus                25.0 %",
        "    airport            not testable",
        "  made for a test",
        "  in two lines",
    ):
        assert expected in lines


def test_a_fitted_temperature(edge_asc: Any, model_path: Path) -> None:
    model = ModelFile.read(model_path)
    replace(model, manifest=replace(model.manifest, temperature=1.375)).write(model_path)
    line = "temperature      1.38, fitted on validation clips: confidence is calibrated by it"
    assert line in edge_asc("info").stdout.splitlines()
    values = json.loads(edge_asc("info", "--format", "json").stdout)
    assert values["manifest"]["temperature"] == 1.375


def test_json(edge_asc: Any, model_path: Path) -> None:
    values = json.loads(edge_asc("info", model_path, "--format", "json").stdout)
    assert values["file"] == str(model_path)
    assert values["signature"] is None
    assert values["size_bytes"] == model_path.stat().st_size
    assert values["manifest"]["card"]["evaluation"]["test"]["accuracy"] == 0.75
    assert values["manifest"]["features"]["hop_samples"] == 882


def test_a_damaged_model(edge_asc: Any, model_path: Path) -> None:
    data = bytearray(model_path.read_bytes())
    data[12] ^= 1
    model_path.write_bytes(data)
    done = edge_asc("info", model_path)
    assert done.exit_code == 1
    assert f"edge-asc: error: {model_path} is damaged" in done.stderr
    assert done.stdout == ""


def test_who_signed_it(edge_asc: Any, signed_path: Path, key: Path, tmp_path: Path) -> None:
    key_id = read_public_key(tmp_path / "key.pub").key_id
    line = f"signature        says key {key_id}; --trust checks it"
    assert line in edge_asc("info", signed_path).stdout.splitlines()
    done = edge_asc("info", signed_path, "--trust", tmp_path / "key.pub")
    assert f"signature        by the trusted key {key_id}" in done.stdout.splitlines()
    for options, trusted in (((), False), (("--trust", tmp_path / "key.pub"), True)):
        done = edge_asc("info", signed_path, "--format", "json", *options)
        expected = {"key_id": key_id, "trusted": trusted}
        assert json.loads(done.stdout)["signature"] == expected


def test_another_key(edge_asc: Any, signed_path: Path, tmp_path: Path) -> None:
    edge_asc("keygen", tmp_path / "other")
    done = edge_asc("info", signed_path, "--trust", tmp_path / "other.pub")
    assert (done.exit_code, done.stdout) == (1, "")
    assert re.search(r"is signed by key \w{16}, trusted is only key \w{16} \(", done.stderr)


def test_the_installed_model_is_shown(edge_asc: Any, model_path: Path, models: Path) -> None:
    edge_asc("update", model_path)
    assert f"file             {models / 'model.tflite'}, " in edge_asc("info").stdout


def test_golden_windows_and_footprint(edge_asc: Any, model_path: Path) -> None:
    model = ModelFile.read(model_path)
    golden = {
        "windows": 1,
        "reference": "ai-edge-litert 2.1.0",
        "bound_logits": 0.5,
        "runtimes": {"tflite-micro": {"version": "0.1", "bound_logits": 0.25}},
    }
    footprint = {
        "arena_bytes": {"whole": 150_000, "head": 60_040},
        "bytes": {"whole": {"weights": 369_000, "operators": 50_200}},
    }
    manifest = replace(model.manifest, golden=golden, footprint=footprint)
    arrays = {**model.golden, "tflite-micro.logits": model.golden["logits"]}
    replace(model, manifest=manifest, golden=arrays).write(model_path)
    lines = edge_asc("info").stdout.splitlines()
    for expected in (
        "golden windows   1, logits equal with ai-edge-litert 2.1.0, within 0.25 with tflite-micro,"
        " within 0.5 with others",
        "microcontroller",
        "  whole    arena 150.0 kB; file: weights 369.0 kB, operators 50.2 kB",
        "  head     arena 60.0 kB",
    ):
        assert expected in lines


def test_a_card_that_is_no_card(edge_asc: Any, model_path: Path) -> None:
    model = ModelFile.read(model_path)
    for card in ({"evaluation": 5}, {"evaluation": {"test": {"accuracy": "high"}}}):
        replace(model, manifest=replace(model.manifest, card=card)).write(model_path)
        done = edge_asc("info")
        assert (done.exit_code, done.stdout) == (1, "")
        assert "its report or card is not as `edge-asc export` writes it" in done.stderr
    assert edge_asc("info", "--format", "json").exit_code == 0
