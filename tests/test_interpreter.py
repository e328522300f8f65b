"""Either interpreter runs the shipped model; without one the message says what to install."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys

import numpy as np
import pytest

from edge_asc import interpreter
from edge_asc.errors import InterpreterError
from edge_asc.interpreter import Network, TensorSpec
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


def test_bytes_that_are_no_network_are_refused() -> None:
    with pytest.raises(InterpreterError, match="cannot run this network"):
        Network(b"\x1c\0\0\0TFL3" + b"\0" * 100)


def test_other_talk_of_the_interpreter_is_passed_on(capfd: pytest.CaptureFixture[str]) -> None:
    with interpreter._without_greeting():
        os.write(2, b"INFO: Created TensorFlow Lite XNNPACK delegate for CPU.\nERROR: real\n")
    assert capfd.readouterr().err == "ERROR: real\n"
