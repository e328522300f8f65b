"""Every runtime computes the same network, and TensorFlow Lite Micro's arena is what it says."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from edge_asc import interpreter
from edge_asc.errors import InterpreterError
from edge_asc.export.onnx import network_parts, write_onnx
from edge_asc.export.runtimes import (
    MicroNetwork,
    Runtime,
    available_runtimes,
    load_module,
    load_onnx,
    measure_arenas,
    smallest_arena,
)
from edge_asc.interpreter import Network
from edge_asc.model_file import ModelFile, default_model_path
from edge_asc.training.checkpoint import load_checkpoint

HAS_MICRO = importlib.util.find_spec("tflite_micro") is not None
needs_micro = pytest.mark.skipif(not HAS_MICRO, reason="tflite-micro is not installed here")

ENCODE_ALONE = """
import sys, numpy as np
from edge_asc.interpreter import Network
from edge_asc.model_file import ModelFile, default_model_path
cell = np.load(sys.argv[2])
encoder = ModelFile.read(default_model_path()).encoder
np.save(sys.argv[3], Network(encoder, package=sys.argv[1]).run(features=cell))
"""


@pytest.fixture(scope="module")
def shipped() -> ModelFile:
    return ModelFile.read(default_model_path())


@pytest.fixture(scope="module")
def encoder(shipped: ModelFile) -> bytes:
    assert shipped.encoder is not None
    return shipped.encoder


@pytest.fixture(scope="module")
def cell(shipped: ModelFile) -> np.ndarray:
    """The first second of the model's first golden window, as TFLite takes it."""
    return shipped.golden["features"][:1, :50, :, None].astype(np.float32)


@pytest.fixture
def loads_anew() -> Iterator[None]:
    """Interpreters are looked for again, before and after."""
    interpreter._load.cache_clear()
    yield
    interpreter._load.cache_clear()


def tflite_runtimes() -> list[Runtime]:
    return [runtime for runtime in available_runtimes().runtimes if runtime.takes == "TFLite"]


def test_every_claimed_runtime_is_there_or_it_is_said_why_not() -> None:
    found = available_runtimes()
    packages = {"PyTorch", "onnxruntime", "ai-edge-litert", "tflite-runtime", "tflite-micro"}
    there = {runtime.runtime_class for runtime in found.runtimes}
    assert there | found.missing.keys() == packages
    assert not there & found.missing.keys()
    assert all(runtime.version in runtime.name for runtime in found.runtimes)
    # What the others are compared with is what an application gets.
    assert tflite_runtimes()[0].name.endswith(", XNNPACK")


@pytest.mark.usefixtures("loads_anew")
def test_what_is_missing_is_named_with_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("tflite_micro", "tflite_runtime", "tflite_runtime.interpreter"):
        monkeypatch.setitem(sys.modules, module, None)
    found = available_runtimes()
    assert found.missing.keys() == {"tflite-runtime", "tflite-micro"}
    assert "2.14.0" in found.missing["tflite-runtime"] or "pip" in found.missing["tflite-runtime"]
    assert "x86-64" in found.missing["tflite-micro"] or "pip" in found.missing["tflite-micro"]
    with pytest.raises(InterpreterError, match="tflite-micro cannot be loaded"):
        MicroNetwork(b"")


def test_int8_kernels_of_all_runtimes_differ_by_a_few_steps(
    encoder: bytes, cell: np.ndarray
) -> None:
    reference = Network(encoder)
    wanted = reference.run(features=cell)
    assert wanted.std() > 10 * reference.output.scale  # there is something to get wrong
    for runtime in tflite_runtimes():
        off = np.abs(runtime.load(encoder)(features=cell) - wanted).max()
        # 1 to 4 steps were seen on whole networks; a wrong zero point alone makes tens of them.
        assert off <= 6.5 * reference.output.scale, runtime.name


@pytest.mark.parametrize("package", ["ai-edge-litert", "tflite-runtime"])
def test_side_by_side_they_give_what_each_gives_alone(
    package: interpreter.Package, encoder: bytes, cell: np.ndarray, tmp_path: Path
) -> None:
    if importlib.util.find_spec(package.replace("-", "_")) is None:
        pytest.skip(f"{package} is not installed here")
    np.save(tmp_path / "cell.npy", cell)
    subprocess.run(
        [
            sys.executable,
            "-c",
            ENCODE_ALONE,
            package,
            tmp_path / "cell.npy",
            tmp_path / "alone.npy",
        ],
        check=True,
    )
    loaded = [runtime.load(encoder) for runtime in tflite_runtimes()]
    for run in loaded:
        run(features=cell)
    together = Network(encoder, package=package).run(features=cell)
    np.testing.assert_array_equal(together, np.load(tmp_path / "alone.npy"))


