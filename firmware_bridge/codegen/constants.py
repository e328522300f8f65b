"""C constants of one network, each content once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

_LINE_CHARS = 96
_BYTES = {"int8_t": 1, "int32_t": 4, "asc_line_t": 32, "asc_piece_t": 12, "asc_vector_t": 24}


class Constants:
    """Definitions in the order in which they are needed; equal ones share a name."""

    def __init__(self, prefix: str) -> None:
        """`prefix` begins every name, such as "asc_encoder"."""
        self._prefix = prefix
        self._names: dict[tuple[str, str], str] = {}
        self._checked: set[str] = set()
        self.definitions: list[str] = []
        self.checks: list[str] = []
        self.num_bytes = 0
        """Of all arrays and structures on a machine with pointers of 32 bits"""

    def array(self, c_type: str, values: npt.NDArray[np.integer[Any]], label: str) -> str:
        """The name of an array of int8_t or int32_t; `label` tells what the first use is."""
        words = [_literal(int(value), c_type) for value in values.ravel()]
        return self._array(c_type, len(words), _wrapped(words), label)

    def structure(self, c_type: str, fields: Sequence[tuple[str, object]], label: str) -> str:
        """The name of a structure; each field is (name, C expression or integer)."""
        body = ",\n".join(f"    .{name} = {value}" for name, value in fields)
        return self._add(c_type, "", body, label, 4 * len(fields))

    def structures(self, c_type: str, entries: Iterable[Sequence[object]], label: str) -> str:
        """The name of an array of structures, their fields in order."""
        rows = ["    {" + ", ".join(map(str, entry)) + "}" for entry in entries]
        return self._array(c_type, len(rows), ",\n".join(rows), label)

    def check(self, condition: str) -> None:
        """Let the compiler see to it that `condition` holds."""
        if condition not in self._checked:
            self._checked.add(condition)
            name = f"{self._prefix.removeprefix('asc_')}_{len(self._checked)}"
            self.checks.append(f"ASC_CHECK({name}, {condition});")

    def _array(self, c_type: str, count: int, body: str, label: str) -> str:
        """An array that the compiler counts; `count` is what it must find."""
        name = self._add(c_type, "[]", body, label, count * _BYTES[c_type])
        self.check(f"sizeof {name} == {count} * sizeof {name}[0]")
        return name

    def _add(self, c_type: str, dimension: str, body: str, label: str, size_bytes: int) -> str:
        key = (c_type, body)
        if key not in self._names:
            name = f"{self._prefix}_{len(self._names)}"
            self._names[key] = name
            head = f"/* {label} */\nstatic const {c_type} {name}{dimension} = {{"
            self.definitions.append(f"{head}\n{body}\n}};\n")
            self.num_bytes += size_bytes
        return self._names[key]


def int64(value: int) -> str:
    """A 64-bit literal that every C99 compiler reads."""
    return f"INT64_C({value})"


def _literal(value: int, c_type: str) -> str:
    if c_type == "int32_t" and value == -(2**31):
        return "INT32_MIN"
    return str(value)


def _wrapped(words: Sequence[str]) -> str:
    lines, line = [], "   "
    for word in words:
        if len(line) + len(word) + 2 > _LINE_CHARS:
            lines.append(line)
            line = "   "
        line += f" {word},"
    return "\n".join([*lines, line]).rstrip(",")
