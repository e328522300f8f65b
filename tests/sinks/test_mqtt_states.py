"""What is the case now, as texts."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from edge_asc.messages import Message
from edge_asc.sinks.mqtt_states import states_of
from tests.sample_messages import CHANGE, DECISION, GAP, HEALTH, REPORT


@pytest.mark.parametrize(
    ("message", "states"),
    [
        (REPORT, {"scene": "shopping_mall", "confidence": "94", "level": "-31.5"}),
        # The estimate's own, as with --raw
        (
            replace(REPORT, decision=None),
            {"scene": "shopping_mall", "confidence": "83", "level": "-31.5"},
        ),
        (
            replace(REPORT, decision=replace(DECISION, scene=None), level_dbfs=None),
            {"scene": "none", "confidence": "None", "level": "None"},
        ),
        (
            replace(REPORT, decision=replace(DECISION, scene="unknown"), level_dbfs=-math.inf),
            {"scene": "unknown", "confidence": "None", "level": "None"},
        ),
        (GAP, {}),
        (CHANGE, {}),
        (replace(CHANGE, scene=None, confidence=None), {"scene": "none", "confidence": "None"}),
        (HEALTH, {"state": "listening", "level": "-31.5"}),
        (replace(HEALTH, state="no sound"), {"state": "no sound", "level": "None"}),
        (
            replace(HEALTH, state="ended"),
            {"state": "ended", "level": "None", "scene": "none", "confidence": "None"},
        ),
    ],
)
def test_states(message: Message, states: dict[str, str]) -> None:
    assert states_of(message) == states
