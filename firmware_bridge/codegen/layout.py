"""Operators that move values: most become another view of the same bytes, the rest copies."""

from __future__ import annotations

import math
from typing import Any

from edge_asc.firmware_bridge.codegen.calls import Call, Operand, Program
from edge_asc.firmware_bridge.codegen.source import Source

_VALID = 1


class Layout:
    """RESHAPE, STRIDED_SLICE, CONCATENATION and PAD."""

    def __init__(self, source: Source, program: Program) -> None:
        self._source = source
        self._program = program

    def reshape(self, operator: Any) -> None:  # noqa: ANN401 - the schema's class has no types
        x, y = int(operator.inputs[0]), int(operator.outputs[0])
        self._source.check_same_scale(y, x)
        if self._source.size(x) != self._source.size(y):
            raise self._source.refused(y, "must have as many values as its input")
        self._program.views[y] = Operand(x)

    def strided_slice(self, operator: Any) -> None:  # noqa: ANN401
        """A view if the slice lies in one piece; rows are copied if one axis is cut."""
        x, y = int(operator.inputs[0]), int(operator.outputs[0])
        self._source.check_same_scale(y, x)
        shape = self._source.shape(x)
        begins, ends = self._limits(operator, shape)
        sizes = [end - begin for begin, end in zip(begins, ends, strict=True)]
        if math.prod(sizes) != self._source.size(y):
            raise self._source.refused(y, f"must have {math.prod(sizes)} values")
        first = sum(begin * math.prod(shape[axis + 1 :]) for axis, begin in enumerate(begins))
        cut = [axis for axis, size in enumerate(sizes) if size != shape[axis]]
        if not cut or math.prod(sizes[: cut[-1]]) == 1:
            self._program.views[y] = Operand(x, first)
        elif len(cut) == 1:
            row = math.prod(sizes[cut[0] :])
            stride = math.prod(shape[cut[0] :])
            rows = math.prod(sizes[: cut[0]])
            self._copy(Operand(x, first), Operand(y), rows, row, stride, row)
        else:
            raise self._source.refused(y, "is a slice along several axes that lies in many pieces")

    def concatenation(self, operator: Any) -> None:  # noqa: ANN401
        """Parts that lie one behind the other are made in their place."""
        source, y = self._source, int(operator.outputs[0])
        source.check_no_activation(operator)
        parts = [int(tensor) for tensor in operator.inputs]
        shape = source.shape(y)
        axis = int(operator.builtinOptions.axis) % len(shape)
        rows = math.prod(shape[:axis])
        stride, offset = source.size(y) // rows, 0
        for part in parts:
            source.check_same_scale(y, part)
            row = source.size(part) // rows
            made = self._program.place(Operand(part))
            if rows == 1 and made.offset == 0 and self._can_move(made.tensor, row):
                self._program.views[made.tensor] = Operand(y, offset)
            else:
                self._copy(Operand(part), Operand(y, offset), rows, row, row, stride)
            offset += row

    def pad(self, operator: Any) -> None:  # noqa: ANN401
        """Left to the windows that read it, if only such do; else a copy between filled margins."""
        source = self._source
        x, y = int(operator.inputs[0]), int(operator.outputs[0])
        source.check_same_scale(y, x)
        before = source.integers(int(operator.inputs[1]))[::2]
        after = source.integers(int(operator.inputs[1]))[1::2]
        height, width, channels = source.image(x)
        if before[0] or after[0] or before[3] or after[3]:
            raise source.refused(y, "must be padded in height and width only")
        if self._is_read_by_windows(y):
            self._program.padded[y] = (x, before[1], before[2])
            return
        wide = source.image(y)[1]
        label = source.graph.name(y)
        fill = (str(source.size(y)), str(source.zero(y)))
        self._program.calls.append(Call("asc_fill", fill, (), Operand(y), label))
        row, count = width * channels, source.shape(x)[0]
        for at in range(count):
            first = at * source.size(y) // count + (before[1] * wide + before[2]) * channels
            read, write = Operand(x, at * height * row), Operand(y, first)
            self._copy(read, write, height, row, row, wide * channels)

    def _limits(self, operator: Any, shape: tuple[int, ...]) -> tuple[list[int], list[int]]:  # noqa: ANN401
        """Where the slice begins and ends along each axis."""
        source, y = self._source, int(operator.outputs[0])
        options = operator.builtinOptions
        begins, ends, strides = (source.integers(int(index)) for index in operator.inputs[1:4])
        if options.ellipsisMask or options.newAxisMask or options.offset:
            raise source.refused(y, "is a slice with an ellipsis, a new axis or an offset")
        if len(begins) != len(shape) or any(stride != 1 for stride in strides):
            raise source.refused(y, f"is a slice with strides {strides}; they must be 1")
        for axis, size in enumerate(shape):
            begin = 0 if options.beginMask >> axis & 1 else begins[axis] % size
            end = size if options.endMask >> axis & 1 else ends[axis]
            end = begin + 1 if options.shrinkAxisMask >> axis & 1 else end
            begins[axis], ends[axis] = begin, min(end + size if end < 0 else end, size)
        return begins, ends

    def _can_move(self, tensor: int, num_values: int) -> bool:
        """Whether a kernel makes just these values, which then may write them elsewhere."""
        made = any(call.output.tensor == tensor for call in self._program.calls)
        return made and self._source.size(tensor) == num_values

    def _is_read_by_windows(self, tensor: int) -> bool:
        source = self._source
        readers = [source.graph.operators[at] for at in source.consumers.get(tensor, [])]
        return tensor not in source.graph.outputs and all(
            source.graph.kind(reader) in ("CONV_2D", "DEPTHWISE_CONV_2D")
            and reader.builtinOptions.padding == _VALID
            for reader in readers
        )

    def _copy(
        self, read: Operand, write: Operand, rows: int, row: int, in_stride: int, out_stride: int
    ) -> None:
        arguments = tuple(map(str, (rows, row, in_stride, out_stride)))
        label = self._source.graph.name(write.tensor)
        self._program.calls.append(Call("asc_copy_rows", arguments, (read,), write, label))
