"""Every program that is claimed to run an exported network, behind one small type.

All take and give float32, features in TFLite's layout (1, T, M, 1), whatever they compute in.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import platform
import re
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from edge_asc.errors import InterpreterError
from edge_asc.export.flatbuffer import Graph
from edge_asc.export.onnx import OnnxNetwork, Part
from edge_asc.interpreter import (
    Kernels,
    Network,
    Package,
    quantize_inputs,
    runtime_name,
    stderr_into,
    tensor_spec,
)

Array = npt.NDArray[np.float32]
Run = Callable[..., Array]
"""A network: named float32 arrays in TFLite's layout -> its output."""
Form = Literal["PyTorch", "ONNX", "TFLite"]

MICRO = "tflite-micro"
AMPLE_ARENA_BYTES = 1 << 25
MIN_ARENA_BYTES = 1024
"""With less than some 500 bytes TensorFlow Lite Micro ends the process."""
ARENA_STEP_BYTES = 16
"""TensorFlow Lite Micro aligns tensors to so many bytes."""

_MICRO_MODULE = "tflite_micro"
_RECORDED_TOTAL = re.compile(r"Arena allocation total (\d+) bytes")


@dataclass(frozen=True, slots=True)
class Runtime:
    """One program that runs networks, in one way of computing."""

    name: str
    """Such as "ai-edge-litert 2.1.0, XNNPACK" """
    runtime_class: str
    """Its package, such as "ai-edge-litert" """
    version: str
    takes: Form
    load: Callable[[Any], Run]
    """Makes a network of a `Part` (PyTorch), a Path (ONNX) or bytes (TFLite); those of different
    runtimes work side by side in one process. Raises InterpreterError."""
    is_slow: bool = False
    """Ten times as slow as LiteRT or more; a report may give it fewer windows, and says so"""
    batch: int = 1
    """Windows that it takes at once"""


class Survey(NamedTuple):
    """What there is here."""

    runtimes: tuple[Runtime, ...]
    """Of those that take TFLite files the first is the reference: LiteRT as applications use it."""
    missing: dict[str, str]
    """Why the others are not there, by package"""


def available_runtimes() -> Survey:
    """All runtimes that this Python can import, and why it cannot import the others."""
    runtimes = [
        _runtime("PyTorch", torch.__version__, "PyTorch", load_module, batch=32),
        _runtime("onnxruntime", _version("onnxruntime"), "ONNX", load_onnx),
    ]
    missing = {}
    try:
        runtimes += [
            _tflite("ai-edge-litert", "default", ", XNNPACK"),
            _tflite("ai-edge-litert", "reference", ", reference kernels", is_slow=True),
        ]
    except InterpreterError as error:
        missing["ai-edge-litert"] = str(error)
    try:
        runtimes.append(_tflite("tflite-runtime", "default", is_slow=True))
    except InterpreterError as error:
        too_new = sys.version_info >= (3, 12)
        missing["tflite-runtime"] = _not_for_this_python() if too_new else str(error)
    try:
        importlib.import_module(_MICRO_MODULE)
        runtimes.append(_runtime(MICRO, _version(MICRO), "TFLite", load_micro, is_slow=True))
    except ImportError as error:
        missing[MICRO] = _no_micro(error)
    return Survey(tuple(runtimes), missing)


def load_module(part: Part) -> Run:
    """A PyTorch network that takes TFLite's layout."""

    def run(**inputs: Array) -> Array:
        with torch.no_grad():
            tensors = {name: torch.from_numpy(a) for name, a in _channels_first(inputs).items()}
            output: Array = part.module(**tensors).numpy()
        return output

    return run


def load_onnx(path: Path) -> Run:
    """An ONNX network that takes TFLite's layout."""
    network = OnnxNetwork(path)

    def run(**inputs: Array) -> Array:
        return network.run(**_channels_first(inputs))

    return run


def load_micro(tflite: bytes) -> Run:
    """A TFLite network in TensorFlow Lite Micro."""
    return MicroNetwork(tflite).run


