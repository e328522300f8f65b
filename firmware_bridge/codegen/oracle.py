"""The interpreters whose arithmetic is followed, and networks of one operator to ask them with."""

from __future__ import annotations

import importlib
import importlib.metadata
import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from edge_asc.errors import FirmwareError, InterpreterError
from edge_asc.export.flatbuffer import Graph
from edge_asc.interpreter import Kernels, load_interpreter, runtime_name, stderr_into

Arithmetic = Literal["litert", "tflm"]
ARITHMETICS: tuple[Arithmetic, ...] = ("litert", "tflm")

Int8 = npt.NDArray[np.int8]
Run = Callable[[Sequence[Int8]], list[Int8]]
"""All inputs in the network's order -> all outputs."""

_MICRO = "tflite-micro"
_MICRO_MODULE = "tflite_micro"
_MICRO_ARENA_BYTES = 1 << 24


@dataclass(frozen=True, slots=True)
class Oracle:
    """An interpreter at a version; what it computes is right by definition."""

    arithmetic: Arithmetic
    name: str
    """Such as "ai-edge-litert 2.1.0, reference kernels" """
    load: Callable[[bytes], Run]
    """Raises InterpreterError for a network that it refuses."""


def oracle(arithmetic: Arithmetic) -> Oracle:
    """The installed interpreter of that arithmetic.

    Raises InterpreterError where it is missing, FirmwareError for another word.
    """
    if arithmetic == "litert":
        name = f"{runtime_name('ai-edge-litert')}, reference kernels"
        return Oracle(arithmetic, name, _load_litert)
    if arithmetic == "tflm":
        _micro_runtime()
        return Oracle(arithmetic, f"{_MICRO} {importlib.metadata.version(_MICRO)}", _load_micro)
    raise FirmwareError(f"arithmetic must be one of {', '.join(ARITHMETICS)}, got {arithmetic!r}")


def default_kernels() -> Oracle:
    """LiteRT as applications use it, whose bytes are near those of its reference kernels."""
    name = f"{runtime_name('ai-edge-litert')}, default kernels"
    return Oracle("litert", name, partial(_load_litert, kernels="default"))


def one_operator(
    tflite: bytes, index: int, shapes: Mapping[int, tuple[int, ...]] | None = None
) -> bytes:
    """A network of the operator `index` alone; `shapes` are new ones of tensors, by number."""
    graph = Graph(tflite)
    (subgraph,) = graph.model.subgraphs
    operator = graph.operators[index]
    for tensor, shape in (shapes or {}).items():
        subgraph.tensors[tensor].shape = list(shape)
        subgraph.tensors[tensor].shapeSignature = None
    computed = [int(tensor) for tensor in operator.inputs if tensor >= 0]
    subgraph.operators = [operator]
    subgraph.inputs = [tensor for tensor in computed if graph.constant(tensor) is None]
    subgraph.outputs = list(operator.outputs)
    return graph.to_bytes()


def _load_litert(tflite: bytes, kernels: Kernels = "reference") -> Run:
    interpreter = load_interpreter(tflite, kernels=kernels, package="ai-edge-litert")
    inputs = [details["index"] for details in interpreter.get_input_details()]
    outputs = [details["index"] for details in interpreter.get_output_details()]

    def run(values: Sequence[Int8]) -> list[Int8]:
        for index, value in zip(inputs, values, strict=True):
            interpreter.set_tensor(index, value)
        interpreter.invoke()
        return [interpreter.get_tensor(index) for index in outputs]

    return run


def _load_micro(tflite: bytes) -> Run:
    runtime = _micro_runtime()
    num_outputs = len(Graph(tflite).outputs)
    with tempfile.TemporaryFile() as said:
        try:
            with stderr_into(said):
                interpreter = runtime.Interpreter.from_bytes(tflite, arena_size=_MICRO_ARENA_BYTES)
        except RuntimeError as error:
            said.seek(0)
            why = " ".join(said.read().decode(errors="replace").split()) or str(error)
            raise InterpreterError(f"{_MICRO} cannot run this network: {why}") from error

    def run(values: Sequence[Int8]) -> list[Int8]:
        for index, value in enumerate(values):
            interpreter.set_input(value, index)
        interpreter.invoke()
        return [np.array(interpreter.get_output(index)) for index in range(num_outputs)]

    return run


def _micro_runtime() -> Any:  # noqa: ANN401 - the package has no types
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    try:
        return importlib.import_module(_MICRO_MODULE).runtime
    except ImportError as error:
        raise InterpreterError(
            f"{_MICRO} cannot be loaded: {error}; the arithmetic of TensorFlow Lite Micro needs"
            " pip install 'edge-asc[export]' on x86-64 Linux"
        ) from error
