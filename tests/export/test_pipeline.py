"""A trained network becomes a model file that runs, by the converter itself."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edge_asc import classifier, interpreter
from edge_asc.classifier import SceneClassifier
from edge_asc.context import SceneContext
from edge_asc.errors import ModelFileError
from edge_asc.export.command import export_command
from edge_asc.export.pipeline import ExportOptions
from edge_asc.export.runtimes import available_runtimes
from edge_asc.golden import allowed_error
from edge_asc.interpreter import Network, runtime_name
from edge_asc.model_file import ModelFile
from edge_asc.training.checkpoint import Windows, load_windows

METRICS = {"test_clips": {"made-up bands": 30}}

pytestmark = pytest.mark.converter
both_runs = pytest.mark.parametrize("folder", ["exported", "exported_bounded"], indirect=True)


@pytest.fixture
def folder(request: pytest.FixtureRequest) -> Path:
    """What an export left; `exported` of a plain network, `exported_bounded` of a bounded one."""
    path: Path = request.getfixturevalue(request.param)
    return path


@pytest.fixture
def model(folder: Path) -> ModelFile:
    return ModelFile.read(folder / "bands.tflite")


@pytest.fixture
def heard(trained_run: Path) -> Windows:
    return load_windows(trained_run / "windows.safetensors").test


@pytest.fixture
def interpreter_anew() -> Iterator[None]:
    """Forget which interpreter was loaded, and which models it ran right; before and after."""
    interpreter._load.cache_clear()
    classifier._golden_seen.clear()
    yield
    interpreter._load.cache_clear()
    classifier._golden_seen.clear()


def test_the_manifest_holds_what_the_checkpoint_knew(exported: Path) -> None:
    facts = ModelFile.read(exported / "bands.tflite").manifest
    assert (facts.name, facts.quantization, facts.window_s) == ("bands int8", "int8", 2.0)
    assert facts.trained_cities == ("Jinan", "Xi'an")
    assert facts.temperature == 1.25
    assert facts.recipe == {"name": "bands"}
    assert facts.card == {"text": "Made for a test.", "evaluation": METRICS}
    assert (facts.calibration["bounded_in"], facts.calibration["windows"]) == ("export", 60)
    assert {"torch", "onnx", "onnxruntime", "ai-edge-litert", "onnx2tf"} <= facts.versions.keys()


def test_a_bounded_network_was_calibrated_in_training(exported_bounded: Path) -> None:
    facts = ModelFile.read(exported_bounded / "bands.tflite").manifest
    assert facts.calibration == {"bounded_in": "training", "clip_share": 1e-3}


@both_runs
def test_every_runtime_that_is_here_is_in_the_parity_report(model: ModelFile) -> None:
    report = model.manifest.parity
    assert report["data"] == "the training run's test clips (30 of made-up bands)"
    modules = {
        "ai-edge-litert": "ai_edge_litert",
        "tflite-runtime": "tflite_runtime",
        "tflite-micro": "tflite_micro",
    }
    here = {name for name, module in modules.items() if importlib.util.find_spec(module)}
    assert "ai-edge-litert" in here
    shipped = [stage for stage in report["stages"] if stage["form"] == "TFLite int8"]
    assert {stage["runtime_class"] for stage in shipped} == here
    assert report["not_run"].keys() == modules.keys() - here
    kernels = {stage["runtime"].split(", ")[-1] for stage in shipped}
    assert {"XNNPACK", "reference kernels"} <= kernels
    for runtime in {stage["runtime"] for stage in report["stages"]}:
        ways = [stage["stage"] for stage in report["stages"] if stage["runtime"] == runtime]
        assert len(set(ways)) == len(ways) >= 2, runtime


@both_runs
def test_float_stages_are_exact_and_int8_names_the_same_scenes(model: ModelFile) -> None:
    stages = model.manifest.parity["stages"]
    for stage in stages:
        assert (stage["windows"], stage["agreement"], stage["drop_points"]) == (30, 1.0, 0.0)
        if stage["kind"] == "float":
            assert (stage["rounding"] or stage)["max_error"] < 1e-5, stage["stage"]
        if stage["kind"] == "quantized":
            # 46 to 48 dB were seen; a plain int8 conversion of this network gives 30.
            assert stage["snr_db"] > 40.0, stage["stage"]


def test_only_a_network_that_the_export_bounded_has_a_device_network_beside_it(
    exported: Path, exported_bounded: Path
) -> None:
    kinds = [
        {stage["kind"] for stage in ModelFile.read(path / "bands.tflite").manifest.parity["stages"]}
        for path in (exported, exported_bounded)
    ]
    assert kinds == [{"device", "float", "quantized"}, {"float", "quantized"}]


@both_runs
def test_whole_window_and_stream_give_the_same_integers(model: ModelFile, heard: Windows) -> None:
    assert model.head is not None
    outputs = [Network(part).output for part in (model.whole, model.head)]
    assert {output.dtype.name for output in outputs} == {"int8"}
    assert len({(output.scale, output.zero_point) for output in outputs}) == 1
    runs = SceneClassifier(model)
    for features in heard.features:
        for context in (SceneContext(), SceneContext("Jinan")):
            whole = runs.whole_logits(features, context)
            np.testing.assert_array_equal(runs.streamed_logits(features, context), whole)


@both_runs
def test_the_report_tells_every_city_hour_and_month(model: ModelFile) -> None:
    context = model.manifest.parity["context"]
    assert context["windows"] == 12
    told = {part["attribute"]: part for part in context["attributes"]}
    assert {name: part["values"] for name, part in told.items()} == {
        "city": 3,  # two that were trained, and none
        "hour": 24,
        "month": 12,
        "weekday": 7,
        "city without time": 3,
    }
    for part in told.values():
        assert part["answers"] == 12 * part["values"]
        assert part["agreeing"] == part["answers"]
        assert part["worst_agreeing"] == 12


@both_runs
def test_golden_windows_of_schema_3(model: ModelFile, heard: Windows) -> None:
    golden, report = model.manifest.golden, model.manifest.parity
    survey = available_runtimes()
    others = {one.runtime_class for one in survey.runtimes if one.takes == "TFLite"}
    assert golden["reference"] == runtime_name("ai-edge-litert")
    assert golden["runtimes"].keys() == others - {"ai-edge-litert"}
    assert golden["windows"] == 4
    # The worst one comes first.
    worst = max(
        (stage for stage in report["stages"] if stage["kind"] == "quantized"),
        key=lambda stage: stage["max_error"],
    )
    np.testing.assert_array_equal(
        model.golden["features"][0], heard.features[worst["worst_window"]]
    )


@pytest.mark.usefixtures("interpreter_anew")
@pytest.mark.parametrize("package", ["ai-edge-litert", "tflite-runtime"])
@both_runs
def test_golden_windows_hold_in(
    model: ModelFile, package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In LiteRT to the bit, in tflite-runtime within its bound."""
    if package in available_runtimes().missing:
        pytest.skip(f"{package} is not here")
    monkeypatch.setenv(interpreter.CHOICE_VARIABLE, package)
    runs = SceneClassifier(model)
    assert runtime_name().startswith(package)
    allowed = allowed_error(model.manifest, runtime_name())
    assert (allowed == 0.0) == (package == "ai-edge-litert")
    prefix = "" if allowed == 0.0 else f"{package}."
    for index, features in enumerate(model.golden["features"]):
        context = {name: model.golden[name][index][None] for name in ("city", "time")}
        found = runs._run_whole(features, context)
        np.testing.assert_array_equal(found, model.golden[f"{prefix}logits"][index])
        assert np.abs(found - model.golden["logits"][index]).max() <= allowed
        streamed = runs._run_streamed(features, context)
        assert np.abs(streamed - model.golden["streamed_logits"][index]).max() <= allowed


