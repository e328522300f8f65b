"""Windows that move over an image: sizes, strides, and where they begin outside of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Any

from edge_asc.firmware_bridge.codegen.calls import Operand, Program
from edge_asc.firmware_bridge.codegen.constants import Constants
from edge_asc.firmware_bridge.codegen.source import Source

_SAME = 0


@dataclass(frozen=True, slots=True)
class Window:
    """`asc_window_t` of the kernels, and the image that it moves over."""

    image: int
    """The tensor that is read: what an operator PAD before the window has as input"""
    in_height: int
    in_width: int
    channels: int
    out_height: int
    out_width: int
    window_height: int
    window_width: int
    stride_height: int
    stride_width: int
    pad_top: int
    pad_left: int

    @property
    def is_pointwise(self) -> bool:
        """Whether every pixel is read once, in order."""
        return (self.window_height, self.window_width) == (1, 1) and (
            self.in_height,
            self.in_width,
        ) == (self.out_height, self.out_width)

    def constant(self, constants: Constants, outside: int, label: str) -> str:
        """The name of the structure in C."""
        entries: list[tuple[str, object]] = [
            (field.name, getattr(self, field.name)) for field in fields(self)[1:]
        ]
        return constants.structure("asc_window_t", [*entries, ("outside", outside)], label)


def window_of(
    source: Source,
    program: Program,
    operator: Any,  # noqa: ANN401 - the schema's class has no types
    size: tuple[int, int],
) -> Window:
    """The window of `size` (height, width) of a convolution or pooling.

    Raises FirmwareError for dilation and for anything but pictures.
    """
    x, y = int(operator.inputs[0]), int(operator.outputs[0])
    options = operator.builtinOptions
    if getattr(options, "dilationHFactor", 1) != 1 or getattr(options, "dilationWFactor", 1) != 1:
        raise source.refused(y, "is dilated, which has no kernel")
    image, top, left = program.padded.get(x, (x, 0, 0))
    in_height, in_width, channels = source.image(image)
    out_height, out_width, _ = source.image(y)
    strides = int(options.strideH), int(options.strideW)
    if options.padding == _SAME:
        top += _before(in_height, out_height, size[0], strides[0])
        left += _before(in_width, out_width, size[1], strides[1])
    return Window(
        image, in_height, in_width, channels, out_height, out_width, *size, *strides, top, left
    )


def pictures(source: Source, window: Window, output: int) -> Iterator[tuple[Operand, Operand]]:
    """Where each picture is read and written; a kernel takes one at a time."""
    count = source.shape(output)[0]
    read, write = source.size(window.image) // count, source.size(output) // count
    for at in range(count):
        yield Operand(window.image, at * read), Operand(output, at * write)


def _before(in_size: int, out_size: int, window: int, stride: int) -> int:
    """What SAME puts before the image; an odd one more comes behind it."""
    return max((out_size - 1) * stride + window - in_size, 0) // 2
