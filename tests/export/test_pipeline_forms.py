"""Every form that a network can be exported in, and when none is."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edge_asc import classifier
from edge_asc.classifier import SceneClassifier
from edge_asc.context import SceneContext
from edge_asc.errors import CheckpointError, ExportError
from edge_asc.export import parity, pipeline
from edge_asc.export.conversion import Converted, convert_network
from edge_asc.export.pipeline import Arithmetic, Export, ExportOptions
from edge_asc.export.precision import LADDER
from edge_asc.export.runtimes import available_runtimes
from edge_asc.model_file import ModelFile
from edge_asc.training.checkpoint import Windows, load_windows, save_windows

pytestmark = pytest.mark.converter

MAX_DROP_POINTS = 5.0
"""Measurable on the thirty windows of the small run: one of them is 3.3 points"""


@pytest.fixture
def export(
    bounded_run: Path,
    exported_bounded: Path,
    converted_before: Callable[[Path], None],
    tmp_path: Path,
) -> Callable[[ExportOptions], Export]:
    """Export the bounded run."""
    converted_before(exported_bounded)
    checkpoint = bounded_run / "checkpoint.safetensors"
    return lambda options: pipeline.export_model(checkpoint, options, tmp_path, lambda _: None)


@pytest.fixture
def heard(bounded_run: Path) -> Windows:
    return load_windows(bounded_run / "windows.safetensors").test


def read_back(export: Export, folder: Path) -> ModelFile:
    """Write the model and read it as an application does, with its golden windows run."""
    path = folder / "model.tflite"
    export.model.write(path)
    model = ModelFile.read(path)
    classifier._golden_seen.clear()
    SceneClassifier(model)
    return model


@pytest.mark.parametrize(
    ("arithmetic", "off", "bytes_a_weight"), [("float32", 1e-5, 4), ("float16", 0.02, 2)]
)
def test_float_forms(
    export: Callable[[ExportOptions], Export],
    exported_bounded: Path,
    heard: Windows,
    tmp_path: Path,
    arithmetic: Arithmetic,
    off: float,
    bytes_a_weight: int,
) -> None:
    model = read_back(export(ExportOptions(arithmetic)), tmp_path)
    assert model.manifest.quantization == arithmetic
    report = model.manifest.parity
    names = [stage["stage"] for stage in report["stages"]]
    assert len(set(names)) == len(names)
    shipped = [stage for stage in report["stages"] if stage["form"] == f"TFLite {arithmetic}"]
    assert {stage["runtime_class"] for stage in shipped} >= {"ai-edge-litert"}
    assert max(stage["max_error"] for stage in shipped) < off
    assert model.manifest.golden["bound_logits"] <= max(2 * off, 1e-3)
    assert model.manifest.golden["runtimes"] == {}
    int8 = ModelFile.read(exported_bounded / "bands.tflite")
    runs = [SceneClassifier(one) for one in (model, int8)]
    for features in heard.features[:5]:
        found, nearly = (run.whole_logits(features, SceneContext()) for run in runs)
        np.testing.assert_allclose(found, nearly, atol=0.2)
    use, of_int8 = (one.manifest.footprint["bytes"]["whole"] for one in (model, int8))
    assert use["weights"] == pytest.approx(bytes_a_weight * of_int8["weights"], rel=0.01)


def spoil(monkeypatch: pytest.MonkeyPatch, factors: dict[str, float]) -> None:
    """Let the ranges of some tensors be too wide by a factor, so that int8 hardly resolves them."""

    def convert_badly(*arguments: object) -> Converted:
        converted = convert_network(*arguments)  # type: ignore[arg-type]
        ranges = dict(converted.ranges)
        for name, factor in factors.items():
            low, high = ranges[name]
            ranges[name] = (low * factor, high * factor)
        return replace(converted, ranges=ranges)

    monkeypatch.setattr(pipeline, "convert_network", convert_badly)


ENCODER, HEAD = "blocks.0.mix", "logits"


@pytest.mark.parametrize(
    ("factors", "rung"),
    [
        ({}, 0),
        ({ENCODER: 1e3}, 1),
        ({HEAD: 1e3}, 2),
        ({ENCODER: 1e6, HEAD: 1e3}, 3),
    ],
    ids=[rung.quantization for rung in LADDER],
)
def test_the_first_rung_that_loses_little_is_taken(
    export: Callable[[ExportOptions], Export],
    heard: Windows,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    factors: dict[str, float],
    rung: int,
) -> None:
    spoil(monkeypatch, factors)
    done = export(ExportOptions(max_drop_points=MAX_DROP_POINTS))
    model = read_back(done, tmp_path)
    wanted = LADDER[rung]
    assert model.manifest.quantization == wanted.quantization
    for text, refused in zip(done.refused, LADDER[:rung], strict=True):
        assert re.match(rf"TFLite {refused.quantization}(, ai-edge-litert| does not run:) ", text)
    assert done.costs.startswith(wanted.costs)
    assert ("; networks of " in done.costs) == (rung > 0)
    stages = [s for s in model.manifest.parity["stages"] if s["kind"] == "quantized"]
    assert {stage["form"] for stage in stages} == {f"TFLite {wanted.quantization}"}
    runs = SceneClassifier(model)
    for features, label in zip(heard.features[:6], heard.label[:6], strict=True):
        assert runs.whole_logits(features, SceneContext()).argmax() == label
        assert runs.streamed_logits(features, SceneContext()).argmax() == label
    micro_runs_it = any(stage["runtime_class"] == "tflite-micro" for stage in stages)
    assert ("arena_bytes" in model.manifest.footprint) == micro_runs_it
    if "tflite-micro" not in available_runtimes().missing:
        assert micro_runs_it == (wanted.quantization != "dynamic range")
        refusals = [name for name in model.manifest.parity["not_run"] if "tflite-micro" in name]
        assert (refusals == []) == micro_runs_it


def test_without_a_drop_to_keep_to_it_is_int8_or_nothing(
    export: Callable[[ExportOptions], Export], monkeypatch: pytest.MonkeyPatch
) -> None:
    spoil(monkeypatch, {ENCODER: 1e3})
    with pytest.raises(ExportError, match=r"^refused: TFLite int8, ai-edge-litert .* in \d+ of 30"):
        export(ExportOptions())


def test_where_every_rung_loses_too_much_there_is_no_model(
    export: Callable[[ExportOptions], Export], monkeypatch: pytest.MonkeyPatch
) -> None:
    spoil(monkeypatch, {ENCODER: 1e6, HEAD: 1e3})
    monkeypatch.setattr(pipeline, "LADDER", LADDER[:3])
    with pytest.raises(ExportError, match=r"^refused: TFLite int8, head in float32 does not run"):
        export(ExportOptions(max_drop_points=MAX_DROP_POINTS))


def test_a_fault_of_the_float_network_ends_it_before_any_rung(
    export: Callable[[ExportOptions], Export], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parity, "MAX_FLOAT_ERROR", 0.0)
    monkeypatch.setattr(pipeline, "quantize_parts", pytest.fail)
    with pytest.raises(ExportError, match=r"^refused: ONNX, onnx.* differs from PyTorch by"):
        export(ExportOptions(max_drop_points=MAX_DROP_POINTS))


@pytest.mark.parametrize(("every_window", "windows"), [(False, 7), (True, 30)])
def test_slow_runtimes_get_some_windows_or_all(
    export: Callable[[ExportOptions], Export],
    monkeypatch: pytest.MonkeyPatch,
    every_window: bool,
    windows: int,
) -> None:
    monkeypatch.setattr(pipeline, "SLOW_WINDOWS", 7)
    report = export(ExportOptions(every_window=every_window)).report
    slow = {runtime.name for runtime in available_runtimes().runtimes if runtime.is_slow}
    assert {stage.runtime for stage in report.stages if stage.windows == windows} >= slow
    assert {stage.windows for stage in report.stages} == {30, windows}


def test_a_run_that_kept_no_test_windows(bounded_run: Path, tmp_path: Path) -> None:
    windows = load_windows(bounded_run / "windows.safetensors")
    nothing = windows.test.take(np.array([], np.int64))
    save_windows(tmp_path / "windows.safetensors", calibration=windows.calibration, test=nothing)
    checkpoint = tmp_path / "checkpoint.safetensors"
    checkpoint.write_bytes((bounded_run / "checkpoint.safetensors").read_bytes())
    with pytest.raises(ExportError, match="no test windows to judge the export by"):
        pipeline.export_model(checkpoint, ExportOptions(), tmp_path, lambda _: None)


def test_windows_that_are_not_there_are_named(bounded_run: Path, tmp_path: Path) -> None:
    alone = tmp_path / "checkpoint.safetensors"
    alone.write_bytes((bounded_run / "checkpoint.safetensors").read_bytes())
    with pytest.raises(CheckpointError, match=r"windows\.safetensors: no such file"):
        pipeline.export_model(alone, ExportOptions(), tmp_path, lambda _: None)
