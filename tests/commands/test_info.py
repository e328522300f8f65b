"""`edge-asc info`."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from edge_asc.model_file import ModelFile


def test_the_default_model_as_text(edge_asc: Any, model_path: Path) -> None:
    done = edge_asc("info")
    assert done.exit_code == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == "demonstration model: not fit to decide anything"
    for expected in (
        "name             level",
        f"file             {model_path}, {model_path.stat().st_size / 1e6:.3f} MB",
        "verified         2 parts by SHA-256",
        "scenes           bus, airport, bar",
        "trained cities   Hefei",
        "features         64 mel bands 50-22050 Hz of 44100 Hz sound, frames of 40 ms every 20 ms",
        "window           2 s",
        "network          variant edge, fusion gated, int8",
        "temperature      1 (not fitted): confidence is as the network gives it",
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
