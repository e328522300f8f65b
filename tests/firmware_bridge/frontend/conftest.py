"""The C front end of the shipped model, built once in each arithmetic; recordings as int16."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edge_asc.audio import read_audio
from edge_asc.model_file import ModelFile, default_model_path
from tests.firmware_bridge.frontend.programs import FrontEnd, Runtime, Sound

ARITHMETICS = ("float", "fixed")


@pytest.fixture(scope="session")
def model() -> ModelFile:
    return ModelFile.read(default_model_path())


@pytest.fixture(scope="session", params=ARITHMETICS)
def front_end(
    model: ModelFile, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> FrontEnd:
    folder = tmp_path_factory.mktemp(f"front_end_{request.param}")
    return FrontEnd(model, folder, fixed=request.param == "fixed")


@pytest.fixture(scope="session", params=ARITHMETICS)
def built_runtime(
    model: ModelFile, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Runtime:
    folder = tmp_path_factory.mktemp(f"runtime_{request.param}")
    return Runtime(model, folder, fixed=request.param == "fixed")


@pytest.fixture
def runtime(built_runtime: Runtime) -> Runtime:
    """As after asc_init, with networks that give zeros."""
    built_runtime.encoder = lambda features: np.zeros(2048, np.int8)
    built_runtime.head = lambda steps, city, time: np.zeros(10, np.int8)
    built_runtime.init()
    return built_runtime


@pytest.fixture(scope="session")
def recordings(data_dir: Path) -> list[Sound]:
    """46 real recordings of at most 12 s, scenes and single sounds, as a microphone gives them."""
    scenes = sorted(data_dir.glob("scenes_open/*/*.flac"))[::2]
    sounds = [
        *sorted(data_dir.glob("esc10/*/*.ogg"))[::25],
        *sorted(data_dir.glob("urban*/*/*"))[::150],
    ]
    paths = [*scenes, *sounds[:24]]
    return [to_int16(read_audio(path, 44_100, 0.0, 12.0)) for path in paths]


def to_int16(samples: np.ndarray) -> Sound:
    """Samples of full scale 1 as 16 bits, rounded and clipped."""
    return np.clip(np.rint(samples * 32768.0), -32768, 32767).astype(np.int16)
