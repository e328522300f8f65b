"""Either interpreter runs the shipped model; without one the message says what to install."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import warnings

import numpy as np
import pytest

from edge_asc import interpreter
from edge_asc.errors import InterpreterError
from edge_asc.interpreter import Network, Package, TensorSpec, runtime_name
from edge_asc.model_file import ModelFile, default_model_path

RUN_DEFAULT = """
from edge_asc.classifier import SceneClassifier
from edge_asc.interpreter import runtime_name
from edge_asc.model_file import ModelFile, default_model_path
SceneClassifier(ModelFile.read(default_model_path()))
print(runtime_name())
"""


def run_python(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("name", ["ai-edge-litert", "tflite-runtime"])
def test_each_interpreter_gives_the_golden_outputs_and_no_noise(name: str) -> None:
    if importlib.util.find_spec(name.replace("-", "_")) is None:
        pytest.skip(f"{name} is not installed here")
    result = run_python(RUN_DEFAULT, EDGE_ASC_INTERPRETER=name)
    assert result.stdout.startswith(name), result.stderr
    assert result.stderr == ""


def test_without_an_interpreter_the_message_says_what_to_install() -> None:
    hide = "import sys; sys.modules['ai_edge_litert'] = sys.modules['tflite_runtime'] = None\n"
    code = f"{hide}from edge_asc.interpreter import runtime_name\nruntime_name()"
    result = run_python(code)
    assert "no TFLite interpreter could be loaded" in result.stderr
    assert "pip install ai-edge-litert" in result.stderr


def test_an_unknown_choice_is_refused() -> None:
    result = run_python(
        "from edge_asc.interpreter import runtime_name\nruntime_name()", EDGE_ASC_INTERPRETER="onnx"
    )
    assert "must be one of ai-edge-litert, tflite-runtime, got 'onnx'" in result.stderr


def test_quantize_rounds_clips_and_casts() -> None:
    spec = TensorSpec("x", 0, (5,), np.dtype(np.int8), 0.5, 10)
    values = np.array([0.0, 0.74, 0.76, 100.0, -100.0], np.float32)
    quantized = spec.quantize(values)
    np.testing.assert_array_equal(quantized, np.array([10, 11, 12, 127, -128], np.int8))
    np.testing.assert_allclose(spec.dequantize(quantized), [0.0, 0.5, 1.0, 58.5, -69.0])


def test_wrong_inputs_are_refused() -> None:
    model = ModelFile.read(default_model_path())
    assert model.encoder is not None
    network = Network(model.encoder)
    with pytest.raises(ValueError, match=r"inputs must be \['features'\], got \['sound'\]"):
        network.run(sound=np.zeros(3, np.float32))
    with pytest.raises(ValueError, match=r"shape \(1, 50, 64, 1\), got \(1, 49, 64, 1\)"):
        network.run(features=np.zeros((1, 49, 64, 1), np.float32))


def encoder() -> tuple[bytes, dict[str, np.ndarray]]:
    """The shipped model's, and a second of noise within the range of features."""
    tflite = ModelFile.read(default_model_path()).encoder
    assert tflite is not None
    noise = np.random.default_rng(0).standard_normal((1, 50, 64, 1)).astype(np.float32)
    return tflite, {"features": noise.clip(-2.0, 2.0)}


def noise_share(wanted: np.ndarray, found: np.ndarray) -> float:
    """Of the power; kernels that round otherwise add little noise to what int8 has."""
    return float(np.square(found - wanted).sum() / np.square(wanted).sum())


def test_kept_tensors_reach_from_the_input_to_the_output() -> None:
    tflite, inputs = encoder()
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # LiteRT's own, where it would have to do without XNNPACK
        network = Network(tflite, keep_tensors=True)
    output = network.run(**inputs)
    tensors = network.tensors()
    np.testing.assert_array_equal(tensors[network.output.name], output)
    spec = network.inputs["features"]
    rounded = spec.dequantize(spec.quantize(inputs["features"]))
    np.testing.assert_array_equal(tensors["features"], rounded)
    assert {values.dtype for values in tensors.values()} == {np.dtype(np.float32)}
    # In between are three blocks of convolutions; other kernels give about the same there, too.
    other = Network(tflite, kernels="reference", keep_tensors=True)
    other.run(**inputs)
    between = [name for name, values in tensors.items() if values.size > 1000]
    assert len(between) > 10
    for name in between:
        assert noise_share(other.tensors()[name], tensors[name]) < 0.05, name
    # Another run, other tensors.
    network.run(features=-inputs["features"])
    assert not np.array_equal(network.tensors()["features"], tensors["features"])


def test_tensors_that_were_not_kept_are_not_to_be_had() -> None:
    tflite, inputs = encoder()
    network = Network(tflite)
    network.run(**inputs)
    with pytest.raises(ValueError, match=r"only by Network\(\.\.\., keep_tensors=True\)"):
        network.tensors()


def test_all_kernels_compute_the_same_but_for_rounding() -> None:
    tflite, inputs = encoder()
    networks = [
        Network(tflite),
        Network(tflite, keep_tensors=True),
        Network(tflite, kernels="reference"),
        Network(tflite, kernels="reference", keep_tensors=True),
    ]
    default, kept, reference, reference_kept = (network.run(**inputs) for network in networks)
    np.testing.assert_array_equal(reference_kept, reference)
    for other in (kept, reference):
        assert noise_share(default, other) < 3e-3  # seen: 0.0008


@pytest.mark.parametrize("name", ["ai-edge-litert", "tflite-runtime"])
def test_an_interpreter_can_be_asked_for_by_its_package(name: Package) -> None:
    if importlib.util.find_spec(name.replace("-", "_")) is None:
        pytest.skip(f"{name} is not installed here")
    assert runtime_name(name).split()[0] == name
    tflite, inputs = encoder()
    asked = Network(tflite, package=name)
    assert noise_share(Network(tflite).run(**inputs), asked.run(**inputs)) < 3e-3


def test_a_package_that_is_no_interpreter_is_refused() -> None:
    with pytest.raises(InterpreterError, match="package must be one of ai-edge-litert, tflite-run"):
        Network(b"", package="tensorflow")  # type: ignore[arg-type]


def test_bytes_that_are_no_network_are_refused() -> None:
    with pytest.raises(InterpreterError, match="cannot run this network"):
        Network(b"\x1c\0\0\0TFL3" + b"\0" * 100)


def test_other_talk_of_the_interpreter_is_passed_on(capfd: pytest.CaptureFixture[str]) -> None:
    with interpreter._without_greeting():
        os.write(2, b"INFO: Created TensorFlow Lite XNNPACK delegate for CPU.\nERROR: real\n")
    assert capfd.readouterr().err == "ERROR: real\n"
