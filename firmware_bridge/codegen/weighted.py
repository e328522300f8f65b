"""Convolutions and fully connected layers."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from edge_asc.firmware_bridge.codegen.calls import Call, Operand, Program
from edge_asc.firmware_bridge.codegen.constants import Constants
from edge_asc.firmware_bridge.codegen.oracle import Oracle
from edge_asc.firmware_bridge.codegen.probe import check_rounding
from edge_asc.firmware_bridge.codegen.rounding import MOST_SUM
from edge_asc.firmware_bridge.codegen.scaling import Output, Scaling, scaling_of
from edge_asc.firmware_bridge.codegen.source import Source
from edge_asc.firmware_bridge.codegen.windows import Window, pictures, window_of

_INT8_RANGE = 255


class WeightedLayers:
    """Turns operators with weights into calls; the input's zero point goes into the bias.

    That is exact where a window leaves the image, too: what is outside has the zero point's value
    there, and so counts for nothing.
    """

    def __init__(
        self, source: Source, program: Program, constants: Constants, oracle: Oracle
    ) -> None:
        self._source = source
        self._program = program
        self._constants = constants
        self._oracle = oracle
        self._layers: dict[tuple[object, ...], str] = {}

    def convolution(self, operator: Any) -> None:  # noqa: ANN401 - the schema's class has no types
        x, w, y = (int(index) for index in (*operator.inputs[:2], operator.outputs[0]))
        weights = self._source.weights(w)
        out_channels, height, width, channels = weights.shape
        window = window_of(self._source, self._program, operator, (height, width))
        if window.channels != channels:
            raise self._source.refused(y, "is a convolution in groups, which has no kernel")
        flat = weights.reshape(out_channels, -1)
        pixels = window.out_height * window.out_width
        if window.is_pointwise:
            rows = pixels * self._source.shape(y)[0]
            layer = self._layer(operator, flat, rows, axis=0)
            self._emit("asc_dense", (layer,), Operand(window.image), Operand(y), rows * flat.size)
        else:
            names = (self._window(window, x, y), self._layer(operator, flat, pixels, axis=0))
            scratch = f"ASC_CONVOLUTION_SCRATCH({height}, {width}, {channels})"
            self._constants.check(f"{scratch} == {2 * flat.shape[1]}")
            for read, write in pictures(self._source, window, y):
                macs = pixels * flat.size
                self._emit("asc_convolution", names, read, write, macs, 2 * flat.shape[1])

    def depthwise(self, operator: Any) -> None:  # noqa: ANN401
        w, y = int(operator.inputs[1]), int(operator.outputs[0])
        weights = self._source.weights(w)
        _, height, width, channels = weights.shape
        window = window_of(self._source, self._program, operator, (height, width))
        if operator.builtinOptions.depthMultiplier != 1 or window.channels != channels:
            raise self._source.refused(
                y, "is a depthwise convolution with a multiplier; supported is multiplier 1"
            )
        flat = np.ascontiguousarray(weights.reshape(-1, channels).T)
        pixels = window.out_height * window.out_width
        layer = self._layer(operator, flat, pixels, axis=3, order=weights)
        scratch = f"ASC_DEPTHWISE_SCRATCH({height}, {width}, {channels})"
        self._constants.check(f"{scratch} == {flat.size}")
        names = (self._window(window, int(operator.inputs[0]), y), layer)
        for read, write in pictures(self._source, window, y):
            self._emit("asc_depthwise", names, read, write, pixels * flat.size, flat.size)

    def fully_connected(self, operator: Any) -> None:  # noqa: ANN401
        x, w, y = (int(index) for index in (*operator.inputs[:2], operator.outputs[0]))
        options = operator.builtinOptions
        if options.weightsFormat != 0 or options.asymmetricQuantizeInputs:
            raise self._source.refused(y, "has shuffled weights or a hybrid input")
        weights = self._source.weights(w)
        rows = self._source.size(x) // weights.shape[1]
        layer = self._layer(operator, weights, rows, axis=0)
        self._emit("asc_dense", (layer,), Operand(x), Operand(y), rows * weights.size)

    def _emit(
        self,
        kernel: str,
        names: tuple[str, ...],
        read: Operand,
        write: Operand,
        macs: int,
        scratch_bytes: int = 0,
    ) -> None:
        arguments = tuple(f"&{name}" for name in names)
        label = self._source.graph.name(write.tensor)
        call = Call(kernel, arguments, (read,), write, label, scratch_bytes, macs)
        self._program.calls.append(call)

    def _layer(
        self,
        operator: Any,  # noqa: ANN401
        flat: npt.NDArray[np.int8],
        rows: int,
        *,
        axis: int,
        order: npt.NDArray[np.int8] | None = None,
    ) -> str:
        """The name of an `asc_dense_t`; `flat` has shape (out_channels, depth).

        Steps of an unrolled layer have the same one, which is made and tried once.
        """
        source = self._source
        x, y = int(operator.inputs[0]), int(operator.outputs[0])
        label = source.graph.name(y)
        output = Output(source.scale(y), source.zero(y), *source.activation_range(operator))
        key = (*map(int, operator.inputs[1:]), source.scale(x), source.zero(x), output, rows)
        if key in self._layers:
            return self._layers[key]
        bias = source.bias(operator, len(flat))
        wide = flat.astype(np.int64)
        bounds = np.abs(wide).sum(axis=1) * _INT8_RANGE + np.abs(bias)
        if bounds.max() > MOST_SUM:
            raise source.refused(y, "sums so much that 32 bits do not hold it")
        scaling = self._scaling(operator, axis, [int(bound) for bound in bounds], output)
        folded = bias - source.zero(x) * wide.sum(axis=1)
        fields = [
            ("weights", self._constants.array("int8_t", flat if order is None else order, label)),
            ("bias", self._constants.array("int32_t", folded, label)),
            ("rows", rows),
            ("depth", flat.shape[1]),
            ("out_channels", len(flat)),
            *scaling.fields(self._constants, label),
        ]
        self._layers[key] = self._constants.structure("asc_dense_t", fields, label)
        return self._layers[key]

    def _scaling(
        self,
        operator: Any,  # noqa: ANN401
        axis: int,
        bounds: list[int],
        output: Output,
    ) -> Scaling:
        """The rule of a layer's sums, tried on the oracle."""
        source, channels = self._source, len(bounds)
        x, w = (int(index) for index in operator.inputs[:2])
        scales = source.weight_scales(w, axis, channels)
        kind = source.graph.kind(operator)
        arithmetic = self._oracle.arithmetic
        scaling = scaling_of(arithmetic, kind, source.scale(x), scales, bounds, output)
        factors = np.resize(scaling.factors, channels).tolist()
        check_rounding(source, operator, self._oracle, scaling.at, factors, bounds)
        return scaling

    def _window(self, window: Window, x: int, y: int) -> str:
        label = self._source.graph.name(y)
        return window.constant(self._constants, self._source.zero(x), label)
