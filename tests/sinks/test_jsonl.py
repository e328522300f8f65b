"""JSON lines: one flushed line of ASCII for each message."""

from __future__ import annotations

import io
import json
from dataclasses import replace

from edge_asc.sinks.jsonl import JsonLines
from tests.sample_messages import GAP, MESSAGES, REPORT


def test_one_flushed_line_of_ascii_each() -> None:
    buffer = io.BytesIO()
    sink = JsonLines(io.TextIOWrapper(buffer, encoding="ascii"))
    sink.write(replace(REPORT, source="café\n.wav"))
    sink.write(GAP)
    first, second = buffer.getvalue().splitlines()  # without a flush by the test
    assert json.loads(first)["source"] == "café\n.wav"
    assert json.loads(second)["cause"] == "it was unplugged"


def test_every_kind_has_a_form() -> None:
    stream = io.StringIO()
    sink = JsonLines(stream)
    for message in MESSAGES:
        assert sink.takes(message)
        sink.write(message)
    types = [json.loads(line)["type"] for line in stream.getvalue().splitlines()]
    assert types == ["estimate", "gap", "event", "health"]