@pytest.mark.usefixtures("interpreter_anew")
@pytest.mark.parametrize("folder", ["exported_bounded"], indirect=True)
def test_a_logit_that_is_one_step_off_is_seen(model: ModelFile) -> None:
    golden = {name: values.copy() for name, values in model.golden.items()}
    golden["logits"][2, 1] += Network(model.whole).output.scale
    with pytest.raises(ModelFileError, match="they must be equal"):
        SceneClassifier(replace(model, golden=golden))


@both_runs
def test_the_footprint_is_that_of_the_parts(model: ModelFile) -> None:
    footprint = model.manifest.footprint
    assert model.encoder is not None
    assert model.head is not None
    parts = {"whole": model.whole, "encoder": model.encoder, "head": model.head}
    for name, part in parts.items():
        use = footprint["bytes"][name]
        assert use["total"] == len(part)
        assert sum(use.values()) == 2 * len(part)
    # 369,000 weights, less those for scenes and steps that this network has not.
    assert 360_000 < footprint["bytes"]["whole"]["weights"] < 370_000
    if "tflite-micro" in available_runtimes().missing:
        assert "arena_bytes" not in footprint
        return
    arena = footprint["arena_bytes"]
    # One cell of 32 channels of 10 x 32 is the largest that the encoder holds.
    assert arena["whole"] > arena["encoder"] > 10 * 32 * 32
    assert arena["encoder"] > arena["head"] > 4 * 1024


@both_runs
def test_the_file_classifies_windows_and_streams(model: ModelFile, heard: Windows) -> None:
    runs = SceneClassifier(model)
    for features, label in zip(heard.features[:9], heard.label[:9], strict=True):
        whole = runs.whole_logits(features, SceneContext())
        streamed = runs.streamed_logits(features, SceneContext("Jinan"))
        assert whole.argmax() == streamed.argmax() == label


def test_a_network_without_cells_is_exported_whole_and_streams_by_windows(
    trained_paper_run: Path,
) -> None:
    out = trained_paper_run / "paper.tflite"
    export_command(trained_paper_run / "checkpoint.safetensors", out, ExportOptions())
    model = ModelFile.read(out)
    assert model.encoder is model.head is None
    assert model.manifest.footprint["bytes"].keys() == {"whole"}
    assert {stage["way"] for stage in model.manifest.parity["stages"]} == {"whole window"}
    samples = (0.1 * np.random.default_rng(3).standard_normal(3 * 44_100)).astype(np.float32)
    estimates = SceneClassifier(model).process(samples, SceneContext())
    assert [(e.start_s, e.end_s) for e in estimates] == [(0.0, 2.0), (1.0, 3.0)]
    # A clip has zeros before its first frame, and so has a stream before its first window.
    clip = SceneClassifier(model).classify(samples[: 2 * 44_100], SceneContext())
    np.testing.assert_allclose(estimates[0].probabilities, clip.probabilities, atol=0.02)
