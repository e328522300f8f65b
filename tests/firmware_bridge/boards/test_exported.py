"""The shipped model's package, and that of one network, through the whole check."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edge_asc.context import SceneContext
from edge_asc.errors import FirmwareError
from edge_asc.firmware_bridge.boards.board import HOST, board_named
from edge_asc.firmware_bridge.boards.check import BoardReport, check_package
from edge_asc.firmware_bridge.boards.model_vectors import Answers
from edge_asc.firmware_bridge.boards.tables import as_text
from edge_asc.firmware_bridge.boards.toolchain import missing_tools
from edge_asc.firmware_bridge.boards.vectors import Vectors
from edge_asc.firmware_bridge.codegen.compare import Inputs
from edge_asc.firmware_bridge.exporter import Kernels, Options, export_package
from edge_asc.model_file import ModelFile, default_model_path

needs_boards = pytest.mark.usefixtures("boards_are_here")
needs_gcc = pytest.mark.skipif(bool(missing_tools("gcc")), reason="needs gcc")


@pytest.fixture(scope="module")
def model() -> ModelFile:
    return ModelFile.read(default_model_path())


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("exported") / "package"
    export_package(default_model_path(), folder, Options())
    return folder


@pytest.fixture(scope="module")
def windows(model: ModelFile) -> Vectors:
    """Two windows of features that the model was exported with, in Jinan, and one of made sound."""
    answers, facts = Answers(model, "litert"), model.manifest
    context = {
        "city": SceneContext("Jinan", None).encode_city(facts.cities),
        "time": SceneContext(None, None).encode_time(),
    }
    known = answers.of_features([Inputs(one, context) for one in model.golden["features"][:2]])
    rng = np.random.default_rng(20231)
    swell = np.linspace(50, 3_000, facts.window_samples)
    sound = (swell * rng.standard_normal(facts.window_samples)).clip(-32_768, 32_767)
    heard = answers.of_sound([sound.astype(np.int16)])
    return Vectors(
        known.features, known.city, known.time, known.logits, heard.samples, heard.sound_logits
    )


def assert_answers(report: BoardReport) -> None:
    assert report.failure is None
    assert report.features is not None
    assert report.sound is not None
    assert report.features.identical == 2
    # Levels are rounded to int8: the front ends may differ by a step there, and logits then too.
    assert report.sound.same_scene == 1
    assert report.sound.largest_step <= 1


@needs_boards
@pytest.mark.parametrize(("cpu", "kernels"), [("m4", "dsp"), ("m55", "portable")])
def test_the_shipped_model_on_boards(
    cpu: str, kernels: Kernels, exported: Path, windows: Vectors
) -> None:
    """Budgets of the project: 640 kB of flash, 160 kB of RAM; 450 million instructions a window of
    10 s with portable kernels on a Cortex-M4, 250 with those for DSP instructions."""
    (report,) = check_package(exported, [cpu], kernels, windows)
    assert_answers(report)
    assert report.cost is not None
    assert report.cost.flash_bytes < 640_000
    assert report.cost.ram_bytes + report.cost.stack_bytes < 160_000
    budget = {"portable": 450e6, "dsp": 250e6}[kernels]
    counts = report.cost.instructions
    assert 100e6 < counts["window"] < budget
    # A window is ten seconds of front end and encoder, and one head.
    parts = 10 * (counts["front end"] + counts["encoder"]) + counts["head"]
    assert counts["window"] == pytest.approx(parts, rel=0.01)


@needs_gcc
def test_the_shipped_model_on_this_computer(exported: Path, windows: Vectors) -> None:
    (report,) = check_package(exported, [HOST], vectors=windows)
    assert_answers(report)


@needs_boards
def test_the_shipped_model_is_too_large_for_a_small_part(exported: Path) -> None:
    small = board_named("m3").with_part(flash_bytes=256 * 1024, ram_bytes=64 * 1024)
    with pytest.raises(FirmwareError, match=r"it needs \d{6} bytes of flash, 262144 are allowed"):
        check_package(exported, [small])


@needs_boards
@needs_gcc
def test_one_network_of_a_tflite_file(model: ModelFile, tmp_path: Path) -> None:
    assert model.head is not None
    (tmp_path / "head.tflite").write_bytes(model.head)
    folder = tmp_path / "package"
    export_package(tmp_path / "head.tflite", folder, Options(kernels="dsp"))
    (report,) = check_package(folder, ["m7"])
    assert report.kernels == "dsp"
    assert report.cost is not None
    assert report.cost.instructions.keys() == {"network"}
    assert report.cost.instructions["network"] > 1e6
    assert "million instructions: the network" in as_text([report])
    (host,) = check_package(folder, [HOST], kernels="portable")
    assert host.failure is None
    with pytest.raises(FirmwareError, match="holds one network, without sound"):
        check_package(folder, ["m7"], vectors=Vectors())
