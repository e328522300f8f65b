"""float32 TFLite -> int8, with given ranges: nothing is measured here.

Round, clip, cast, by TFLite's quantization specification: 8-bit tensors with a zero point,
symmetric 8-bit weights (a step for each output channel of a convolution, one for the matrix of a
fully connected layer), 32-bit biases in steps of input times weight. What an operator computes in
can be chosen for each; conversions are put where two kinds or two scales meet.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt

from edge_asc.errors import ExportError
from edge_asc.export.flatbuffer import Graph, Quantization
from edge_asc.export.kernel_rules import FIXED_SCALES, KEEPS_SCALE
from edge_asc.training.models.device_layers import quantization

Precision = Literal["int8", "int16", "float", "dynamic"]
"""What an operator computes in. "int16": tensors of 16 bits, weights of 8. "dynamic": weights of 8,
inputs quantized anew at each run, float results; as "float" where there are no weights."""

Ranges = Mapping[str, tuple[float, float]]

_WEIGHTED = {"CONV_2D": 0, "DEPTHWISE_CONV_2D": 3}
"""Axis of the weights along which steps differ."""

_VERSIONS = {
    "int8": {"CONV_2D": 3, "DEPTHWISE_CONV_2D": 3, "FULLY_CONNECTED": 4, "RESHAPE": 1},
    "int16": {"CONV_2D": 4, "DEPTHWISE_CONV_2D": 5, "FULLY_CONNECTED": 7, "CONCATENATION": 3,
              "PAD": 3, "AVERAGE_POOL_2D": 3, "RESHAPE": 1},
    "dynamic": {"CONV_2D": 5, "DEPTHWISE_CONV_2D": 6, "FULLY_CONNECTED": 9},
}  # fmt: skip
"""Operator versions that know these types (TFLite's op_version.cc); 2 where not listed."""

_DTYPES = {"int8": np.int8, "int16": np.int16, "float": np.float32, "dynamic": np.float32}
_LIMITS = {"int8": 127, "int16": 32767}
_GRID_TOLERANCE = 2e-3


def quantize(
    float32: bytes, ranges: Ranges, precision: Mapping[str, Precision] | None = None
) -> bytes:
    """Return the network of `float32` in integers.

    `ranges` gives lowest and highest value by tensor name; `precision`, by the name of an
    operator's output, what is not to be int8. A weight that lies on a grid of 127 steps a side
    keeps it.

    Raises:
        ExportError: a computed tensor has no range.
        ValueError: `precision` names an operator or a kind that there is not.
    """
    return _Quantizer(Graph(float32), ranges, precision or {}).run()


def weight_grid(rows: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """The step of each row of weights, shape (rows, columns).

    The coarsest of at most 127 steps a side that the row lies on; where it lies on none, what
    spreads its largest weight over 127.
    """
    largest = np.abs(rows).max(axis=1).astype(np.float64)
    steps = np.full(len(rows), 127.0)
    found = largest == 0.0
    for count in range(1, 128):
        scaled = rows * (count / np.where(found, 1.0, largest))[:, None]
        on_grid = np.abs(scaled - np.rint(scaled)).max(axis=1) < _GRID_TOLERANCE
        steps = np.where(on_grid & ~found, count, steps)
        found |= on_grid
    return np.asarray(np.where(largest == 0.0, 1.0, largest) / steps, np.float32)


class _Quantizer:
    def __init__(self, graph: Graph, ranges: Ranges, precision: Mapping[str, Precision]) -> None:
        unknown = {kind for kind in precision.values() if kind not in get_args(Precision)}
        if unknown:
            raise ValueError(f"precision must be one of {get_args(Precision)}, got {unknown}")
        strange = precision.keys() - {graph.name(output) for _, output in graph.computed()}
        if strange:
            raise ValueError(
                f"precision is given by the names of operators' outputs, none is {sorted(strange)}"
            )
        self._graph, self._ranges, self._precision = graph, ranges, precision
        self._operators: list[Any] = []
        self._converted: dict[tuple[int, str], int] = {}
        self._constants: dict[tuple[Any, ...], int] = {}
        self._waiting = set(graph.inputs)
        """Inputs whose type the first operator that reads them decides."""

    def run(self) -> bytes:
        graph = self._graph
        for operator in list(graph.operators):
            (output,) = (int(index) for index in operator.outputs)
            precision = self._precision.get(graph.name(output), "int8")
            self._convert_operator(operator, output, precision)
        graph.operators[:] = self._operators
        return graph.to_bytes()

    def _convert_operator(
        self,
        operator: Any,  # noqa: ANN401 - the schema's class has no types
        output: int,
        precision: Precision,
    ) -> None:
        graph, kind = self._graph, self._graph.kind(operator)
        has_weights = kind in (*_WEIGHTED, "FULLY_CONNECTED")
        if precision == "dynamic" and not has_weights:
            precision = "float"
        operator.inputs = [self._activation(int(i), precision) for i in operator.inputs]
        if has_weights and precision != "float":
            self._convert_weights(operator, kind, precision)
        else:
            self._convert_operands(operator, precision)
        if precision in ("int8", "int16"):
            graph.set_type(
                output, _DTYPES[precision], self._output_scale(operator, kind, output, precision)
            )
        if precision != "float":
            graph.operator_code(kind, _VERSIONS[precision].get(kind, 2))
        self._operators.append(operator)

    def _output_scale(
        self,
        operator: Any,  # noqa: ANN401
        kind: str,
        output: int,
        precision: Precision,
    ) -> Quantization:
        graph = self._graph
        if (kind, precision) in FIXED_SCALES:
            step, zero = FIXED_SCALES[kind, precision]
            return Quantization(np.array([step], np.float32), zero)
        if kind not in KEEPS_SCALE:
            return self._scale(graph.name(output), precision)
        sources = [int(i) for i in operator.inputs if graph.quantization(int(i)) is not None]
        scales = [scale for i in sources if (scale := graph.quantization(i)) is not None]
        if len({(scale.scale.tobytes(), scale.zero_point) for scale in scales}) > 1:
            return self._join_scales(operator, scales, precision)
        return scales[0]

    def _join_scales(
        self,
        operator: Any,  # noqa: ANN401
        scales: list[Quantization],
        precision: Precision,
    ) -> Quantization:
        """Bring what `operator` joins to one scale, that of the widest range of them all."""
        limit = _LIMITS[precision]
        ends = [
            (np.array([-limit - 1, limit]) - scale.zero_point) * scale.scale[0] for scale in scales
        ]
        low, high = float(np.min(ends)), float(np.max(ends))
        scale, zero_point = (
            quantization(low, high) if precision == "int8" else (max(-low, high) / limit, 0)
        )
        joined = Quantization(np.array([scale], np.float32), zero_point)
        graph = self._graph
        for place, index in enumerate(int(i) for i in operator.inputs):
            target = graph.add_tensor(
                f"{graph.name(index)}|joined", graph.shape(index), _DTYPES[precision], joined
            )
            self._operators.append(graph.new_operator("QUANTIZE", 2, [index], [target]))
            operator.inputs[place] = target
        return joined

    def _scale(self, name: str, precision: Precision) -> Quantization:
        if name not in self._ranges:
            raise ExportError(
                f"the tensor {name!r} of the network has no range; the network was not calibrated"
            )
        low, high = self._ranges[name]
        if precision == "int16":
            return Quantization(np.array([max(-low, high) / _LIMITS["int16"]], np.float32))
        scale, zero_point = quantization(low, high)
        return Quantization(np.array([scale], np.float32), zero_point)

    def _activation(self, index: int, precision: Precision) -> int:
        """The tensor `index` as an operator of `precision` takes it; constants are left alone."""
        graph = self._graph
        if index < 0 or graph.constant(index) is not None:
            return index
        wanted = np.dtype(_DTYPES[precision])
        if index in self._waiting:
            self._waiting.remove(index)
            if precision in ("int8", "int16"):
                graph.set_type(index, wanted, self._scale(graph.name(index), precision))
        if graph.dtype(index) == wanted:
            return index
        if (index, wanted.name) not in self._converted:
            self._converted[index, wanted.name] = self._add_conversion(index, precision)
        return self._converted[index, wanted.name]

    def _add_conversion(self, index: int, precision: Precision) -> int:
        graph, name = self._graph, self._graph.name(index)
        to_float = precision in ("float", "dynamic")
        if precision == "int16" and graph.dtype(index) == np.int8:
            index = self._activation(index, "float")  # no kernel goes there in one step
        scale = None if to_float else self._scale(name.split("|")[0], precision)
        target = graph.add_tensor(
            f"{name}|{precision}", graph.shape(index), _DTYPES[precision], scale
        )
        kind, version = ("DEQUANTIZE", 2) if to_float else ("QUANTIZE", 2)
        self._operators.append(graph.new_operator(kind, version, [index], [target]))
        return target

    def _convert_operands(self, operator: Any, precision: Precision) -> None:  # noqa: ANN401
        """Quantize constants that an operator without weights computes with."""
        graph = self._graph
        for place, index in enumerate(operator.inputs):
            values = None if index < 0 else graph.constant(int(index))
            if values is None or values.dtype != np.float32 or precision not in _LIMITS:
                continue
            key = (int(index), precision)
            if key not in self._constants:
                low, high = float(values.min()), float(values.max())
                if low == high == 0.0:
                    high = 1.0  # zeros have any scale
                if precision == "int8":
                    scale, zero_point = quantization(low, high)
                else:
                    scale, zero_point = max(-low, high) / _LIMITS["int16"], 0
                limit = _LIMITS[precision]
                steps = np.clip(np.rint(values / scale) + zero_point, -limit - 1, limit)
                self._constants[key] = graph.add_tensor(
                    graph.name(int(index)),
                    graph.shape(int(index)),
                    _DTYPES[precision],
                    Quantization(np.array([scale], np.float32), zero_point),
                    steps,
                )
            operator.inputs[place] = self._constants[key]

    def _convert_weights(
        self,
        operator: Any,  # noqa: ANN401
        kind: str,
        precision: Precision,
    ) -> None:
        graph = self._graph
        source, weight, *rest = (int(index) for index in operator.inputs)
        weights = self._weights(weight, _WEIGHTED.get(kind))
        inputs = [source, weights]
        if precision == "dynamic":
            operator.builtinOptions.asymmetricQuantizeInputs = True
            operator.inputs = [*inputs, *rest]
            return
        scale, steps = graph.quantization(source), graph.quantization(weights)
        assert scale is not None
        assert steps is not None
        if rest and rest[0] >= 0:
            inputs.append(self._bias(rest[0], scale.scale[0] * steps.scale, precision))
        elif rest:
            inputs.append(-1)
        operator.inputs = inputs

    def _weights(self, index: int, axis: int | None) -> int:
        key = (index, "weights")
        if key not in self._constants:
            graph = self._graph
            values = graph.constant(index)
            assert values is not None
            rows = values.reshape(1, -1)
            if axis is not None:
                rows = np.moveaxis(values, axis, 0).reshape(values.shape[axis], -1)
            step = weight_grid(rows)
            shape = [1] * values.ndim
            if axis is not None:
                shape[axis] = -1
            steps = np.clip(np.rint(values / step.reshape(shape)), -127, 127)
            self._constants[key] = graph.add_tensor(
                graph.name(index), values.shape, np.int8, Quantization(step, 0, axis or 0), steps
            )
        return self._constants[key]

    def _bias(self, index: int, step: npt.NDArray[np.float32], precision: Precision) -> int:
        key = (index, precision, step.tobytes())
        if key not in self._constants:
            graph = self._graph
            values = graph.constant(index)
            assert values is not None
            dtype = np.int32 if precision == "int8" else np.int64
            limit = np.iinfo(np.int32)
            steps = np.clip(np.rint(values / step.astype(np.float64)), limit.min, limit.max)
            self._constants[key] = graph.add_tensor(
                graph.name(index), values.shape, dtype, Quantization(step), steps
            )
        return self._constants[key]
