"""Reports of boards for people and programs: a terminal, Markdown, JSON."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict

from edge_asc.firmware_bridge.boards.check import Agreement, BoardReport, Cost

SCHEMA_VERSION = 1

_COSTS: dict[str, Callable[[Cost], str]] = {
    "flash, kB": lambda cost: f"{cost.flash_bytes / 1000:.1f}",
    "RAM, kB": lambda cost: f"{cost.ram_bytes / 1000:.1f}",
    "stack, bytes": lambda cost: str(cost.stack_bytes),
    "encoder, a cell, M instructions": lambda cost: _millions(cost.encoder_instructions),
    "head": lambda cost: _millions(cost.head_instructions),
    "front end, 1 s": lambda cost: _millions(cost.front_end_instructions),
    "a second of a stream": lambda cost: _millions(cost.hop_instructions),
    "a whole window": lambda cost: _millions(cost.window_instructions),
}


def as_rows(reports: Sequence[BoardReport]) -> list[list[str]]:
    """A header, then what is measured row by row, with a column for each board."""
    rows = [
        ["", *(f"{report.core}, {report.kernels}" for report in reports)],
        ["self-test", *("equal" for _ in reports)],
        [
            "windows of features, identical",
            *(_agreement(one.features, "identical") for one in reports),
        ],
        ["windows of sound, identical", *(_agreement(one.sound, "identical") for one in reports)],
        ["windows of sound, same scene", *(_agreement(one.sound, "same_scene") for one in reports)],
    ]
    for name, show in _COSTS.items():
        rows.append([name, *("-" if one.cost is None else show(one.cost) for one in reports)])
    return rows


def as_text(reports: Sequence[BoardReport]) -> str:
    """Columns for a terminal."""
    rows = as_rows(reports)
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for name, *cells in rows:
        aligned = (cell.rjust(width) for cell, width in zip(cells, widths[1:], strict=True))
        lines.append("  ".join([name.ljust(widths[0]), *aligned]))
    return "\n".join(lines)


def as_markdown(reports: Sequence[BoardReport]) -> str:
    """A table for a page."""
    header, *rows = as_rows(reports)
    rule = ["---", *["---:"] * len(reports)]
    return "\n".join(f"| {' | '.join(row)} |" for row in (header, rule, *rows))


def as_json(reports: Sequence[BoardReport]) -> str:
    """Every number, one object for each board."""
    boards = [
        {
            **asdict(report),
            "failure": report.failure,
            "hop_instructions": report.cost and report.cost.hop_instructions,
        }
        for report in reports
    ]
    return json.dumps({"schema_version": SCHEMA_VERSION, "boards": boards}, indent=1)


def _agreement(agreement: Agreement | None, what: str) -> str:
    if agreement is None:
        return "none given"
    return f"{getattr(agreement, what)} of {agreement.windows}"


def _millions(count: int) -> str:
    return f"{count / 1e6:.2f}"
