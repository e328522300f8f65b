"""A TFLite file as objects that can be read and changed: the only file that knows its schema."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import flatbuffers
import numpy as np
import numpy.typing as npt
from ai_edge_litert import schema_py_generated as schema

_FILE_MARK = b"TFL3"
_ALIGNMENT = 16

_TYPES: dict[int, type[np.generic]] = {
    schema.TensorType.FLOAT32: np.float32,
    schema.TensorType.FLOAT16: np.float16,
    schema.TensorType.INT8: np.int8,
    schema.TensorType.INT16: np.int16,
    schema.TensorType.INT32: np.int32,
    schema.TensorType.INT64: np.int64,
}
_CODES = {np.dtype(dtype): code for code, dtype in _TYPES.items()}
_OPERATORS: dict[int, str] = {
    code: name for name, code in vars(schema.BuiltinOperator).items() if not name.startswith("_")
}


@dataclass(frozen=True, slots=True)
class Quantization:
    """How integers stand for real numbers: `(q - zero_point) * scale`."""

    scale: npt.NDArray[np.float32]
    """One for the whole tensor, or one for each slice along `axis`"""
    zero_point: int = 0
    axis: int = 0


class _Buffer(schema.BufferT):  # type: ignore[misc]
    """A buffer whose data begin at a multiple of 16 bytes, as the schema asks.

    The generated class forgets it, and a small processor may not read a 32-bit number elsewhere.
    """

    def Pack(self, builder: flatbuffers.Builder) -> int:  # noqa: N802 - the schema's name
        if self.data is not None:
            builder.StartVector(1, len(self.data), _ALIGNMENT)
            builder.head -= len(self.data)
            builder.Bytes[builder.head : builder.head + len(self.data)] = bytes(self.data)
            data = builder.EndVector()
        schema.BufferStart(builder)
        if self.data is not None:
            schema.BufferAddData(builder, data)
        return int(schema.BufferEnd(builder))


class Graph:
    """The only sub-graph of a TFLite file. Tensors and operators are known by their numbers."""

    def __init__(self, tflite: bytes) -> None:
        self.model = schema.ModelT.InitFromPackedBuf(tflite, 0)
        (self._graph,) = self.model.subgraphs

    @property
    def inputs(self) -> list[int]:
        return [int(index) for index in self._graph.inputs]

    @property
    def outputs(self) -> list[int]:
        return [int(index) for index in self._graph.outputs]

    @property
    def operators(self) -> list[Any]:
        """The schema's operators, in the order in which they run."""
        return self._graph.operators  # type: ignore[no-any-return]

    @property
    def num_tensors(self) -> int:
        return len(self._graph.tensors)

    def kind(self, operator: Any) -> str:  # noqa: ANN401 - the schema's class has no types
        """The operator's name in the schema, such as "CONV_2D"."""
        return _OPERATORS[self.model.operatorCodes[operator.opcodeIndex].builtinCode]

    def name(self, tensor: int) -> str:
        """The tensor's name without what a converter puts around an input's."""
        text: str = self._graph.tensors[tensor].name.decode()
        return text.removeprefix("serving_default_").split(":")[0]

    def rename(self, tensor: int, name: str) -> None:
        self._graph.tensors[tensor].name = name.encode()

    def shape(self, tensor: int) -> tuple[int, ...]:
        return tuple(int(size) for size in self._graph.tensors[tensor].shape)

    def dtype(self, tensor: int) -> np.dtype[Any]:
        return np.dtype(_TYPES[self._graph.tensors[tensor].type])

    def constant(self, tensor: int) -> npt.NDArray[Any] | None:
        """The values of a constant tensor; None for one that is computed or put in."""
        data = self.model.buffers[self._graph.tensors[tensor].buffer].data
        if data is None or len(data) == 0:
            return None
        values = np.frombuffer(np.asarray(data, np.uint8).tobytes(), self.dtype(tensor))
        return values.reshape(self.shape(tensor))

    def quantization(self, tensor: int) -> Quantization | None:
        """How the tensor is quantized; None for a float one and for plain integers."""
        found = self._graph.tensors[tensor].quantization
        if found is None or found.scale is None or len(found.scale) == 0:
            return None
        return Quantization(
            np.asarray(found.scale, np.float32),
            int(found.zeroPoint[0]),
            int(found.quantizedDimension),
        )

    def set_type(
        self, tensor: int, dtype: npt.DTypeLike, quantization: Quantization | None = None
    ) -> None:
        """Make the tensor one of `dtype`; its constant, if any, stays and must be set anew."""
        entry = self._graph.tensors[tensor]
        entry.type = _CODES[np.dtype(dtype)]
        entry.quantization = None if quantization is None else _parameters(quantization)

    def add_tensor(
        self,
        name: str,
        shape: tuple[int, ...],
        dtype: npt.DTypeLike,
        quantization: Quantization | None = None,
        constant: npt.NDArray[Any] | None = None,
    ) -> int:
        """Append a tensor and return its number."""
        entry = schema.TensorT()
        entry.name, entry.shape = name.encode(), list(shape)
        entry.buffer = 0
        self._graph.tensors.append(entry)
        index = self.num_tensors - 1
        self.set_type(index, dtype, quantization)
        if constant is not None:
            entry.buffer = self._add_buffer(np.asarray(constant, dtype))
        return index

    def set_constant(self, tensor: int, values: npt.NDArray[Any]) -> None:
        """Give the tensor values of its own type, in a buffer of its own."""
        self._graph.tensors[tensor].buffer = self._add_buffer(
            np.asarray(values, self.dtype(tensor))
        )

    def operator_code(self, kind: str, version: int) -> int:
        """The number under which operators of `kind` are entered, with at least `version`."""
        builtin = getattr(schema.BuiltinOperator, kind)
        for index, code in enumerate(self.model.operatorCodes):
            if code.builtinCode == builtin:
                code.version = max(code.version, version)
                return index
        code = schema.OperatorCodeT()
        code.builtinCode, code.version = builtin, version
        code.deprecatedBuiltinCode = min(builtin, 127)
        self.model.operatorCodes.append(code)
        return len(self.model.operatorCodes) - 1

    def new_operator(self, kind: str, version: int, inputs: list[int], outputs: list[int]) -> Any:  # noqa: ANN401
        """An operator without options; it runs once it is put into `operators`."""
        operator = schema.OperatorT()
        operator.opcodeIndex = self.operator_code(kind, version)
        operator.inputs, operator.outputs = inputs, outputs
        return operator

    def computed(self) -> Iterator[tuple[Any, int]]:
        """Every operator with its output; networks here have operators of one output only."""
        for operator in self.operators:
            (output,) = operator.outputs
            yield operator, int(output)

    def to_bytes(self) -> bytes:
        """The file, without tensors and buffers that nothing uses, equal buffers once.

        The tensors that are left are numbered anew, here too.
        """
        self._drop_unused()
        builder = flatbuffers.Builder(1 << 20)
        builder.Finish(self.model.Pack(builder), _FILE_MARK)
        return bytes(builder.Output())

    def _add_buffer(self, values: npt.NDArray[Any]) -> int:
        buffer = _Buffer()
        buffer.data = np.frombuffer(np.ascontiguousarray(values).tobytes(), np.uint8)
        self.model.buffers.append(buffer)
        return len(self.model.buffers) - 1

    def _drop_unused(self) -> None:
        graph = self._graph
        used = {*graph.inputs, *graph.outputs}
        for operator in graph.operators:
            used |= {*operator.inputs, *operator.outputs}
        kept = sorted(int(index) for index in used if index >= 0)
        numbers = {old: new for new, old in enumerate(kept)} | {-1: -1}
        graph.tensors = [graph.tensors[index] for index in kept]
        graph.inputs = [numbers[int(index)] for index in graph.inputs]
        graph.outputs = [numbers[int(index)] for index in graph.outputs]
        for operator in graph.operators:
            operator.inputs = [numbers[int(index)] for index in operator.inputs]
            operator.outputs = [numbers[int(index)] for index in operator.outputs]
        buffers = [schema.BufferT()]  # the first one is empty, by the schema's rule
        known: dict[bytes, int] = {b"": 0}
        for tensor in graph.tensors:
            data = self.model.buffers[tensor.buffer].data
            content = b"" if data is None else np.asarray(data, np.uint8).tobytes()
            if content not in known:
                known[content] = len(buffers)
                buffer = _Buffer()
                buffer.data = np.frombuffer(content, np.uint8)
                buffers.append(buffer)
            tensor.buffer = known[content]
        self.model.buffers = buffers
        self.model.metadata, self.model.metadataBuffer, self.model.signatureDefs = [], None, []
        self._drop_unused_codes()

    def _drop_unused_codes(self) -> None:
        operators = self._graph.operators
        kept = sorted({operator.opcodeIndex for operator in operators})
        self.model.operatorCodes = [self.model.operatorCodes[index] for index in kept]
        for operator in operators:
            operator.opcodeIndex = kept.index(operator.opcodeIndex)


def _parameters(quantization: Quantization) -> Any:  # noqa: ANN401 - the schema's class has no types
    values = schema.QuantizationParametersT()
    values.scale = [float(scale) for scale in quantization.scale]
    values.zeroPoint = [quantization.zero_point] * len(values.scale)
    values.quantizedDimension = quantization.axis
    return values
