"""Styled text for the terminal view: lines that fit, bars, charts of one character's width each.

A line is a list of spans; nothing here knows how a terminal shows them.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass

Span = tuple[str, str]
"""A text, and its style in rich's words: "bold", "black on #56b4e9", "" """
Line = list[Span]


@dataclass(frozen=True, slots=True)
class Glyphs:
    """The characters that pictures are made of."""

    bar: str
    """Parts of a character from empty to full, left to right"""
    column: str
    """From low to full, bottom to top"""
    mark: str
    run: str
    """What goes on, in the strip of scenes"""
    lost: str
    undecided: str
    dot: str
    separator: str
    ellipsis: str
    pointer: str
    ends: str
    """Left and right end of a scale"""


BLOCKS = Glyphs(" ▏▎▍▌▋▊▉█", "▁▂▃▄▅▆▇█", "│", "━", "×", "·", "●", "·", "…", "▶", "▕▏")
ASCII = Glyphs(" #", "_.-=+*#", "|", "-", "x", ".", "*", "-", "~", ">", "[]")


def glyphs_of(encoding: str) -> Glyphs:
    """Block characters where `encoding` has them, else ASCII."""
    try:
        "".join(astuple(BLOCKS)).encode(encoding)
    except UnicodeEncodeError:
        return ASCII
    return BLOCKS


def printable(text: str) -> str:
    """`text` without what would move the cursor or change colours: it may come from anywhere."""
    return "".join(letter if letter.isprintable() else " " for letter in text)


def num_cells(text: str) -> int:
    """How many columns a terminal takes for `text`."""
    if text.isascii():
        return len(text)
    return sum(_cells_of(letter) for letter in text)


def _cells_of(letter: str) -> int:
    if unicodedata.combining(letter):
        return 0
    return 2 if unicodedata.east_asian_width(letter) in "WF" else 1


def crop(text: str, width: int, glyphs: Glyphs) -> str:
    """`text`, or as much of it as fits with an ellipsis."""
    if num_cells(text) <= width:
        return text
    kept, cells = "", num_cells(glyphs.ellipsis)
    for letter in text:
        cells += _cells_of(letter)
        if cells > width:
            break
        kept += letter
    return (kept + glyphs.ellipsis) if width > 0 else ""


def pad(text: str, width: int, glyphs: Glyphs) -> str:
    """`text` in exactly `width` columns."""
    text = crop(text, width, glyphs)
    return text + " " * (width - num_cells(text))


def length(line: Iterable[Span]) -> int:
    """How many columns a line takes."""
    return sum(num_cells(text) for text, _ in line)


def fit(items: Sequence[Sequence[Span]], width: int, glyphs: Glyphs) -> Line:
    """As many items as fit, the first ones first, with a separator between them."""
    line: Line = []
    for item in items:
        before: Line = [(f" {glyphs.separator} ", "dim")] if line else []
        if length(line) + length(before) + length(item) > width:
            if not line:
                text, style = item[0]
                return [(crop(text, width, glyphs), style)]
            break
        line += [*before, *item]
    return line


def spread(left: Line, right: Line, width: int, style: str = "") -> Line:
    """`left` and, if there is room, `right` at the other end; in between is `style`."""
    room = width - length(left)
    if length(right) >= room:
        right = []
    return [*left, (" " * max(0, room - length(right)), style), *right]


def bar(fraction: float, width: int, glyphs: Glyphs) -> str:
    """A bar in `width` columns, of which a `fraction` is full."""
    steps = len(glyphs.bar) - 1
    whole, part = divmod(round(min(1.0, max(0.0, fraction)) * width * steps), steps)
    return (glyphs.bar[-1] * whole + (glyphs.bar[part] if part else "")).ljust(width)


def marked_bar(
    fraction: float, mark: float, width: int, style: str, mark_style: str, glyphs: Glyphs
) -> Line:
    """The same with a mark at another fraction, which can be told from it without colours."""
    text = bar(fraction, width, glyphs)
    at = min(width - 1, max(0, int(mark * width)))
    inside = text[at] == glyphs.bar[-1]
    return [
        (text[:at], style),
        (glyphs.mark, f"{mark_style} on {style}" if inside else "bold"),
        (text[at + 1 :], style),
    ]


def chart(values: Sequence[float | None], num_rows: int, glyphs: Glyphs) -> list[str]:
    """Columns of a height from 0 to 1, top row first; None is a space."""
    steps = len(glyphs.column)
    rows = []
    for row in reversed(range(num_rows)):
        text = ""
        for value in values:
            height = 0 if value is None else max(1, round(min(1.0, value) * steps * num_rows))
            part = min(steps, height - row * steps)
            text += glyphs.column[part - 1] if part > 0 else " "
        rows.append(text)
    return rows


def clip(line: Line, width: int) -> Line:
    """`line` without what goes beyond `width` columns."""
    clipped: Line = []
    for text, style in line:
        room = width - length(clipped)
        while num_cells(text) > room:
            text = text[:-1]
        clipped += [(text, style)] if text else []
    return clipped


def joined(spans: Iterable[Span]) -> Line:
    """The same line, with neighbours of one style in one span."""
    line: Line = []
    for text, style in spans:
        if line and line[-1][1] == style:
            line[-1] = (line[-1][0] + text, style)
        else:
            line.append((text, style))
    return line
