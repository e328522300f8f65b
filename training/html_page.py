"""A report as one HTML file: text, tables and figures, readable offline and without JavaScript."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from html import escape
from pathlib import Path

import matplotlib
from matplotlib.figure import Figure

from edge_asc.atomic import atomic_path

_STYLE = """
:root { color-scheme: light dark; --text: #1c1f23; --soft: #5a6169; --page: #ffffff;
  --panel: #f3f5f7; --line: #d4d9de; --accent: #0b62a8; }
@media (prefers-color-scheme: dark) { :root { --text: #e6e8eb; --soft: #a3abb4; --page: #14171a;
  --panel: #1f2429; --line: #3a4149; --accent: #6cb6f5; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 60rem; padding: 1.25rem 1rem 4rem; background: var(--page);
  color: var(--text); font: 1rem/1.55 system-ui, -apple-system, "Segoe UI", sans-serif;
  overflow-wrap: anywhere; }
h1 { font-size: 1.6rem; line-height: 1.25; margin: .5rem 0 1rem; }
h2 { font-size: 1.2rem; margin: 2.2rem 0 .6rem; }
.verdict { border-left: .3rem solid var(--accent); background: var(--panel);
  padding: .8rem 1rem; margin: 0 0 1rem; font-size: 1.1rem; font-weight: 600; }
.table { overflow-x: auto; margin: 1rem 0; }
table { border-collapse: collapse; font-size: .92rem; overflow-wrap: normal; }
caption { text-align: left; color: var(--soft); padding: 0 0 .4rem; }
th, td { border-bottom: 1px solid var(--line); padding: .3rem .7rem; text-align: left; }
thead th { border-bottom-width: 2px; white-space: nowrap; }
tbody th { font-weight: 500; }
.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
figure { margin: 1.2rem 0; }
.plot { background: #ffffff; border: 1px solid var(--line); border-radius: .4rem; padding: .5rem;
  overflow-x: auto; }
.plot svg { display: block; width: 100%; min-width: 22rem; height: auto; margin: 0 auto; }
figcaption { color: var(--soft); font-size: .92rem; margin-top: .4rem; }
@media print { body { max-width: none; } .table, .plot { overflow: visible; } }
"""

_NUMBER = re.compile(r"[-+±<>≤≥]?\s*[\d.,]+( - [\d.,]+)?(\s*(%|dB|s|Hz|kHz|M|kB|MB|ms|points?))?")
"""A number or a range, with its unit"""
_NO_NUMBER = ("", "-", "absent", "not testable")
"""What stands in a column of numbers where there is none"""
_POINTS_PER_CSS_PIXEL = 0.75


class Page:
    """One HTML page, built from top to bottom and then written.

    All text is escaped. Nothing is loaded from elsewhere: figures are SVG within the page. The same
    content gives the same bytes.
    """

    def __init__(self, title: str, verdict: str) -> None:
        """Begin a page whose first words are its `title` and its outcome, `verdict`."""
        self._title = title
        self._verdict = verdict
        self._parts: list[str] = []
        self._num_figures = 0

    def heading(self, text: str) -> None:
        """Begin a section."""
        self._parts.append(f"<h2>{escape(text)}</h2>")

    def paragraph(self, text: str) -> None:
        """Add a paragraph."""
        self._parts.append(f"<p>{escape(text)}</p>")

    def table(
        self, header: Sequence[str], rows: Sequence[Sequence[str]], caption: str = ""
    ) -> None:
        """Add a table; a row's first cell names it, columns of numbers are set flush right.

        Raises:
            ValueError: a row has not as many cells as the header.
        """
        for row in rows:
            if len(row) != len(header):
                raise ValueError(f"each row must have {len(header)} cells, got {list(row)}")
        classes = [_column_class([row[column] for row in rows]) for column in range(len(header))]
        head = "".join(
            f'<th scope="col"{css}>{escape(name)}</th>'
            for name, css in zip(header, classes, strict=True)
        )
        body = "".join(f"<tr>{_table_row(row, classes)}</tr>\n" for row in rows)
        title = f"<caption>{escape(caption)}</caption>" if caption else ""
        label = escape(caption or ", ".join(header))
        # A region that scrolls must be reachable by keyboard and have a name.
        self._parts.append(
            f'<div class="table" role="region" tabindex="0" aria-label="{label}"><table>{title}\n'
            f"<thead><tr>{head}</tr></thead>\n<tbody>\n{body}</tbody></table></div>"
        )

    def figure(self, figure: Figure, alt: str, caption: str = "") -> None:
        """Add a plot; `alt` tells those who cannot see it what it shows."""
        self._num_figures += 1
        svg = _inline_svg(figure, f"figure{self._num_figures}", alt)
        text = f"<figcaption>{escape(caption)}</figcaption>" if caption else ""
        self._parts.append(f'<figure><div class="plot">{svg}</div>{text}</figure>')

    def write(self, path: Path) -> None:
        """Write the page, whole or not at all."""
        with atomic_path(path) as temporary:
            temporary.write_text(self.to_html(), encoding="utf-8")

    def to_html(self) -> str:
        """Return the whole document."""
        content = "\n".join(self._parts)
        return (
            '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
            '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
            f"<title>{escape(self._title)}</title>\n<style>{_STYLE}</style>\n</head>\n"
            f"<body>\n<main>\n<h1>{escape(self._title)}</h1>\n"
            f'<p class="verdict">{escape(self._verdict)}</p>\n{content}\n'
            "</main>\n</body>\n</html>\n"
        )


def _column_class(cells: Sequence[str]) -> str:
    """The class attribute of a column: its numbers stand flush right."""
    filled = [cell for cell in cells if cell not in _NO_NUMBER]
    is_number = bool(filled) and all(_NUMBER.fullmatch(cell.strip()) for cell in filled)
    return ' class="number"' if is_number else ""


def _table_row(row: Sequence[str], classes: Sequence[str]) -> str:
    cells = [
        f"<td{css}>{escape(cell)}</td>" for cell, css in zip(row[1:], classes[1:], strict=True)
    ]
    return f'<th scope="row"{classes[0]}>{escape(row[0])}</th>' + "".join(cells)


def _inline_svg(figure: Figure, prefix: str, alt: str) -> str:
    """The figure as an <svg> element that can stand beside others in one document."""
    buffer = io.StringIO()
    # The salt replaces random ids, and without a date the same figure gives the same bytes.
    with matplotlib.rc_context({"svg.hashsalt": prefix, "svg.fonttype": "path"}):
        figure.savefig(buffer, format="svg", metadata={"Date": None}, bbox_inches="tight")
    svg = buffer.getvalue()
    svg = svg[svg.index("<svg") :].strip()
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r'\bid="([^"]+)"', rf'id="{prefix}-\1"', svg)
    svg = re.sub(r'\bhref="#([^"]+)"', rf'href="#{prefix}-\1"', svg)
    svg = re.sub(r"url\(#([^)]+)\)", rf"url(#{prefix}-\1)", svg)
    return _open_tag(svg, alt)


def _open_tag(svg: str, alt: str) -> str:
    """Replace the <svg ...> tag by one with a text for screen readers and a width that shrinks."""
    tag, rest = svg.split(">", 1)
    view_box = re.search(r'viewBox="([^"]+)"', tag)
    assert view_box is not None  # matplotlib always writes one
    width_px = float(view_box.group(1).split()[2]) / _POINTS_PER_CSS_PIXEL
    return (
        f'<svg role="img" aria-label="{escape(alt)}" viewBox="{view_box.group(1)}" '
        f'style="max-width:{width_px:.0f}px" xmlns="http://www.w3.org/2000/svg" '
        f'xmlns:xlink="http://www.w3.org/1999/xlink">{rest}'
    )
