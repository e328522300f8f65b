"""What must be true of every stream of JSON lines, whatever happened to the listener."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema

from edge_asc.benchmarks.listener import Listener

SCHEMA_PATH = Path(__file__).parents[2] / "docs" / "messages.schema.json"
SCHEMA = json.loads(SCHEMA_PATH.read_text(encoding="utf-8"))


def check_stream(listener: Listener) -> None:
    """Estimates and gaps cover the time without hole or overlap, each line is as described, and
    nothing failed inside.
    """
    assert listener.error is None, listener.transcript()
    validator = jsonschema.Draft202012Validator(SCHEMA)
    for line in listener.lines:
        validator.validate(line)
    assert not listener.said("Traceback|Exception"), listener.transcript()
