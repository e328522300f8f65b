"""Tables for a spreadsheet: one row a message, what a type of row has not stays empty."""

from __future__ import annotations

import csv
import io
from dataclasses import replace

import pytest

from edge_asc.decision import UNKNOWN_SCENE
from edge_asc.sinks.csv_lines import CsvForm, CsvLines, recording_form, stream_form
from tests.sample_messages import CHANGE, DECISION, GAP, HEALTH, MESSAGES, REPORT, SCENES


def rows(form: CsvForm, *messages: object) -> list[dict[str, str]]:
    """What a reader of the table sees: only the cells that are not empty."""
    stream = io.StringIO()
    lines = CsvLines(stream, form)
    for message in messages:
        lines.write(message)  # type: ignore[arg-type]
    table = csv.DictReader(io.StringIO(stream.getvalue()))
    return [{key: cell for key, cell in row.items() if cell} for row in table]


def test_a_stream() -> None:
    estimate, gap, event = rows(stream_form(SCENES), REPORT, GAP, CHANGE)
    assert estimate == {
        "type": "estimate",
        "time": "2026-05-17T14:03:09.012+08:00",
        "start_s": "2.0",
        "end_s": "12.0",
        "scene": "shopping_mall",
        "confidence": "0.83",
        "familiarity": "4.25",
        "level_dbfs": "-31.5",
        "decision": "shopping_mall",
        "decision_confidence": "0.9375",
        "since_s": "0.5",
        "source": "microphone 'USB'",
        "city": "Xi'an",
        "padded": "False",
        "after_gap": "False",
        "model": "tiny",
        "demonstration": "True",
        "bus": "0.03",
        "shopping_mall": "0.83",
        "bar": "0.14",
        "belief_bus": "0.0625",
        "belief_shopping_mall": "0.9375",
        "belief_bar": "0.0",
    }
    assert gap == {
        "type": "gap",
        "time": "2026-05-17T14:03:09.012+08:00",
        "start_s": "12.0",
        "end_s": "15.25",
        "lost_s": "2.5",
        "cause": "it was unplugged",
        "source": "microphone 'USB'",
    }
    assert event == {
        "type": "event",
        # The scene began at 14:03:09.012345 and was noticed 8.5 s later, at end_s.
        "time": "2026-05-17T14:03:17.512+08:00",
        "start_s": "22.5",
        "end_s": "31.0",
        "decision": "bar",
        "decision_confidence": "0.75",
        "since_s": "22.5",
        "previous": "shopping_mall",
        "previous_duration_s": "22.0",
        "source": "microphone 'USB'",
    }


def test_what_is_not_known_is_empty() -> None:
    estimate, unknown, event = rows(
        stream_form(SCENES),
        replace(REPORT, decision=None, level_dbfs=None, time=None, city=None),
        replace(REPORT, decision=replace(DECISION, scene=UNKNOWN_SCENE)),
        replace(CHANGE, scene=None, confidence=None, previous=None, time=None),
    )
    absent = {"time", "city", "level_dbfs", "decision", "decision_confidence", "since_s"}
    assert not absent & estimate.keys()
    assert "belief_bus" not in estimate
    assert unknown["decision"] == "unknown"
    assert "decision_confidence" not in unknown
    assert event.keys() == {"type", "start_s", "end_s", "source"}


def test_a_recording() -> None:
    (row,) = rows(recording_form(SCENES), replace(REPORT, file="walk.wav", decision=None))
    assert list(row) == [
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
        *SCENES,
    ]
    assert (row["file"], row["scene"], row["bus"]) == ("walk.wav", "shopping_mall", "0.03")


def test_every_row_has_every_column_in_one_line() -> None:
    form = stream_form(SCENES)
    stream = io.StringIO()
    lines = CsvLines(stream, form)
    taken = [message for message in MESSAGES if lines.takes(message)]
    assert taken == [message for message in MESSAGES if message is not HEALTH]
    for message in taken:
        lines.write(message)
    header, *others = stream.getvalue().splitlines()
    assert header == ",".join(form.columns)
    assert {line.count(",") for line in others} == {len(form.columns) - 1}


@pytest.mark.parametrize(
    ("name", "cell"),
    [
        ("=cmd|' /C calc'!A0.wav", "'=cmd|' /C calc'!A0.wav"),
        ("+1.wav", "'+1.wav"),
        ("-2,5.wav", "'-2,5.wav"),
        ("@SUM(1).wav", "'@SUM(1).wav"),
        ("\t=1.wav", "'\t=1.wav"),
        ("a\nb\r\nc.wav", "a b c.wav"),
        ("1=1.wav", "1=1.wav"),
        ('say "no".wav', 'say "no".wav'),
    ],
)
def test_no_name_is_computed_or_breaks_a_line(name: str, cell: str) -> None:
    (row,) = rows(recording_form(SCENES), replace(REPORT, file=name))
    assert row["file"] == cell


def test_a_name_that_the_encoding_lacks_is_still_written() -> None:
    buffer = io.BytesIO()
    lines = CsvLines(io.TextIOWrapper(buffer, encoding="ascii"), recording_form(SCENES))
    lines.write(replace(REPORT, file="café\udcff.wav"))
    assert buffer.getvalue().splitlines()[1].startswith(b"caf??.wav,shopping_mall,")
