"""The shipped model as C, for both arithmetics."""

from __future__ import annotations

import shutil

import pytest

from edge_asc.firmware_bridge.codegen.compiler import CompiledNetwork, compile_model
from edge_asc.firmware_bridge.codegen.oracle import ARITHMETICS, Arithmetic
from edge_asc.model_file import ModelFile, default_model_path

Compiled = dict[Arithmetic, tuple[CompiledNetwork, CompiledNetwork]]


@pytest.fixture(scope="session", autouse=True)
def gcc_is_here() -> None:
    if shutil.which("gcc") is None:
        pytest.skip("needs gcc")


@pytest.fixture(scope="session")
def default_model() -> ModelFile:
    return ModelFile.read(default_model_path())


@pytest.fixture(scope="session")
def compiled(default_model: ModelFile) -> Compiled:
    """Encoder and head."""
    return {arithmetic: compile_model(default_model, arithmetic) for arithmetic in ARITHMETICS}
