"""Numbers and names as C text."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

_INDENT = "    "
_LINE_CHARACTERS = 100


def integers(values: npt.NDArray[np.int64]) -> list[str]:
    """C99 constants of the values."""
    return [str(value) if abs(value) < 2**31 else f"INT64_C({value})" for value in values.tolist()]


def unsigned(values: npt.NDArray[np.int64]) -> list[str]:
    """C99 constants of values from 0 to 2**32 - 1."""
    return [f"{value}u" for value in values.tolist()]


def floats(values: npt.NDArray[np.float32] | npt.NDArray[np.float64]) -> list[str]:
    """C99 constants that a compiler reads back as the same bits of single precision."""
    return [number(value) for value in values.astype(np.float32).tolist()]


def number(value: float) -> str:
    """A C99 constant of single precision."""
    text = f"{value:.9g}"
    return f"{text}f" if {".", "e"} & set(text) else f"{text}.0f"


def array(declaration: str, constants: Iterable[str]) -> str:
    """The definition of an array of any constants, in lines of a readable width."""
    lines, line = [], _INDENT
    for constant in constants:
        if len(line) + len(constant) + 2 > _LINE_CHARACTERS:
            lines.append(line.rstrip())
            line = _INDENT
        line += f"{constant}, "
    lines.append(line.rstrip())
    return "\n".join([f"const {declaration} = {{", *lines, "};"])


def pairs(values: npt.NDArray[np.int8]) -> list[str]:
    """Constants of an array of shape (n, 2)."""
    return [f"{{{first}, {second}}}" for first, second in values.tolist()]


def text(value: str) -> str:
    """A C string of the UTF-8 bytes of `value`."""
    escaped = []
    for byte in value.encode():
        is_plain = 32 <= byte < 127 and byte not in b'"\\?'
        escaped.append(chr(byte) if is_plain else f"\\{byte:03o}")
    return '"' + "".join(escaped) + '"'


def names(declaration: str, values: Sequence[str]) -> str:
    """The definition of an array of strings."""
    return array(f"char *const {declaration}", [text(value) for value in values])


def comment_text(value: str) -> str:
    """`value` as it may stand in a C comment."""
    plain = "".join(character if character.isprintable() else " " for character in value)
    return plain.replace("*/", "* /").replace("/*", "/ *")