class MicroNetwork:
    """One TFLite network of one output in TensorFlow Lite Micro's interpreter, on this computer.

    The kernels are the portable ones that a microcontroller runs where its maker has none of his
    own.
    """

    def __init__(self, tflite: bytes, arena_bytes: int = AMPLE_ARENA_BYTES) -> None:
        """Load `tflite` into an arena of its own.

        Raises:
            InterpreterError: there is no tflite-micro, or it refuses the network.
            ValueError: the arena is below 1024 bytes.
        """
        if arena_bytes < MIN_ARENA_BYTES:
            raise ValueError(f"arena_bytes must be at least {MIN_ARENA_BYTES}, got {arena_bytes}")
        try:
            runtime = importlib.import_module(_MICRO_MODULE).runtime
        except ImportError as error:
            raise InterpreterError(f"{MICRO} cannot be loaded: {_no_micro(error)}") from error
        with tempfile.TemporaryFile() as said:
            try:
                with stderr_into(said):
                    self._interpreter = runtime.Interpreter.from_bytes(
                        tflite, arena_size=arena_bytes
                    )
            except RuntimeError as error:
                said.seek(0)
                why = " ".join(said.read().decode(errors="replace").split()) or str(error)
                raise InterpreterError(
                    f"{MICRO} cannot run this network in an arena of {arena_bytes} bytes: {why}"
                ) from error
        graph = Graph(tflite)
        names = [graph.name(index) for index in graph.inputs]
        self.inputs = {
            name: tensor_spec(_details(self._interpreter.get_input_details(index), name, index))
            for index, name in enumerate(names)
        }
        (output,) = graph.outputs
        details = self._interpreter.get_output_details(0)
        self.output = tensor_spec(_details(details, graph.name(output), 0))

    def run(self, **inputs: Array) -> Array:
        """The output for `inputs`; raises ValueError unless each has its tensor's shape."""
        for index, values in quantize_inputs(self.inputs, inputs):
            self._interpreter.set_input(values, index)
        self._interpreter.invoke()
        return self.output.dequantize(self._interpreter.get_output(0))

    def recorded_arena_bytes(self) -> int:
        """What the interpreter says that it took of its arena, after a run."""
        with tempfile.TemporaryFile() as said:
            with stderr_into(said):
                self._interpreter.print_allocations()
            said.seek(0)
            text = said.read().decode(errors="replace")
        found = _RECORDED_TOTAL.search(text)
        if found is None:
            raise InterpreterError(
                f"{MICRO} {_version(MICRO)} does not say what it took of its arena, but: {text!r};"
                " use the version of constraints.txt"
            )
        return int(found[1])


def smallest_arena(tflite: bytes) -> int:
    """Bytes of the smallest arena in which TensorFlow Lite Micro gives this network's output.

    Found by trying, in steps of 16 and with the same random input each time, from what the
    interpreter says that it took: planning may need more for a moment. It holds the tensors that
    are computed, what kernels prepare, and the structures of the interpreter with this computer's
    pointers of 8 bytes (4 on most microcontrollers); not the weights, which are read where the
    file lies, nor the program and its stack. Never below 1024.

    Raises InterpreterError: no tflite-micro, or it cannot run the network at all.
    """
    network = MicroNetwork(tflite)
    random = np.random.default_rng(0)
    inputs = {
        name: random.standard_normal(spec.shape).astype(np.float32)
        for name, spec in network.inputs.items()
    }
    wanted = network.run(**inputs)

    def works(size: int) -> bool:
        try:
            got = MicroNetwork(tflite, size).run(**inputs)
        except (InterpreterError, RuntimeError):  # the latter from running it
            return False
        return np.array_equal(got, wanted)

    too_small = MIN_ARENA_BYTES // ARENA_STEP_BYTES - 1
    enough = AMPLE_ARENA_BYTES // ARENA_STEP_BYTES
    recorded = -(-network.recorded_arena_bytes() // ARENA_STEP_BYTES)
    tries = [size for size in (recorded, recorded - 1) if size > too_small]
    while enough - too_small > 1:
        size = tries.pop(0) if tries else (too_small + enough) // 2
        if works(size * ARENA_STEP_BYTES):
            enough = size
        else:
            too_small = size
    return enough * ARENA_STEP_BYTES


def measure_arenas(parts: Mapping[str, bytes]) -> dict[str, int]:
    """`smallest_arena` of each network by its name: what the manifest keeps as `arena_bytes`."""
    return {name: smallest_arena(tflite) for name, tflite in parts.items()}


def _runtime(
    name: str,
    version: str,
    takes: Form,
    load: Callable[[Any], Run],
    *,
    is_slow: bool = False,
    batch: int = 1,
) -> Runtime:
    return Runtime(f"{name} {version}", name, version, takes, load, is_slow, batch)


def _tflite(package: Package, kernels: Kernels, how: str = "", *, is_slow: bool = False) -> Runtime:
    name = runtime_name(package)  # imports it
    load = partial(_load_tflite, package=package, kernels=kernels)
    return Runtime(name + how, package, _version(package), "TFLite", load, is_slow)


def _load_tflite(tflite: bytes, *, package: Package, kernels: Kernels) -> Run:
    return Network(tflite, package=package, kernels=kernels).run


def _channels_first(inputs: Mapping[str, Array]) -> dict[str, Array]:
    """`inputs` with features (N, T, M, 1) turned to (N, 1, T, M), as PyTorch and ONNX take them."""
    return {
        name: np.ascontiguousarray(values.transpose(0, 3, 1, 2)) if name == "features" else values
        for name, values in inputs.items()
    }


def _details(said: Mapping[str, Any], name: str, index: int) -> dict[str, Any]:
    """What TensorFlow Lite Micro says of a tensor, in LiteRT's words."""
    parameters = said["quantization_parameters"]
    scales, zero_points = parameters["scales"], parameters["zero_points"]
    quantization = (scales[0], zero_points[0]) if len(scales) else (0.0, 0)
    return {**said, "name": name, "index": index, "quantization": quantization}


def _version(package: str) -> str:
    return importlib.metadata.version(package)


def _not_for_this_python() -> str:
    python = ".".join(map(str, sys.version_info[:2]))
    return f"its last version, 2.14.0, is for Python 3.11 and older; this is {python}"


def _no_micro(error: ImportError) -> str:
    if (sys.platform, platform.machine()) != ("linux", "x86_64"):
        return f"it is for x86-64 Linux only; this is {platform.machine()} {sys.platform}"
    return f"{error}; pip install 'edge-asc[export]'"
