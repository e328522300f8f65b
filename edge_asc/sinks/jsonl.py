"""Reports as JSON, one a line, as docs/estimate.schema.json describes them."""

from __future__ import annotations

import json
from typing import Any, TextIO

from edge_asc.sinks import Report

SCHEMA_VERSION = 1

_DECIMALS = 6


def to_json(report: Report) -> dict[str, Any]:
    """`report` as values that JSON knows."""
    estimate = report.estimate
    probabilities = {
        scene: round(float(probability), _DECIMALS)
        for scene, probability in zip(estimate.scenes, estimate.probabilities, strict=True)
    }
    values: dict[str, Any] = {"schema": SCHEMA_VERSION}
    if report.file is not None:
        values["file"] = report.file
    return values | {
        "start_s": round(estimate.start_s, _DECIMALS),
        "end_s": round(estimate.end_s, _DECIMALS),
        "time": report.time.isoformat(timespec="milliseconds") if report.time else None,
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


class JsonLines:
    """Writes each report to a text stream as a line of ASCII, and flushes."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, report: Report) -> None:
        """Write `report` as one line."""
        self._stream.write(json.dumps(to_json(report), allow_nan=False) + "\n")
        self._stream.flush()
