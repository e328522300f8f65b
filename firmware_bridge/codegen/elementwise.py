"""Operators without weights: sums, products, tables, means, pooling."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from edge_asc.errors import FirmwareError
from edge_asc.export.kernel_rules import FIXED_SCALES
from edge_asc.firmware_bridge.codegen.calls import Call, Operand, Program
from edge_asc.firmware_bridge.codegen.constants import Constants
from edge_asc.firmware_bridge.codegen.oracle import Int8, Oracle, one_operator
from edge_asc.firmware_bridge.codegen.rounding import quantized_multiplier, table_rises
from edge_asc.firmware_bridge.codegen.source import Source
from edge_asc.firmware_bridge.codegen.windows import pictures, window_of

_FINER_BITS = 20
"""By so many is the common scale of a sum finer than the coarser input's: the kernels' ASC_FINER"""

_MOST_PRODUCT_SHIFT = 14
"""255 * 255 shifted further does not fit 32 bits"""

_MOST_MEAN_RUNS = 5000


class Elementwise:
    """Turns operators without weights into calls, asking the oracle where it has tables."""

    def __init__(
        self, source: Source, program: Program, constants: Constants, oracle: Oracle
    ) -> None:
        self._source = source
        self._program = program
        self._constants = constants
        self._oracle = oracle
        self._tables: dict[tuple[object, ...], str] = {}

    def pair(self, operator: Any) -> None:  # noqa: ANN401 - the schema's class has no types
        """ADD, SUB and MUL of two tensors, or of one and a constant."""
        source = self._source
        a, b, y = (int(index) for index in (*operator.inputs, operator.outputs[0]))
        kind = source.graph.kind(operator)
        lowest, highest = source.activation_range(operator)
        label = source.graph.name(y)
        entries: list[tuple[str, object]] = [
            ("count", source.size(y)),
            ("period_a", self._period(a, y)),
            ("period_b", self._period(b, y)),
            ("zero_a", source.zero(a)),
            ("zero_b", source.zero(b)),
            *(self._product(a, b, y) if kind == "MUL" else self._sum(a, b, y)),
            ("zero", source.zero(y)),
            ("lowest", lowest),
            ("highest", highest),
        ]
        name = self._constants.structure("asc_pair_t", entries, label)
        kernel = {"ADD": "asc_add", "SUB": "asc_subtract", "MUL": "asc_multiply"}[kind]
        operands = (Operand(a), Operand(b))
        self._program.calls.append(Call(kernel, (f"&{name}",), operands, Operand(y), label))

    def table(self, operator: Any) -> None:  # noqa: ANN401
        """LOGISTIC, TANH and QUANTIZE: what the oracle gives for each of the 256 values."""
        source = self._source
        x, y = int(operator.inputs[0]), int(operator.outputs[0])
        kind = source.graph.kind(operator)
        scales = (source.scale(x), source.zero(x), source.scale(y), source.zero(y))
        wanted = FIXED_SCALES.get((kind, "int8"), scales[2:])
        if scales[2:] != wanted:
            raise source.refused(y, f"must have scale and zero point {wanted}, has {scales[2:]}")
        key = (kind, *scales)
        if key not in self._tables:
            values = self._ask_for_table(operator)
            self._tables[key] = self._constants.array("int8_t", values, source.graph.name(y))
        arguments = (self._tables[key], str(source.size(y)))
        self._emit("asc_look_up", arguments, x, y)

    def mean(self, operator: Any) -> None:  # noqa: ANN401
        """MEAN over axes that follow each other."""
        source = self._source
        x, y = int(operator.inputs[0]), int(operator.outputs[0])
        shape = source.shape(x)
        axes = sorted({axis % len(shape) for axis in source.integers(int(operator.inputs[1]))})
        if axes != list(range(axes[0], axes[-1] + 1)):
            raise source.refused(y, f"is a mean over axes {axes}; they must follow each other")
        outer, inner = math.prod(shape[: axes[0]]), math.prod(shape[axes[-1] + 1 :])
        reduced = math.prod(shape[axes[0] : axes[-1] + 1])
        values = self._ask_for_means(operator, axes, reduced)
        rises = table_rises(values, -128 * reduced)
        label = source.graph.name(y)
        sums = np.array(rises.first_sums or [0])  # C knows no empty array
        name = self._constants.array("int32_t", sums, label)
        sizes = (len(rises.first_sums), rises.lowest, outer, reduced, inner)
        self._emit("asc_mean", (name, *map(str, sizes)), x, y)

    def pool(self, operator: Any) -> None:  # noqa: ANN401
        source = self._source
        x, y = int(operator.inputs[0]), int(operator.outputs[0])
        source.check_same_scale(y, x)
        options = operator.builtinOptions
        size = int(options.filterHeight), int(options.filterWidth)
        window = window_of(source, self._program, operator, size)
        lowest, highest = source.activation_range(operator)
        label = source.graph.name(y)
        name = window.constant(self._constants, 0, label)
        kinds = {"AVERAGE_POOL_2D": "asc_average_pool", "MAX_POOL_2D": "asc_max_pool"}
        kernel = kinds[source.graph.kind(operator)]
        arguments = (f"&{name}", str(lowest), str(highest))
        for read, write in pictures(source, window, y):
            self._program.calls.append(Call(kernel, arguments, (read,), write, label))

    def _emit(self, kernel: str, arguments: tuple[str, ...], x: int, y: int) -> None:
        label = self._source.graph.name(y)
        self._program.calls.append(Call(kernel, arguments, (Operand(x),), Operand(y), label))

    def _period(self, tensor: int, output: int) -> int:
        """After how many values an input is repeated; its shape must be the end of the output's."""
        shape, whole = self._source.shape(tensor), self._source.shape(output)
        while shape and shape[0] == 1:
            shape = shape[1:]
        if len(shape) > len(whole) or whole[len(whole) - len(shape) :] != shape:
            raise self._source.refused(
                output,
                f"stretches an input of shape {self._source.shape(tensor)} to {whole}; supported"
                " are a single value and the last axes",
            )
        return math.prod(shape)

    def _sum(self, a: int, b: int, y: int) -> list[tuple[str, object]]:
        """Factors of ADD and SUB: inputs to twice the coarser scale, and from there."""
        source = self._source
        twice = 2 * max(source.scale(a), source.scale(b))
        factors = {
            "_a": source.scale(a) / twice,
            "_b": source.scale(b) / twice,
            "": twice / ((1 << _FINER_BITS) * source.scale(y)),
        }
        entries: list[tuple[str, object]] = []
        for suffix, factor in factors.items():
            multiplier, shift = quantized_multiplier(factor)
            if shift > 0:
                raise source.refused(y, "has a scale a million times finer than its inputs'")
            entries += [(f"multiplier{suffix}", multiplier), (f"shift{suffix}", shift)]
        return entries

    def _product(self, a: int, b: int, y: int) -> list[tuple[str, object]]:
        """The factor of MUL, whose scales each interpreter multiplies in its own precision."""
        scales = [self._source.scale(tensor) for tensor in (a, b, y)]
        if self._oracle.arithmetic == "litert":
            single = [np.float32(scale) for scale in scales]
            factor = float(single[0] * single[1] / single[2])
        else:
            factor = scales[0] * scales[1] / scales[2]
        multiplier, shift = quantized_multiplier(factor)
        if shift > _MOST_PRODUCT_SHIFT:
            raise self._source.refused(y, "has a scale too fine for its inputs' product")
        return [("multiplier", multiplier), ("shift", shift)]

    def _ask_for_table(self, operator: Any) -> Int8:  # noqa: ANN401
        x, y = int(operator.inputs[0]), int(operator.outputs[0])
        index = self._source.index(operator)
        shape = {x: (1, 256), y: (1, 256)}
        run = self._oracle.load(one_operator(self._source.tflite, index, shape))
        (values,) = run([np.arange(-128, 128, dtype=np.int8).reshape(1, 256)])
        return values.ravel()

    def _ask_for_means(self, operator: Any, axes: list[int], reduced: int) -> Int8:  # noqa: ANN401
        """The oracle's mean for every sum from -128 * reduced to 127 * reduced."""
        sums = np.arange(-128 * reduced, 127 * reduced + 1)
        x, y = int(operator.inputs[0]), int(operator.outputs[0])
        shape, wide = list(self._source.shape(x)), list(self._source.shape(y))
        if len(shape) - 1 not in axes:
            shape[-1] = wide[-1] = len(sums)  # all in one run
        a_run = math.prod(shape) // reduced
        if len(sums) > _MOST_MEAN_RUNS * a_run:
            raise self._source.refused(y, f"is a mean of {reduced} values, more than can be tried")
        index = self._source.index(operator)
        shapes = {x: tuple(shape), y: tuple(wide)}
        run = self._oracle.load(one_operator(self._source.tflite, index, shapes))
        padded = np.resize(sums, -(-len(sums) // a_run) * a_run)
        found = [
            run([_with_sums(part, tuple(shape), axes, reduced)])[0].ravel()
            for part in padded.reshape(-1, a_run)
        ]
        means: Int8 = np.concatenate(found)[: len(sums)]
        return means


def _with_sums(
    sums: npt.NDArray[np.int64], shape: tuple[int, ...], axes: list[int], reduced: int
) -> Int8:
    """A tensor of `shape` whose values along `axes` have the given sums."""
    begin, end = axes[0], axes[-1] + 1
    outer, inner = math.prod(shape[:begin]), math.prod(shape[end:])
    wanted = sums.reshape(outer, 1, inner)
    values = np.broadcast_to(wanted // reduced, (outer, reduced, inner)).copy()
    values[np.arange(reduced).reshape(1, reduced, 1) < wanted % reduced] += 1
    if values.min() < -128 or values.max() > 127:
        raise FirmwareError("sums of int8 values are out of their range")
    return values.astype(np.int8).reshape(shape)
