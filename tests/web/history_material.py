"""Reports of a listener that hears one scene after the other, second by second."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta, timezone

import numpy as np

from edge_asc.classifier import SceneEstimate
from edge_asc.decision import UNKNOWN_SCENE, Decision
from edge_asc.messages import Gap, Report
from tests.sample_messages import REPORT

SCENES = ("bus", "metro", "bar")
BEGIN = datetime(2026, 5, 17, 6, 0, tzinfo=timezone.utc)
BEGIN_S = BEGIN.timestamp()


def report(
    scene: str | None, end_s: float, since_s: float | None = 0.0, level: float | None = -40.0
) -> Report:
    """A window that ends `end_s` after `BEGIN`; its scene is believed by 0.8."""
    belief = np.full(len(SCENES), 0.1, np.float32)
    if scene is not None and scene != UNKNOWN_SCENE:
        belief[SCENES.index(scene)] = 0.8
    estimate = SceneEstimate(SCENES, np.full(3, 1 / 3, np.float32), end_s - 10.0, end_s)
    decision = Decision(SCENES, belief, scene, since_s, 4.0)
    time = BEGIN + timedelta(seconds=end_s)
    return replace(REPORT, estimate=estimate, decision=decision, time=time, level_dbfs=level)


def seconds(scene: str | None, begin_s: int, end_s: int, since_s: float | None) -> Iterator[Report]:
    """A report for each second after `begin_s`, the last at `end_s`."""
    for second in range(begin_s + 1, end_s + 1):
        yield report(scene, float(second), since_s)


def gap(start_s: float, end_s: float) -> Gap:
    time = BEGIN + timedelta(seconds=end_s)
    return Gap(start_s, end_s, end_s - start_s - 0.5, "it was unplugged", "microphone", time)
