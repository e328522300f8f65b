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


def test_golden_windows_of_each_interpreter(edge_asc: Any, model_path: Path) -> None:
    model = ModelFile.read(model_path)
    golden = {
        "windows": 1,
        "reference": "ai-edge-litert 2.1.0",
        "bound_logits": 0.5,
        "runtimes": {"tflite-micro": {"version": "0.1", "bound_logits": 0.25}},
    }
    arrays = {**model.golden, "tflite-micro.logits": model.golden["logits"]}
    replace(model, manifest=replace(model.manifest, golden=golden), golden=arrays).write(model_path)
    assert (
        "golden windows   1, logits equal with ai-edge-litert 2.1.0, within 0.25 with tflite-micro,"
        " within 0.5 with others"
    ) in edge_asc("info").stdout.splitlines()


def test_bytes_and_arena(edge_asc: Any, model_path: Path) -> None:
    footprint = {
        "arena_bytes": {"whole": 150_000, "head": 60_040},
        "bytes": {
            "whole": {
                "operators": 50_200,
                "weights": 369_000,
                "other_constants": 0,
                "total": 419_200,
            },
            "encoder": {"weights": 140_000, "total": 140_000},
        },
    }
    show(model_path, footprint=footprint)
    lines = edge_asc("info").stdout.splitlines()
    begin = lines.index("size")
    assert lines[begin + 1 : begin + 4] == [
        "  whole    419.2 kB (weights 369.0, operators 50.2), arena in"
        " TensorFlow Lite Micro 150.0 kB",
        "  encoder  140.0 kB (weights 140.0)",
        "  head     arena in TensorFlow Lite Micro 60.0 kB",
    ]


def show(model_path: Path, **entries: Any) -> None:
    """Write other `entries` into the manifest."""
    model = ModelFile.read(model_path)
    replace(model, manifest=replace(model.manifest, **entries)).write(model_path)


def stage(form: str, kind: str, runtime: str, **facts: object) -> dict[str, object]:
    """A stage of the parity report, as the export writes it."""
    usual = {
        "way": "whole window",
        "windows": 16,
        "max_error": 0.1,
        "snr_db": 30.0,
        "num_flips": 0,
        "drop_points": 0.0,
        "drop_interval": [0.0, 0.0],
        "rounding": None,
    }
    return {"form": form, "kind": kind, "runtime": runtime, **usual, **facts}


REPORT = {
    "windows": 16,
    "groups": 4,
    "data": "tones",
    "reference": "PyTorch 2.13.0",
    "reference_accuracy": 0.75,
    "reference_interval": [0.5, 0.875],
    "stages": [
        stage("device network", "device", "PyTorch 2.13.0", snr_db=41.25),
        stage("ONNX", "float", "onnxruntime 1.2", rounding={"max_error": 2e-6}),
        stage("ONNX", "float", "onnxruntime 1.2", rounding={"max_error": 4e-6}),
        stage("TFLite int8", "quantized", "LiteRT 2", max_error=0.2, snr_db=31.5),
        stage(
            "TFLite int8",
            "quantized",
            "LiteRT 2",
            way="encoder + head",
            max_error=0.3,
            snr_db=29.25,
            num_flips=1,
            drop_points=6.25,
            drop_interval=[-2.5, 12.5],
        ),
        stage("TFLite int8", "quantized", "micro 1", windows=8, max_error=0.0, snr_db=None),
    ],
    "not_run": {"tflite-runtime": "it is for Python 3.11"},
    "context": {"attributes": [{"agreeing": 23, "answers": 24}, {"agreeing": 11, "answers": 12}]},
}


def parity_lines(text: str) -> list[str]:
    lines = text.splitlines()
    begin = lines.index("parity") + 1
    return lines[begin : lines.index("", begin)]


def test_the_parity_report_has_a_line_for_each_runtime(edge_asc: Any, model_path: Path) -> None:
    show(model_path, parity=REPORT)
    assert parity_lines(edge_asc("info").stdout) == [
        "  16 windows of 4 groups: tones",
        "  the trained network in PyTorch 2.13.0: accuracy 75.0 % (95 % interval 50.0 - 87.5)",
        "  device network, whole window",
        "    PyTorch 2.13.0                          41.2 dB, another scene in 0 of 16, accuracy"
        " drop +0.00 points (+0.00 to +0.00)",
        "  ONNX: equal within 4e-06 on a logit",
        "  TFLite int8, whole window or encoder + head, whichever is farther off",
        "    LiteRT 2                                29.2 dB, another scene in 1 of 16, accuracy"
        " drop +6.25 points (-2.50 to +12.50)",
        "    micro 1                                   equal, another scene in 0 of 8, accuracy"
        " drop +0.00 points (+0.00 to +0.00)",
        "  in every city, at every time: same scene in 34 of 36 answers",
        "  not run: tflite-runtime: it is for Python 3.11",
    ]


def test_a_network_in_float_without_context(edge_asc: Any, model_path: Path) -> None:
    exact = stage("TFLite float32", "float", "LiteRT 2", max_error=3e-6)
    show(model_path, parity=REPORT | {"stages": [exact], "context": None, "not_run": {}})
    assert parity_lines(edge_asc("info").stdout)[2:] == [
        "  TFLite float32: equal within 3e-06 on a logit"
    ]


def test_a_parity_report_that_is_none(edge_asc: Any, model_path: Path) -> None:
    show(model_path, parity={key: REPORT[key] for key in REPORT if key != "stages"})
    done = edge_asc("info")
    assert (done.exit_code, done.stdout) == (1, "")
    assert "KeyError: 'stages'" in done.stderr


def test_a_card_that_is_no_card(edge_asc: Any, model_path: Path) -> None:
    model = ModelFile.read(model_path)
    for card in ({"evaluation": 5}, {"evaluation": {"test": {"accuracy": "high"}}}):
        replace(model, manifest=replace(model.manifest, card=card)).write(model_path)
        done = edge_asc("info")
        assert (done.exit_code, done.stdout) == (1, "")
        assert "its report or card is not as `edge-asc export` writes it" in done.stderr
    assert edge_asc("info", "--format", "json").exit_code == 0


def test_what_a_model_decides_by(edge_asc: Any, model_path: Path) -> None:
    model = ModelFile.read(model_path)
    decisions = {
        "config": {"unknown_below": 2.5},
        "drift": {"level": [-1.0, 0.5], "colour": 0.75, "outside": 0.05},
        "held_out": {"data": "tones", "windows": 40, "groups": 4, "false_alarm_rate": 0.1},
    }
    manifest = replace(model.manifest, temperature=1.25, decisions=decisions)
    replace(model, manifest=manifest).write(model_path)
    lines = edge_asc("info").stdout.splitlines()
    assert (
        "temperature      1.25, fitted on 40 windows of 4 groups, tones: confidence is calibrated"
        " by it" in lines
    )
    decides_by = next(line for line in lines if line.startswith("decisions"))
    assert decides_by == (
        "decisions        unknown below a familiarity of 2.5"
        " (10 % of 40 windows of 4 groups, tones);"
        " drift outside level -1.00 to +0.50, colour 0.75 (5 % of them each)"
    )
