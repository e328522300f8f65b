"""The C text of one network."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from edge_asc.firmware_bridge.codegen.calls import Call, Operand, Program
from edge_asc.firmware_bridge.codegen.constants import Constants
from edge_asc.firmware_bridge.codegen.lifetimes import Lifetimes
from edge_asc.firmware_bridge.codegen.loops import Loop, stride
from edge_asc.firmware_bridge.codegen.plan import ALIGNMENT, Plan

_INDENT = "    "


class Named(Protocol):
    """An input or output with its place."""

    @property
    def name(self) -> str: ...
    @property
    def offset(self) -> int: ...
    @property
    def num_bytes(self) -> int: ...


class Writer:
    """Writes a planned program; every line of it comes from the same few facts."""

    def __init__(
        self,
        name: str,
        program: Program,
        lifetimes: Lifetimes,
        plan: Plan,
        offset_of: Callable[[Operand], int],
    ) -> None:
        self._name = name
        self._program = program
        self._lifetimes = lifetimes
        self._plan = plan
        self._offset_of = offset_of
        self._placed = [program.placed(call) for call in program.calls]

    def header(self, inputs: Sequence[Named], outputs: Sequence[Named], origin: str) -> str:
        """Macros of sizes and places, and the prototype."""
        prefix = f"ASC_{self._name.upper()}"
        lines = [
            f"/* {origin} */",
            f"/* Bytes; the arena must begin at a multiple of {ALIGNMENT}. */",
            f"#define {prefix}_ARENA_BYTES {self._plan.arena_bytes}",
            "/* Where inputs and the output begin in the arena; inputs do not survive a run. */",
        ]
        for kind, places in (("INPUT", inputs), ("OUTPUT", outputs)):
            for place in places:
                names = [place.name.upper()] if kind == "INPUT" else []
                names += [kind] if len(places) == 1 else []
                names += [place.name.upper()] if kind == "OUTPUT" and len(places) > 1 else []
                for name in dict.fromkeys(map(_c_name, names)):
                    lines.append(f"#define {prefix}_{name}_OFFSET {place.offset}")
                    lines.append(f"#define {prefix}_{name}_BYTES {place.num_bytes}")
        return "\n".join([*lines, f"void asc_{self._name}_run(int8_t *arena);\n"])

    def source(self, constants: Constants, loops: Sequence[Loop], origin: str) -> str:
        """Constants, checks and the function."""
        body, at = [], 0
        for loop in [*loops, None]:
            until = len(self._program.calls) if loop is None else loop.first
            body += [self._statement(index, None, 1) for index in range(at, until)]
            if loop is not None:
                body += self._loop(loop)
                at = loop.first + loop.period * loop.count
        checks = [*constants.checks, *self._checks()]
        return "\n".join(
            [
                f"/* {origin} */\n",
                *constants.definitions,
                *checks,
                f"\nvoid asc_{self._name}_run(int8_t *arena) {{",
                *([f"{_INDENT}int32_t step;"] if loops else []),
                *body,
                "}\n",
            ]
        )

    def _checks(self) -> list[str]:
        """Every place ends inside the arena: checked again by the C compiler."""
        arena = f"ASC_{self._name.upper()}_ARENA_BYTES"
        ends = {
            self._plan.offsets[f"t{tensor}"] + size
            for tensor, size in self._lifetimes.sizes.items()
        } | {
            self._plan.offsets[f"s{at}"] + call.scratch_bytes
            for at, call in enumerate(self._program.calls)
            if f"s{at}" in self._plan.offsets
        }
        return [
            f"ASC_CHECK({self._name}_arena_holds_{end}, {end} <= {arena});" for end in sorted(ends)
        ]

    def _loop(self, loop: Loop) -> list[str]:
        return [
            f"{_INDENT}for (step = 0; step < {loop.count}; ++step) {{",
            *(self._statement(loop.first + at, loop, 2) for at in range(loop.period)),
            f"{_INDENT}}}",
        ]

    def _statement(self, index: int, loop: Loop | None, depth: int) -> str:
        call = self._program.calls[index]
        pointers = [
            self._pointer(call, index, which, loop) for which in range(len(call.inputs) + 1)
        ]
        if call.scratch_bytes:
            pointers.insert(-1, f"arena + {self._plan.offsets[f's{index}']}")
        indent = _INDENT * depth
        call_text = f"{call.kernel}({', '.join([*call.arguments, *pointers])});"
        return f"{indent}/* {one_line(call.label)} */\n{indent}{call_text}"

    def _pointer(self, call: Call, index: int, which: int, loop: Loop | None) -> str:
        operand = (*call.inputs, call.output)[which]
        place = self._program.place(operand)
        if place.tensor in self._program.constants:
            name = self._program.constants[place.tensor]
            pointer = f"{name} + {place.offset}" if place.offset else name
        else:
            pointer = f"arena + {self._offset_of(operand)}"
        if loop is None:
            return pointer
        moves = stride(self._placed, loop, index, which, self._lifetimes)
        return f"{pointer} + {moves} * step" if moves else pointer


def one_line(text: str) -> str:
    """A name from a file as it may stand in a C comment."""
    clean = "".join(letter if letter.isprintable() and letter.isascii() else "?" for letter in text)
    return clean.replace("*/", "* /").replace("/*", "/ *")


def _c_name(text: str) -> str:
    return "".join(letter if letter.isalnum() and letter.isascii() else "_" for letter in text)
