"""Reports and gaps as JSON, one a line, as docs/estimate.schema.json describes them."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any, TextIO

from edge_asc.sinks import Gap, Report
from edge_asc.sinks.lines import Lines

SCHEMA_VERSION = 2

_DECIMALS = 6


def to_json(report: Report) -> dict[str, Any]:
    """`report` as values that JSON knows."""
    estimate = report.estimate
    probabilities = {
        scene: round(float(probability), _DECIMALS)
        for scene, probability in zip(estimate.scenes, estimate.probabilities, strict=True)
    }
    values: dict[str, Any] = {"schema": SCHEMA_VERSION, "type": "estimate"}
    if report.file is not None:
        values["file"] = report.file
    return values | {
        "start_s": round(estimate.start_s, _DECIMALS),
        "end_s": round(estimate.end_s, _DECIMALS),
        "time": _iso(report.time),
        "source": report.source,
        "scene": estimate.scene,
        "confidence": probabilities[estimate.scene],
        "probabilities": probabilities,
        "city": report.city,
        "padded": estimate.padded,
        "after_gap": estimate.after_gap,
        "model": report.model,
        "demonstration": report.demonstration,
    }


def gap_to_json(gap: Gap) -> dict[str, Any]:
    """`gap` as values that JSON knows."""
    return {
        "schema": SCHEMA_VERSION,
        "type": "gap",
        "start_s": round(gap.start_s, _DECIMALS),
        "end_s": round(gap.end_s, _DECIMALS),
        "lost_s": round(gap.lost_s, _DECIMALS),
        "time": _iso(gap.time),
        "source": gap.source,
        "cause": gap.cause,
    }


class JsonLines:
    """Writes each report and gap to a text stream as a line of ASCII, and flushes."""

    def __init__(self, stream: TextIO) -> None:
        self._lines = Lines(stream)

    def write(self, report: Report) -> None:
        """Write `report` as one line."""
        self._write_line(to_json(report))

    def write_gap(self, gap: Gap) -> None:
        """Write `gap` as one line."""
        self._write_line(gap_to_json(gap))

    def _write_line(self, values: dict[str, Any]) -> None:
        self._lines.write(json.dumps(values, allow_nan=False))


def _iso(moment: datetime | None) -> str | None:
    return moment.isoformat(timespec="milliseconds") if moment else None
