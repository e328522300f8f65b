"""A trained network becomes a model file that runs, by the converter itself."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from edge_asc.classifier import SceneClassifier
from edge_asc.context import SceneContext
from edge_asc.errors import CheckpointError, ExportError
from edge_asc.export import parity, pipeline
from edge_asc.export.calibration import draw_calibration
from edge_asc.export.onnx import OnnxNetwork, network_parts, write_onnx
from edge_asc.export.pipeline import export_command
from edge_asc.export.tflite import Conversion
from edge_asc.model_file import ModelFile
from edge_asc.training.checkpoint import load_checkpoint, load_windows

METRICS = {"test_clips": {"made-up bands": 30}}


@pytest.fixture(scope="module")
def exported(trained_run: Path) -> Path:
    card = trained_run / "card.md"
    card.write_text("Made for a test.", encoding="utf-8")
    out = trained_run / "bands.tflite"
    export_command(
        trained_run / "checkpoint.safetensors",
        out,
        int8=True,
        name="bands int8",
        work_dir=trained_run / "work",
        card=card,
    )
    return out


@pytest.mark.converter
def test_the_manifest_holds_what_the_checkpoint_knew(exported: Path) -> None:
    facts = ModelFile.read(exported).manifest
    assert (facts.name, facts.quantization, facts.window_s) == ("bands int8", "int8", 2.0)
    assert facts.trained_cities == ("Jinan", "Xi'an")
    assert facts.temperature == 1.25
    assert facts.recipe == {"name": "bands"}
    assert facts.card == {"text": "Made for a test.", "evaluation": METRICS}
    assert facts.calibration["windows"] == 60
    assert facts.versions["onnx2tf"]


@pytest.mark.converter
def test_every_stage_is_in_the_parity_report(exported: Path) -> None:
    report = ModelFile.read(exported).manifest.parity
    assert report["data"].startswith("the training run's test clips (30 of made-up bands), by ")
    stages = {stage["stage"]: stage for stage in report["stages"]}
    assert list(stages) == [
        "ONNX",
        "TFLite float32 whole window",
        "TFLite float32 encoder + head",
        "TFLite int8 whole window",
        "TFLite int8 encoder + head",
    ]
    for name, stage in stages.items():
        assert stage["agreement"] == 1.0, name
        assert stage["int8"] or stage["max_error"] < 1e-5, name
    # The bands are easy: 20 dB is far below what int8 gives here and far above a broken conversion.
    assert stages["TFLite int8 whole window"]["snr_db"] > 20.0
    assert stages["TFLite int8 encoder + head"]["snr_db"] > 20.0


@pytest.mark.converter
def test_the_file_classifies_windows_and_streams(exported: Path, trained_run: Path) -> None:
    classifier = SceneClassifier(ModelFile.read(exported))
    windows = load_windows(trained_run / "windows.safetensors").test
    for features, label in zip(windows.features[:9], windows.label[:9], strict=True):
        whole = classifier.whole_logits(features, SceneContext())
        streamed = classifier.streamed_logits(features, SceneContext("Jinan"))
        assert whole.argmax() == streamed.argmax() == label


def test_a_network_without_cells_is_exported_whole_and_streams_by_windows(
    trained_paper_run: Path,
) -> None:
    out = trained_paper_run / "paper.tflite"
    export_command(trained_paper_run / "checkpoint.safetensors", out, True, None, None)
    model = ModelFile.read(out)
    assert model.encoder is model.head is None
    assert [stage["stage"] for stage in model.manifest.parity["stages"]] == [
        "ONNX",
        "TFLite float32 whole window",
        "TFLite int8 whole window",
    ]
    samples = (0.1 * np.random.default_rng(3).standard_normal(3 * 44_100)).astype(np.float32)
    estimates = SceneClassifier(model).process(samples, SceneContext())
    assert [(e.start_s, e.end_s) for e in estimates] == [(0.0, 2.0), (1.0, 3.0)]
    # A clip has zeros before its first frame, and so has a stream before its first window.
    clip = SceneClassifier(model).classify(samples[: 2 * 44_100], SceneContext())
    np.testing.assert_allclose(estimates[0].probabilities, clip.probabilities, atol=0.02)


def test_the_onnx_network_is_the_torch_network(trained_run: Path, tmp_path: Path) -> None:
    network = load_checkpoint(trained_run / "checkpoint.safetensors").build_network()
    windows = load_windows(trained_run / "windows.safetensors").test
    whole, encoder, head = network_parts(network)
    assert [part.name for part in (whole, encoder, head)] == ["whole", "encoder", "head"]
    onnx = OnnxNetwork(write_onnx(whole, tmp_path))
    inputs = {
        "features": windows.features[:1, None],
        "city": windows.city[:1],
        "time": windows.time[:1],
    }
    with torch.no_grad():
        expected = network(*(torch.from_numpy(values) for values in inputs.values())).numpy()
    np.testing.assert_allclose(onnx.run(**inputs), expected, atol=1e-5)


def test_calibration_covers_every_context_a_device_can_meet(trained_run: Path) -> None:
    checkpoint = load_checkpoint(trained_run / "checkpoint.safetensors")
    windows = load_windows(trained_run / "windows.safetensors").calibration
    drawn = draw_calibration(checkpoint, windows, seed=0)
    head = drawn.inputs["head"]
    assert head["steps"].shape == (60, 4, 1024)
    assert drawn.inputs["encoder"]["features"].shape == (120, 50, 64, 1)
    assert head["city"].sum() == 60
    assert head["time"].min() < -0.9
    assert head["time"].max() == 1.0
    again = draw_calibration(checkpoint, windows, seed=0)
    np.testing.assert_array_equal(head["time"], again.inputs["head"]["time"])


def test_below_the_floor_nothing_is_written(
    trained_run: Path, exported: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def converted_before(onnx_path: Path, *_: object, **__: object) -> Conversion:
        part = str(exported.parent / "work" / onnx_path.stem / onnx_path.stem)
        suffixes = ("_float32.tflite", "_float16.tflite", "_full_integer_quant.tflite")
        float32, float16, int8 = (Path(part + suffix).read_bytes() for suffix in suffixes)
        return Conversion(float32, float16, int8, 1.0, 1.0, "onnx2tf", Path(part + ".log"))

    monkeypatch.setattr(pipeline, "convert", converted_before)
    monkeypatch.setattr(parity, "MIN_INT8_AGREEMENT", 1.01)
    with pytest.raises(ExportError, match="refused: TFLite int8 whole window names another scene"):
        export_command(
            trained_run / "checkpoint.safetensors", tmp_path / "refused.tflite", True, None, None
        )
    assert list(tmp_path.iterdir()) == []


def test_windows_that_are_not_there_are_named(trained_run: Path, tmp_path: Path) -> None:
    alone = tmp_path / "checkpoint.safetensors"
    alone.write_bytes((trained_run / "checkpoint.safetensors").read_bytes())
    with pytest.raises(CheckpointError, match=r"windows\.safetensors: no such file"):
        export_command(alone, tmp_path / "m.tflite", True, None, None)


@pytest.mark.parametrize("content", ["no JSON", "[1, 2]"])
def test_an_evaluation_that_is_none_is_refused_at_once(tmp_path: Path, content: str) -> None:
    metrics = tmp_path / "metrics.json"
    metrics.write_text(content)
    with pytest.raises(ExportError, match=r"metrics\.json (is not JSON|holds no table)"):
        export_command(tmp_path / "c", tmp_path / "m", True, None, None, evaluation=metrics)
