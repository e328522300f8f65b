"""Reports of boards for people and programs: a terminal, Markdown, JSON."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import partial
from typing import Any

from edge_asc.firmware_bridge.boards.check import Agreement, BoardReport, Cost

SCHEMA_VERSION = 1

_INSTRUCTIONS = {
    "encoder": "encoder, a second",
    "head": "head",
    "front end": "front end, a second",
    "hop": "all of a second of a stream",
    "window": "all of a whole window",
    "network": "the network",
}
"""What is counted -> how a table calls it"""


def as_rows(reports: Sequence[BoardReport]) -> list[list[str]]:
    """A header, then what is measured row by row, with a column for each board."""
    rows = [
        ["", *map(_title, reports)],
        ["self-test", *("equal" for _ in reports)],
        [
            "windows of features, identical",
            *(_agreement(one.features, "identical") for one in reports),
        ],
        ["windows of sound, identical", *(_agreement(one.sound, "identical") for one in reports)],
        ["windows of sound, same scene", *(_agreement(one.sound, "same_scene") for one in reports)],
    ]
    costs: dict[str, Callable[[Cost], str]] = {
        "flash, kB": lambda cost: f"{cost.flash_bytes / 1000:.1f}",
        "RAM without stack, kB": lambda cost: f"{cost.ram_bytes / 1000:.1f}",
        "stack, bytes": lambda cost: str(cost.stack_bytes),
    }
    rows += [[name, *_cells(reports, show)] for name, show in costs.items()]
    counted = {name for one in reports if one.cost for name in one.cost.instructions}
    for name, words in _INSTRUCTIONS.items():
        if name in counted:
            show = partial(_millions, name=name)
            rows.append([f"million instructions: {words}", *_cells(reports, show)])
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
    boards = [{**asdict(report), "failure": report.failure} for report in reports]
    return json.dumps({"schema_version": SCHEMA_VERSION, "boards": boards}, indent=1)


def measured(reports: Sequence[BoardReport]) -> dict[str, dict[str, Any]]:
    """What each board, with its kernels, took of flash, RAM, stack and instructions."""
    return {
        f"{report.board}, {report.kernels}": asdict(report.cost)
        for report in reports
        if report.cost is not None
    }


def _title(report: BoardReport) -> str:
    return ", ".join(filter(None, [report.core, report.kernels, report.front_end]))


def _agreement(agreement: Agreement | None, what: str) -> str:
    if agreement is None:
        return "none given"
    return f"{getattr(agreement, what)} of {agreement.windows}"


def _cells(reports: Sequence[BoardReport], show: Callable[[Cost], str]) -> list[str]:
    return ["-" if report.cost is None else show(report.cost) for report in reports]


def _millions(cost: Cost, name: str) -> str:
    return f"{cost.instructions[name] / 1e6:.2f}"
