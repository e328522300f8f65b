"""What the terminal view is drawn from in tests, and its text without styles."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

import numpy as np

from edge_asc.classifier import SceneEstimate
from edge_asc.decision import Decision
from edge_asc.level import Level
from edge_asc.messages import OutputState, Report
from edge_asc.sinks.live_state import About, Moment, Snapshot
from edge_asc.sinks.live_text import Line

SCENES = ("bus", "airport", "shopping_mall", "bar")
ABOUT = About(
    "tiny",
    "int8",
    "demonstration model: not fit to decide anything",
    SCENES,
    "walk.wav",
    "Luoyang",
    wall_clock=True,
    live=True,
    keys=True,
)
NOON = datetime(2026, 5, 17, 12, 0, 0)


def report(end_s: float, scene: str | None, *belief: float, own: tuple[float, ...] = ()) -> Report:
    """A report of the window that ends at `end_s`, decided for `scene` since 5 s."""
    shares = np.array(belief, np.float32)
    estimate = SceneEstimate(SCENES, np.array(own or belief, np.float32), end_s - 10.0, end_s)
    decision = Decision(SCENES, shares, scene, None if scene is None else 5.0, 3.0)
    return Report(estimate, "walk.wav", "tiny", True, time=NOON, decision=decision, level_dbfs=-30)


REPORT = report(65.0, "shopping_mall", 0.05, 0.1, 0.75, 0.1, own=(0.0, 0.0, 0.25, 0.75))

SNAPSHOT = Snapshot(
    about=ABOUT,
    state="listening",
    state_s=70,
    num_messages=57,
    report=REPORT,
    progress="",
    trouble="",
    level=Level(-31.25, -12.5, 0.0),
    latency_ms=3.6,
    heard_s=62,
    lost_s=3.25,
    num_gaps=1,
    cause="unplugged",
    outputs=(
        OutputState("log a.csv", "ok", 40),
        OutputState("MQTT mqtt://broker", "waiting", 3, 37, 0, "connection refused"),
        OutputState("web page", "failing", 3, 0, 5, "disk full"),
    ),
    past=(
        Moment(0.0, 10.0),
        *(Moment(s, s + 1, False, "bar", 0.5, -60.0) for s in range(10, 40)),
        Moment(40.0, 45.0, lost=True),
        *(Moment(s, s + 1, False, "shopping_mall", 0.75, -30.0) for s in range(45, 65)),
    ),
    notes=tuple((NOON.replace(second=second), f"note {second}") for second in range(5)),
)


def snapshot(**changes: Any) -> Snapshot:
    """`SNAPSHOT` with other values."""
    return replace(SNAPSHOT, **changes)


def plain(line: Line) -> str:
    """A line without its styles and the spaces at its end."""
    return "".join(text for text, _ in line).rstrip()


def plains(lines: list[Line]) -> list[str]:
    return [plain(line) for line in lines]
