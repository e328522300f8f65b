"""Small int8 networks, made operator by operator."""

from __future__ import annotations

from dataclasses import dataclass, field

import flatbuffers
import numpy as np
import numpy.typing as npt
from ai_edge_litert import schema_py_generated as schema

_OPTIONS = {
    "ADD": "AddOptions",
    "AVERAGE_POOL_2D": "Pool2DOptions",
    "CONCATENATION": "ConcatenationOptions",
    "CONV_2D": "Conv2DOptions",
    "DEPTHWISE_CONV_2D": "DepthwiseConv2DOptions",
    "FULLY_CONNECTED": "FullyConnectedOptions",
    "MAX_POOL_2D": "Pool2DOptions",
    "MEAN": "ReducerOptions",
    "MUL": "MulOptions",
    "PAD": "PadOptions",
    "RESHAPE": "ReshapeOptions",
    "SOFTMAX": "SoftmaxOptions",
    "STRIDED_SLICE": "StridedSliceOptions",
    "SUB": "SubOptions",
}
_VERSIONS = {"RESHAPE": 1, "FULLY_CONNECTED": 5, "CONV_2D": 3, "DEPTHWISE_CONV_2D": 3}
_TYPES = {
    "int8": schema.TensorType.INT8,
    "int16": schema.TensorType.INT16,
    "int32": schema.TensorType.INT32,
    "float32": schema.TensorType.FLOAT32,
}


@dataclass
class Builder:
    """Tensors and operators are added in their order; `build` gives the file."""

    _tensors: list = field(default_factory=list)
    _buffers: list = field(default_factory=lambda: [schema.BufferT()])
    _operators: list = field(default_factory=list)
    _codes: list = field(default_factory=list)

    def tensor(
        self,
        shape: tuple[int, ...],
        scale: float | npt.ArrayLike = 0.0,
        zero: int = 0,
        values: npt.ArrayLike | None = None,
        *,
        name: str = "",
        dtype: str = "int8",
        axis: int = 0,
    ) -> int:
        """Append a tensor, a constant one with `values`; its number."""
        entry = schema.TensorT()
        entry.name = (name or f"t{len(self._tensors)}").encode()
        entry.shape, entry.type, entry.buffer = list(shape), _TYPES[dtype], 0
        scales = np.atleast_1d(np.asarray(scale, np.float32))
        if scales.any():
            quantization = schema.QuantizationParametersT()
            quantization.scale = [float(one) for one in scales]
            quantization.zeroPoint = [zero] * len(scales)
            quantization.quantizedDimension = axis
            entry.quantization = quantization
        if values is not None:
            buffer = schema.BufferT()
            buffer.data = np.frombuffer(np.asarray(values, dtype).tobytes(), np.uint8)
            self._buffers.append(buffer)
            entry.buffer = len(self._buffers) - 1
        self._tensors.append(entry)
        return len(self._tensors) - 1

    def operator(self, kind: str, inputs: list[int], output: int, **options: object) -> None:
        operator = schema.OperatorT()
        operator.opcodeIndex = self._code(kind)
        operator.inputs, operator.outputs = inputs, [output]
        if kind in _OPTIONS:
            operator.builtinOptionsType = getattr(schema.BuiltinOptions, _OPTIONS[kind])
            operator.builtinOptions = getattr(schema, f"{_OPTIONS[kind]}T")()
            for name, value in options.items():
                assert hasattr(operator.builtinOptions, name), name
                setattr(operator.builtinOptions, name, value)
        self._operators.append(operator)

    def build(self, inputs: list[int], outputs: list[int], sub_graphs: int = 1) -> bytes:
        model = schema.ModelT()
        model.version, model.buffers, model.operatorCodes = 3, self._buffers, self._codes
        graph = schema.SubGraphT()
        graph.tensors, graph.operators = self._tensors, self._operators
        graph.inputs, graph.outputs = inputs, outputs
        model.subgraphs = [graph] * sub_graphs
        builder = flatbuffers.Builder(1 << 12)
        builder.Finish(model.Pack(builder), b"TFL3")
        return bytes(builder.Output())

    def _code(self, kind: str) -> int:
        code = schema.OperatorCodeT()
        code.builtinCode = getattr(schema.BuiltinOperator, kind)
        code.deprecatedBuiltinCode = min(code.builtinCode, 127)
        code.version = _VERSIONS.get(kind, 2)
        self._codes.append(code)
        return len(self._codes) - 1
