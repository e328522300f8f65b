"""The shipped model as C beside both interpreters, and what it takes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edge_asc.errors import FirmwareError
from edge_asc.firmware_bridge.codegen import compiler
from edge_asc.firmware_bridge.codegen.compare import (
    compare,
    random_vectors,
    real_vectors,
    real_windows,
    run_in_c,
)
from edge_asc.firmware_bridge.codegen.compiler import (
    CompiledNetwork,
    compile_model,
    compile_network,
)
from edge_asc.firmware_bridge.codegen.host import HostModel
from edge_asc.firmware_bridge.codegen.oracle import (
    ARITHMETICS,
    Arithmetic,
    default_kernels,
    oracle,
)
from edge_asc.firmware_bridge.codegen.vectors import ModelOracle
from edge_asc.model_file import ModelFile
from tests.firmware_bridge.codegen.conftest import Compiled

WINDOWS = 20
FLASH_BYTES = 500_000
"""Constants and code of encoder and head, at most"""
CODE_BYTES = 20_000
"""More than the kernels and calls take on any of the boards"""


@pytest.fixture(scope="module", params=ARITHMETICS)
def arithmetic(request: pytest.FixtureRequest) -> Arithmetic:
    return request.param


@pytest.fixture(scope="module")
def host(
    compiled: Compiled, arithmetic: Arithmetic, tmp_path_factory: pytest.TempPathFactory
) -> HostModel:
    return HostModel(compiled[arithmetic], tmp_path_factory.mktemp(arithmetic))


@pytest.fixture(scope="module")
def ask(compiled: Compiled, arithmetic: Arithmetic, default_model: ModelFile) -> ModelOracle:
    return ModelOracle(default_model, *compiled[arithmetic])


def test_random_bytes_give_the_interpreters_bytes(
    compiled: Compiled, arithmetic: Arithmetic, host: HostModel, ask: ModelOracle
) -> None:
    wanted = random_vectors(ask, *compiled[arithmetic], WINDOWS)
    found = compare(run_in_c(host, wanted), wanted)
    assert [(one.network, one.vectors) for one in found] == [("encoder", 20), ("head", 20)]
    assert [one.unequal_vectors for one in found] == [0, 0]


def test_real_windows_give_the_interpreters_bytes(
    data_dir: Path, default_model: ModelFile, host: HostModel, ask: ModelOracle
) -> None:
    windows = list(real_windows(default_model, data_dir, WINDOWS))
    wanted = real_vectors(ask, windows)
    found = compare(run_in_c(host, wanted), wanted)
    assert [(one.network, one.vectors) for one in found] == [("encoder", 200), ("head", 20)]
    assert [one.unequal_vectors for one in found] == [0, 0]


def test_the_windows_it_was_exported_with_give_them_too(
    default_model: ModelFile, host: HostModel, ask: ModelOracle
) -> None:
    golden = default_model.golden
    for at, features in enumerate(golden["features"]):
        cells = ask.encode(features)
        head = ask.classify(cells, {"city": golden["city"][at], "time": golden["time"][at]})
        found = compare(run_in_c(host, [*cells, head]), [*cells, head])
        assert [one.unequal_vectors for one in found] == [0, 0]


def test_the_default_kernels_are_near(
    data_dir: Path, compiled: Compiled, default_model: ModelFile
) -> None:
    """XNNPACK rounds once where the reference rounds twice.

    Over 500 real windows the largest difference of a logit was 3 steps; see the command `compare`.
    """
    networks = compiled["litert"]
    windows = list(real_windows(default_model, data_dir, WINDOWS))
    exact = real_vectors(ModelOracle(default_model, *networks), windows)
    near = real_vectors(ModelOracle(default_model, *networks, default_kernels()), windows)
    _, head = compare(near, exact)
    assert head.largest <= 5
    assert head.same_highest >= WINDOWS - 1


def test_what_the_default_model_takes(compiled: Compiled) -> None:
    for encoder, head in compiled.values():
        assert encoder.arena_bytes < 24_000
        assert head.arena_bytes < 26_000
        constants = encoder.constant_bytes + head.constant_bytes
        assert constants + CODE_BYTES <= FLASH_BYTES


def test_the_steps_of_the_gru_are_one_loop(compiled: Compiled) -> None:
    """19 steps: the first is another one, since the state before it is a constant."""
    for _, head in compiled.values():
        assert [(loop.period, loop.count) for loop in head.loops] == [(11, 19)]
        assert len(head.operators) > 300
        assert head.num_calls < 40


def test_places_and_facts_are_told(compiled: Compiled, default_model: ModelFile) -> None:
    encoder, head = compiled["litert"]
    assert encoder.oracle.startswith("ai-edge-litert ")
    assert encoder.oracle in encoder.source
    assert [place.name for place in encoder.inputs] == ["features"]
    assert sorted(place.name for place in head.inputs) == ["city", "steps", "time"]
    assert f"#define ASC_ENCODER_INPUT_OFFSET {encoder.inputs[0].offset}\n" in encoder.header
    assert "#define ASC_HEAD_STEPS_BYTES 20480\n" in head.header
    assert head.outputs[0].shape == (1, len(default_model.manifest.scenes))
    for network in (encoder, head):
        for place in (*network.inputs, *network.outputs):
            assert 0 <= place.offset <= network.arena_bytes - place.num_bytes


def test_the_whole_window_network_is_compiled_too(
    default_model: ModelFile, tmp_path: Path, rng: np.random.Generator
) -> None:
    """Ten pictures at once: their kernels' calls are loops, with scratch memory in them."""
    network = compile_network(default_model.whole, "whole", "litert")
    assert (1, 10) in [(loop.period, loop.count) for loop in network.loops]
    vectors = [
        [rng.integers(-128, 128, place.shape).astype(np.int8) for place in network.inputs]
        for _ in range(3)
    ]
    run = oracle("litert").load(default_model.whole)
    made = HostModel([network], tmp_path).run("whole", vectors)
    for got, vector in zip(made, vectors, strict=True):
        np.testing.assert_array_equal(got, run(vector))


def test_a_head_that_does_not_take_the_encoders_bytes_is_refused(
    default_model: ModelFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = compiler.compile_network

    def with_other_scale(tflite: bytes, name: str, arithmetic: Arithmetic) -> CompiledNetwork:
        network = made(tflite, name, arithmetic)
        outputs = tuple(replace(place, scale=2 * place.scale) for place in network.outputs)
        return replace(network, outputs=outputs)

    monkeypatch.setattr(compiler, "compile_network", with_other_scale)
    with pytest.raises(FirmwareError, match="takes no input with its encoder's scale"):
        compile_model(default_model, "litert")


def test_a_model_without_encoder_is_refused(small_model: ModelFile) -> None:
    with pytest.raises(FirmwareError, match="no encoder and head"):
        compile_model(replace(small_model, encoder=None, head=None), "litert")
