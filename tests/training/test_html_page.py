from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.figure import Figure

from edge_asc.training.html_page import Page


class Reader(HTMLParser):
    """Collects tags with their attributes, and text; fails on a tag that closes another."""

    VOID = ("meta", "link", "br")

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.open: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)

    def named(self, tag):
        return [attributes for name, attributes in self.tags if name == tag]


def plot(values=(1, 3, 2)) -> Figure:
    figure = Figure(figsize=(3, 2))
    axes = figure.subplots()
    axes.plot(values)
    axes.pcolormesh(np.eye(3))
    return figure


def full_page() -> Page:
    page = Page("Title", "All is well.")
    page.heading("A heading")
    page.paragraph("A paragraph.")
    page.table(("scene", "recall"), [("bus", "50.0 %"), ("bar", "absent")], "A table")
    page.figure(plot(), "a rising line", "A caption")
    page.figure(plot((3, 1)), 'a "falling" line')
    return page


def test_a_page_has_structure_and_nothing_from_elsewhere():
    html = full_page().to_html()
    reader = Reader(html)
    assert reader.open == []
    assert [name for name, _ in reader.tags if re.fullmatch(r"h\d", name)] == ["h1", "h2"]
    assert "script" not in {name for name, _ in reader.tags}
    assert reader.named("html") == [{"lang": "en"}]
    assert {"name": "viewport", "content": "width=device-width, initial-scale=1"} in reader.named(
        "meta"
    )
    assert "prefers-color-scheme: dark" in html
    # Only the names of XML's vocabularies look like addresses; nothing is fetched from them.
    assert set(re.findall(r"https?://[^\s\"'<]+", html)) == {
        "http://www.w3.org/2000/svg",
        "http://www.w3.org/1999/xlink",
    }


def test_a_figure_has_words_for_who_cannot_see_it():
    reader = Reader(full_page().to_html())
    figures = reader.named("svg")
    assert [f["aria-label"] for f in figures] == ["a rising line", 'a "falling" line']
    assert all(f["role"] == "img" for f in figures)
    assert len(reader.named("figcaption")) == 1


def test_figures_do_not_share_ids_and_refer_to_their_own():
    html = full_page().to_html()
    ids = re.findall(r'\bid="([^"]+)"', html)
    assert len(ids) == len(set(ids)) > 4
    assert set(re.findall(r'href="#([^"]+)"|url\(#([^)]+)\)', html))
    for found in re.findall(r'href="#([^"]+)"', html) + re.findall(r"url\(#([^)]+)\)", html):
        assert found in ids


def test_the_same_content_gives_the_same_bytes():
    assert full_page().to_html() == full_page().to_html()


def test_a_table_names_rows_and_columns_and_sets_numbers_flush_right():
    reader = Reader(full_page().to_html())
    heads = reader.named("th")
    assert [head["scope"] for head in heads] == ["col", "col", "row", "row"]
    assert heads[1].get("class") == "number"
    assert [cell.get("class") for cell in reader.named("td")] == ["number", "number"]
    region = next(a for a in reader.named("div") if a.get("role") == "region")
    assert (region["tabindex"], region["aria-label"]) == ("0", "A table")


def test_a_row_of_another_length_is_refused():
    with pytest.raises(ValueError, match="each row must have 2 cells"):
        Page("t", "v").table(("a", "b"), [("1",)])


@settings(max_examples=30)
@given(st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1))
def test_any_text_comes_out_as_text(text: str):
    page = Page(text, text)
    page.heading(text)
    page.paragraph(text)
    page.table((text,), [(text,)], text)
    reader = Reader(page.to_html())
    assert reader.open == []
    assert reader.text.count(text) >= 7  # more where the text is also a word of the page
    assert {name for name, _ in reader.tags} == {
        *("html", "head", "meta", "title", "style", "body", "main", "h1", "h2", "p", "div"),
        *("table", "caption", "thead", "tbody", "tr", "th"),
    }


def test_a_page_is_written_whole(tmp_path: Path):
    path = tmp_path / "new" / "page.html"
    page = Page("Zürich", "schön")
    page.write(path)
    assert path.read_text(encoding="utf-8") == page.to_html()
    assert [file.name for file in path.parent.iterdir()] == ["page.html"]
