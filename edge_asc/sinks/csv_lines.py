"""Messages as rows of CSV, for a spreadsheet or a data frame.

A recording has one row for each estimate. A stream has three types of rows in one table, and what
a type does not have is empty:

    type,time,start_s,end_s,scene,confidence,...,decision,...,lost_s,cause,...
    estimate,2026-05-17T14:03:09.000+02:00,2.0,12.0,bus,0.83,...,bus,...,,,...
    gap,2026-05-17T14:03:15.500+02:00,12.0,18.5,,,...,,...,6.1,the device is gone,...
    event,2026-05-17T14:03:28.500+02:00,22.0,31.5,,,...,bar,...,,,...
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TextIO

from edge_asc.messages import Health, Message, SceneChange
from edge_asc.sinks.json_values import iso, to_values
from edge_asc.sinks.lines import Lines

_RECORDING = (
    "file",
    "scene",
    "confidence",
    "start_s",
    "end_s",
    "time",
    "city",
    "padded",
    "model",
    "demonstration",
)
_STREAM = (
    "type",
    "time",
    "start_s",
    "end_s",
    "scene",
    "confidence",
    "familiarity",
    "level_dbfs",
    "decision",
    "decision_confidence",
    "since_s",
    "previous",
    "previous_duration_s",
    "lost_s",
    "cause",
    "source",
    "city",
    "padded",
    "after_gap",
    "model",
    "demonstration",
)
_BELIEF = "belief_"
"""Before a scene's name: its probability after smoothing; the name alone: by the window alone"""

_FORMULA = ("=", "+", "-", "@", "\t")
"""Spreadsheets compute what begins so; file names and model files come from anywhere."""


@dataclass(frozen=True, slots=True)
class CsvForm:
    """Turns messages into rows of certain columns."""

    columns: tuple[str, ...]

    @property
    def header(self) -> str:
        """The columns' names as a row, without the line break."""
        return _row(self.columns)

    def takes(self, message: Message) -> bool:
        """Health is not for a table: it has a list of outputs in it."""
        return not isinstance(message, Health)

    def line(self, message: Message) -> str:
        """`message` as one row, without the line break."""
        cells = _cells(message)
        return _row([cells.get(column) for column in self.columns])


def recording_form(scenes: Sequence[str]) -> CsvForm:
    """Rows about recordings, of a model that knows `scenes`."""
    return CsvForm((*_RECORDING, *scenes))


def stream_form(scenes: Sequence[str]) -> CsvForm:
    """Rows about a stream, of a model that knows `scenes`."""
    return CsvForm((*_STREAM, *scenes, *(f"{_BELIEF}{scene}" for scene in scenes)))


class CsvLines:
    """Writes each message to a text stream as a row, the first one after the columns' names."""

    def __init__(self, stream: TextIO, form: CsvForm) -> None:
        self._lines, self._form = Lines(stream), form
        self._encoding = stream.encoding or "ascii"
        self._has_header = False

    def takes(self, message: Message) -> bool:
        return self._form.takes(message)

    def write(self, message: Message) -> None:
        """Write `message` as one row."""
        if not self._has_header:
            self._write_line(self._form.header)
            self._has_header = True
        self._write_line(self._form.line(message))

    def _write_line(self, line: str) -> None:
        self._lines.write(line.encode(self._encoding, "replace").decode(self._encoding))


def _cells(message: Message) -> dict[str, Any]:
    """Values by column; `time` is always the one at `end_s`, so that rows are in its order."""
    values = to_values(message)
    if isinstance(message, SceneChange):
        noticed_s, time = message.detected_s - message.start_s, message.time
        previous = values["previous"] or {}
        return {
            "type": "event",
            "time": iso(time and time + timedelta(seconds=noticed_s)),
            "start_s": values["start_s"],
            "end_s": values["detected_s"],
            "decision": values["scene"],
            "decision_confidence": values["confidence"],
            "since_s": values["start_s"] if message.scene else None,
            "previous": previous.get("scene"),
            "previous_duration_s": previous.get("duration_s"),
            "source": values["source"],
        }
    if values["type"] == "estimate":
        decision = values["decision"] or {}
        beliefs = decision.get("probabilities", {})
        values |= values["probabilities"]
        values |= {f"{_BELIEF}{scene}": belief for scene, belief in beliefs.items()}
        values |= {
            "decision": decision.get("scene"),
            "decision_confidence": decision.get("confidence"),
            "since_s": decision.get("since_s"),
        }
    return values


def _row(cells: Sequence[object]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="").writerow([_cell(cell) for cell in cells])
    return text.getvalue()


def _cell(value: object) -> object:
    """Text in one line that no spreadsheet takes for a formula; all else as it is."""
    if not isinstance(value, str):
        return value
    line = " ".join(value.splitlines())
    return f"'{line}" if line.startswith(_FORMULA) else line