def test_an_unknown_package_is_refused(encoder: bytes) -> None:
    with pytest.raises(InterpreterError, match=r"package must be one of .*, got 'onnx'"):
        Network(encoder, package="onnx")  # type: ignore[arg-type]


def test_pytorch_and_onnx_take_the_layout_of_tflite(trained_run: Path, tmp_path: Path) -> None:
    network = load_checkpoint(trained_run / "checkpoint.safetensors").build_network()
    part = network_parts(network)[0]
    features = part.example["features"]  # (1, 1, 100, 64)
    inputs = {name: values.numpy() for name, values in part.example.items()}
    inputs["features"] = inputs["features"].reshape(1, 100, 64, 1)
    with torch.no_grad():
        wanted = network(**part.example).numpy()
    assert features.shape == (1, 1, 100, 64)
    np.testing.assert_array_equal(load_module(part)(**inputs), wanted)
    got = load_onnx(write_onnx(part, tmp_path))(**inputs)
    np.testing.assert_allclose(got, wanted, atol=1e-4)


@needs_micro
class TestMicro:
    """TensorFlow Lite Micro's interpreter."""

    def test_tensors_are_those_that_litert_sees(self, shipped: ModelFile) -> None:
        micro, litert = MicroNetwork(shipped.whole), Network(shipped.whole)
        for name, spec in litert.inputs.items():
            seen = micro.inputs[name]
            assert (seen.shape, seen.dtype) == (spec.shape, spec.dtype)
            assert (seen.scale, seen.zero_point) == (spec.scale, spec.zero_point)
        assert micro.inputs.keys() == litert.inputs.keys()
        assert (micro.output.scale, micro.output.zero_point) == (
            litert.output.scale,
            litert.output.zero_point,
        )

    def test_wrong_inputs_are_refused(self, encoder: bytes) -> None:
        network = MicroNetwork(encoder)
        with pytest.raises(ValueError, match=r"inputs must be \['features'\], got \['sound'\]"):
            network.run(sound=np.zeros(3, np.float32))
        with pytest.raises(ValueError, match=r"shape \(1, 50, 64, 1\), got \(1, 49, 64, 1\)"):
            network.run(features=np.zeros((1, 49, 64, 1), np.float32))

    def test_float_networks_are_equal_everywhere(self) -> None:
        """The sine that comes with tflite-micro: Pete Warden's example, off by up to 0.2."""
        spec = importlib.util.find_spec("tflite_micro")
        assert spec is not None
        assert spec.submodule_search_locations is not None
        (folder,) = spec.submodule_search_locations
        tflite = next(Path(folder).rglob("sine_float.tflite")).read_bytes()
        (name,) = Network(tflite).inputs
        angles = np.linspace(0.0, 2 * np.pi, 9, dtype=np.float32).reshape(9, 1, 1)
        for runtime in tflite_runtimes():
            run = runtime.load(tflite)
            got = np.array([run(**{name: angle}).item() for angle in angles])
            np.testing.assert_allclose(got, np.sin(angles).ravel(), atol=0.2, err_msg=runtime.name)

    def test_the_smallest_arena_works_and_a_smaller_one_does_not(
        self, encoder: bytes, cell: np.ndarray, capfd: pytest.CaptureFixture[str]
    ) -> None:
        size = smallest_arena(encoder)
        network = MicroNetwork(encoder, size)
        np.testing.assert_array_equal(
            network.run(features=cell), MicroNetwork(encoder).run(features=cell)
        )
        # The interpreter's own count agrees; each tensor begins at a multiple of 16 bytes.
        assert size - 16 <= network.recorded_arena_bytes() <= size
        with pytest.raises(InterpreterError, match=f"an arena of {size - 16} bytes: .*alloc"):
            MicroNetwork(encoder, size - 16)
        assert capfd.readouterr().err == ""

    def test_the_arena_holds_what_is_computed_and_no_weights(self, encoder: bytes) -> None:
        arenas = measure_arenas({"encoder": encoder})
        # At least the input, one second of 50 x 64 bytes.
        assert 50 * 64 < arenas["encoder"] < len(encoder)

    def test_an_arena_that_would_end_the_process_is_refused(self, encoder: bytes) -> None:
        with pytest.raises(ValueError, match="at least 1024, got 448"):
            MicroNetwork(encoder, 448)
