"""The one file that imports a TFLite interpreter: quantize, invoke, dequantize."""

from __future__ import annotations

import importlib
import importlib.metadata
import os
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import IO, Any, Literal

import numpy as np
import numpy.typing as npt

from edge_asc.errors import InterpreterError

Array = npt.NDArray[np.float32]

Kernels = Literal["default", "reference"]
Package = Literal["ai-edge-litert", "tflite-runtime"]

CHOICE_VARIABLE = "EDGE_ASC_INTERPRETER"
"""Environment variable that names the interpreter to use when both are installed."""

_GREETING = b"Created TensorFlow Lite XNNPACK delegate"

_MODULES: dict[str, str] = {
    "ai-edge-litert": "ai_edge_litert.interpreter",
    "tflite-runtime": "tflite_runtime.interpreter",
}


@cache
def _load(package: Package | None = None) -> tuple[str, Any]:
    """Name and module of the interpreter: the one asked for, else the first that imports."""
    wanted = package or os.environ.get(CHOICE_VARIABLE)
    if wanted and wanted not in _MODULES:
        asked = "package" if package else CHOICE_VARIABLE
        raise InterpreterError(f"{asked} must be one of {', '.join(_MODULES)}, got {wanted!r}")
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


def runtime_name(package: Package | None = None) -> str:
    """The interpreter's package and version, as "ai-edge-litert 2.1.0".

    Of the one that is used where none is asked for, else of `package`. Raises InterpreterError when
    it cannot be loaded.
    """
    name, _ = _load(package)
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

    def quantize(self, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Round, clip, cast; what is quantized already passes, and so do float tensors."""
        if self.scale == 0.0 or values.dtype == self.dtype:
            return np.ascontiguousarray(values, self.dtype)
        limits = np.iinfo(self.dtype)
        steps = values / np.float32(self.scale)
        np.rint(steps, out=steps)
        steps += np.float32(self.zero_point)
        np.maximum(steps, np.float32(limits.min), out=steps)
        np.minimum(steps, np.float32(limits.max), out=steps)
        return steps.astype(self.dtype)

    def has_scale_of(self, other: TensorSpec) -> bool:
        """Whether the same number means the same value in both."""
        mine, others = ((spec.dtype, spec.scale, spec.zero_point) for spec in (self, other))
        return mine == others

    def dequantize(self, values: npt.NDArray[Any]) -> Array:
        if self.scale == 0.0:
            return values.astype(np.float32, copy=False)
        return (values.astype(np.float32) - np.float32(self.zero_point)) * np.float32(self.scale)


def quantize_inputs(
    specs: Mapping[str, TensorSpec], inputs: Mapping[str, npt.NDArray[Any]]
) -> Iterator[tuple[int, npt.NDArray[Any]]]:
    """Index and quantized values of each input; raises ValueError unless each has its shape."""
    if inputs.keys() != specs.keys():
        raise ValueError(f"inputs must be {sorted(specs)}, got {sorted(inputs)}")
    for name, values in inputs.items():
        spec = specs[name]
        if values.shape != spec.shape:
            raise ValueError(f"input {name!r} must have shape {spec.shape}, got {values.shape}")
        yield spec.index, spec.quantize(values)


def load_interpreter(
    tflite: bytes,
    num_threads: int = 1,
    *,
    kernels: Kernels = "default",
    keep_tensors: bool = False,
    package: Package | None = None,
) -> Any:  # noqa: ANN401 - the packages' classes have no types
    """The package's own interpreter, ready to be invoked; for all else see `Network`.

    Raises InterpreterError when there is none or it refuses the network.
    """
    name, module = _load(package)
    resolvers = module.OpResolverType
    resolver = resolvers.AUTO
    if kernels == "reference":
        resolver = resolvers.BUILTIN_REF
    elif keep_tensors:
        resolver = resolvers.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    try:
        with _without_greeting():
            interpreter = module.Interpreter(
                model_content=tflite,
                num_threads=num_threads,
                experimental_op_resolver_type=resolver,
                experimental_preserve_all_tensors=keep_tensors,
            )
            interpreter.allocate_tensors()
    except (RuntimeError, ValueError) as error:
        raise InterpreterError(f"{name} cannot run this network: {error}") from error
    return interpreter


class Network:
    """One TFLite network of one output; takes and gives float32 whatever it computes in."""

    def __init__(
        self,
        tflite: bytes,
        num_threads: int = 1,
        *,
        kernels: Kernels = "default",
        keep_tensors: bool = False,
        package: Package | None = None,
    ) -> None:
        """Load `tflite`; `keep_tensors` keeps what is between input and output too, for `tensors`.

        `kernels` "default" is what an application gets (XNNPACK where the package has it);
        "reference" is TFLite's plain code, slow and the same on every processor. Kept tensors need
        kernels without XNNPACK. `package` asks for one interpreter where several are installed;
        they work side by side.

        Raises InterpreterError when there is no interpreter or it refuses the network.
        """
        self._keeps_tensors = keep_tensors
        self._interpreter = load_interpreter(
            tflite, num_threads, kernels=kernels, keep_tensors=keep_tensors, package=package
        )
        specs = [tensor_spec(details) for details in self._interpreter.get_input_details()]
        self.inputs = {spec.name: spec for spec in specs}
        (output,) = self._interpreter.get_output_details()
        self.output = tensor_spec(output)

    def run(self, **inputs: npt.NDArray[Any]) -> Array:
        """The output for `inputs`, in float32 or as `TensorSpec.quantize` gives them.

        Raises ValueError unless each has its tensor's shape.
        """
        return self.output.dequantize(self.invoke(**inputs))

    def invoke(self, **inputs: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """The same without dequantizing: what another network of the same scale can take."""
        for index, values in quantize_inputs(self.inputs, inputs):
            self._interpreter.set_tensor(index, values)
        self._interpreter.invoke()
        output: npt.NDArray[Any] = self._interpreter.get_tensor(self.output.index)
        return output

    def tensors(self) -> dict[str, Array]:
        """Every tensor of the last run by its name, dequantized.

        Constants are among them, but not those with a scale for each channel, and none that holds
        integers to count or to slice by. Raises ValueError without `keep_tensors`: the
        interpreter has written over them.
        """
        if not self._keeps_tensors:
            raise ValueError("tensors are kept only by Network(..., keep_tensors=True)")
        specs = [tensor_spec(details) for details in self._interpreter.get_tensor_details()]
        return {
            spec.name: spec.dequantize(self._interpreter.get_tensor(spec.index))
            for spec in specs
            if spec.scale != 0.0 or spec.dtype == np.float32
        }


@contextmanager
def stderr_into(file: IO[bytes]) -> Iterator[None]:
    """Let all that the process says on stderr, its C++ code included, go to `file`."""
    sys.stderr.flush()
    kept = os.dup(2)
    try:
        os.dup2(file.fileno(), 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


@contextmanager
def _without_greeting() -> Iterator[None]:
    """Keep LiteRT's greeting off stderr; all else that its C++ code says there is passed on."""
    with tempfile.TemporaryFile() as said:
        try:
            with stderr_into(said):
                yield
        finally:
            said.seek(0)
            for line in said:
                if _GREETING not in line:
                    os.write(2, line)


def tensor_spec(details: Mapping[str, Any]) -> TensorSpec:
    """What an interpreter says of a tensor: name, index, shape, dtype, quantization (a pair)."""
    scale, zero_point = details["quantization"]
    name = details["name"].removeprefix("serving_default_").split(":")[0]
    shape = tuple(int(size) for size in details["shape"])
    return TensorSpec(
        name, details["index"], shape, np.dtype(details["dtype"]), float(scale), int(zero_point)
    )
