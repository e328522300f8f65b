"""The one file that imports a TFLite interpreter: quantize, invoke, dequantize."""

from __future__ import annotations

import importlib
import importlib.metadata
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from edge_asc.errors import InterpreterError

Array = npt.NDArray[np.float32]

CHOICE_VARIABLE = "EDGE_ASC_INTERPRETER"
"""Environment variable that names the interpreter to use when both are installed."""

_GREETING = b"Created TensorFlow Lite XNNPACK delegate"

_MODULES = {
    "ai-edge-litert": "ai_edge_litert.interpreter",
    "tflite-runtime": "tflite_runtime.interpreter",
}


@lru_cache(maxsize=1)
def _load() -> tuple[str, Any]:
    """Name and module of the interpreter: the one asked for, else the first that imports."""
    wanted = os.environ.get(CHOICE_VARIABLE)
    if wanted and wanted not in _MODULES:
        raise InterpreterError(
            f"{CHOICE_VARIABLE} must be one of {', '.join(_MODULES)}, got {wanted!r}"
        )
    failures = []
    for name in [wanted] if wanted else list(_MODULES):
        try:
            return name, importlib.import_module(_MODULES[name])
        except (ImportError, AttributeError) as error:
            # AttributeError is what tflite-runtime 2.14 ends in beside numpy 2.
            failures.append(f"{name}: {error}")
    raise InterpreterError(
        f"no TFLite interpreter could be loaded ({'; '.join(failures)}). On a 64-bit system:"
        " pip install ai-edge-litert. With Python 3.11 also: pip install 'edge-asc[tflite-runtime]'"
    )


def runtime_name() -> str:
    """The interpreter's package and version, as "ai-edge-litert 2.1.0"."""
    name, _ = _load()
    return f"{name} {importlib.metadata.version(name)}"


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """One input or output of a network."""

    name: str
    index: int
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    scale: float
    """0 for a float tensor"""
    zero_point: int

    def quantize(self, values: Array) -> npt.NDArray[Any]:
        """Round, clip, cast; float tensors pass."""
        if self.scale == 0.0:
            return np.ascontiguousarray(values, self.dtype)
        limits = np.iinfo(self.dtype)
        steps = np.rint(values / np.float32(self.scale)) + self.zero_point
        clipped: npt.NDArray[Any] = np.clip(steps, limits.min, limits.max).astype(self.dtype)
        return clipped

    def dequantize(self, values: npt.NDArray[Any]) -> Array:
        if self.scale == 0.0:
            return values.astype(np.float32, copy=False)
        return (values.astype(np.float32) - np.float32(self.zero_point)) * np.float32(self.scale)


class Network:
    """One TFLite network of one output; takes and gives float32 whatever it computes in."""

    def __init__(self, tflite: bytes, num_threads: int = 1) -> None:
        """Raises InterpreterError when there is no interpreter or it refuses the network."""
        name, module = _load()
        try:
            with _without_greeting():
                self._interpreter = module.Interpreter(
                    model_content=tflite, num_threads=num_threads
                )
                self._interpreter.allocate_tensors()
        except (RuntimeError, ValueError) as error:
            raise InterpreterError(f"{name} cannot run this network: {error}") from error
        specs = [_spec(details) for details in self._interpreter.get_input_details()]
        self.inputs = {spec.name: spec for spec in specs}
        (output,) = self._interpreter.get_output_details()
        self.output = _spec(output)

    def run(self, **inputs: Array) -> Array:
        """The output for `inputs`; raises ValueError unless each has its tensor's shape."""
        if inputs.keys() != self.inputs.keys():
            raise ValueError(f"inputs must be {sorted(self.inputs)}, got {sorted(inputs)}")
        for name, values in inputs.items():
            spec = self.inputs[name]
            if values.shape != spec.shape:
                raise ValueError(f"input {name!r} must have shape {spec.shape}, got {values.shape}")
            self._interpreter.set_tensor(spec.index, spec.quantize(values))
        self._interpreter.invoke()
        return self.output.dequantize(self._interpreter.get_tensor(self.output.index))


@contextmanager
def _without_greeting() -> Iterator[None]:
    """Keep LiteRT's greeting off stderr; all else that its C++ code says there is passed on."""
    sys.stderr.flush()
    kept = os.dup(2)
    try:
        with tempfile.TemporaryFile() as said:
            os.dup2(said.fileno(), 2)
            try:
                yield
            finally:
                os.dup2(kept, 2)
                said.seek(0)
                for line in said:
                    if _GREETING not in line:
                        os.write(2, line)
    finally:
        os.close(kept)


def _spec(details: dict[str, Any]) -> TensorSpec:
    scale, zero_point = details["quantization"]
    name = details["name"].removeprefix("serving_default_").split(":")[0]
    shape = tuple(int(size) for size in details["shape"])
    return TensorSpec(
        name, details["index"], shape, np.dtype(details["dtype"]), float(scale), int(zero_point)
    )
