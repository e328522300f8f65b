"""Styled text that fits."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_asc.sinks.live_text import (
    ASCII,
    BLOCKS,
    Line,
    bar,
    chart,
    clip,
    crop,
    fit,
    glyphs_of,
    joined,
    length,
    marked_bar,
    num_cells,
    pad,
    printable,
    spread,
)


def plain(line: Line) -> str:
    return "".join(text for text, _ in line)


def test_characters_are_those_that_the_encoding_has() -> None:
    assert glyphs_of("utf-8") is BLOCKS
    assert glyphs_of("latin-1") is glyphs_of("ascii") is ASCII
    for glyphs in (ASCII, BLOCKS):
        assert num_cells(glyphs.ellipsis) == num_cells(glyphs.mark) == num_cells(glyphs.run) == 1
    assert all(ord(letter) < 128 for letter in "".join(ASCII.bar + ASCII.column + ASCII.lost))


def test_what_would_steer_the_terminal_is_taken_out() -> None:
    assert printable("a\x1b[31mb\r\nc\x07 ü") == "a [31mb  c  ü"


def test_wide_letters_count_twice_and_accents_not_at_all() -> None:
    assert [num_cells(text) for text in ("bus", "北京", "e\u0301", "é")] == [3, 4, 1, 1]


@given(st.text(max_size=30), st.integers(0, 20))
def test_text_is_cropped_to_what_fits(text: str, width: int) -> None:
    assert num_cells(crop(text, width, BLOCKS)) <= width
    assert num_cells(pad(text, width, BLOCKS)) == width
    assert num_cells(plain(clip([(text, ""), ("more", "bold")], width))) <= width


def test_cropped_text_ends_with_an_ellipsis() -> None:
    assert crop("shopping mall", 8, BLOCKS) == "shoppin…"
    assert crop("shopping mall", 8, ASCII) == "shoppin~"
    assert crop("shopping mall", 13, BLOCKS) == "shopping mall"


def test_items_that_do_not_fit_are_left_out_from_the_end() -> None:
    items: list[Line] = [[("one", "")], [("two", "bold")], [("three", "")]]
    assert plain(fit(items, 99, BLOCKS)) == "one · two · three"
    assert plain(fit(items, 16, BLOCKS)) == "one · two"
    assert plain(fit(items, 2, BLOCKS)) == "o…"


def test_both_ends_of_a_line() -> None:
    assert plain(spread([("left", "")], [("right", "")], 12)) == "left   right"
    assert plain(spread([("left", "")], [("right", "")], 9)) == "left     "


@pytest.mark.parametrize(
    ("fraction", "blocks", "ascii_text"),
    [
        (0.0, "    ", "    "),
        (0.5, "██  ", "##  "),
        (0.55, "██▎ ", "##  "),
        (1.0, "████", "####"),
        (7.0, "████", "####"),
        (-1.0, "    ", "    "),
    ],
)
def test_a_bar(fraction: float, blocks: str, ascii_text: str) -> None:
    assert bar(fraction, 4, BLOCKS) == blocks
    assert bar(fraction, 4, ASCII) == ascii_text


@pytest.mark.parametrize(
    ("mark", "text", "style"),
    [
        (0.0, "│███    ", "black on red"),
        (0.3, "██│█    ", "black on red"),
        (0.7, "████ │  ", "bold"),
        (1.0, "████   │", "bold"),
    ],
)
def test_a_mark_can_be_told_from_its_bar(mark: float, text: str, style: str) -> None:
    line = marked_bar(0.5, mark, 8, "red", "black", BLOCKS)
    assert plain(line) == text
    assert line[1] == ("│", style)


def test_a_chart_of_one_row_and_of_two() -> None:
    values = [None, 0.0, 0.5, 1.0]
    assert chart(values, 1, BLOCKS) == [" ▁▄█"]
    assert chart(values, 2, BLOCKS) == ["   █", " ▁██"]
    assert chart(values, 1, ASCII) == [" _=#"]


def test_neighbours_of_one_style_become_one_span() -> None:
    line = joined([("a", "red"), ("b", "red"), ("c", ""), ("d", "red")])
    assert line == [("ab", "red"), ("c", ""), ("d", "red")]
    assert length(line) == 4
