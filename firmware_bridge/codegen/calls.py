"""A network as calls of kernels, before its tensors have places."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace


@dataclass(frozen=True, slots=True)
class Operand:
    """A tensor, or what begins `offset` bytes behind its first."""

    tensor: int
    offset: int = 0


@dataclass(frozen=True, slots=True)
class Call:
    """One kernel: kernel(arguments..., inputs..., [scratch,] output)."""

    kernel: str
    arguments: tuple[str, ...]
    """C expressions: names of constants, numbers"""
    inputs: tuple[Operand, ...]
    output: Operand
    label: str
    """The output's name in the network"""
    scratch_bytes: int = 0
    macs: int = 0
    """Multiply-adds"""


@dataclass(slots=True)
class Program:
    """All calls of a network in their order, and which tensors lie in others."""

    calls: list[Call] = field(default_factory=list)
    views: dict[int, Operand] = field(default_factory=dict)
    """A tensor that is a part of another one, or the same under another shape"""
    constants: dict[int, str] = field(default_factory=dict)
    """C names of the int8 constants that are operands"""
    padded: dict[int, tuple[int, int, int]] = field(default_factory=dict)
    """What a PAD puts out that is never made: its input, rows above it, columns left of it"""
    kinds: list[str] = field(default_factory=list)
    """The operators that the file has, in their order"""

    def place(self, operand: Operand) -> Operand:
        """Where an operand lies: a tensor that is no view, and bytes behind its beginning."""
        return resolve(self.views, operand)

    def placed(self, call: Call) -> Call:
        """The call with operands that are no views."""
        inputs = tuple(self.place(operand) for operand in call.inputs)
        return replace(call, inputs=inputs, output=self.place(call.output))


def resolve(views: Mapping[int, Operand], operand: Operand) -> Operand:
    """The operand without views."""
    while operand.tensor in views:
        view = views[operand.tensor]
        operand = Operand(view.tensor, view.offset + operand.offset)
    return operand
