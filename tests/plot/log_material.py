"""Lines of a log, as `listen` writes them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np

from edge_asc.decision import Decision
from edge_asc.messages import Gap, Health, Report, SceneChange
from edge_asc.sinks.json_values import to_line
from tests.sample_messages import ESTIMATE, HEALTH, REPORT, SCENES, SOURCE, TIME

WINDOW_S = 10.0


def estimate(
    end_s: float,
    scene: str | None,
    since_s: float | None = None,
    *,
    clock: bool = True,
    **more: Any,
) -> Report:
    """An estimate that a stream, which began at TIME, gives at `end_s`."""
    belief = np.array([0.75 if name == scene else 0.125 for name in SCENES], np.float32)
    heard = replace(ESTIMATE, start_s=end_s - WINDOW_S, end_s=end_s)
    decision = Decision(SCENES, belief, scene, 0.0 if since_s is None else since_s, 3.5)
    time = TIME + timedelta(seconds=end_s) if clock else None
    return replace(REPORT, estimate=heard, decision=decision, time=time, **more)


def gap(start_s: float, end_s: float) -> Gap:
    """Lost sound, of the same stream."""
    time = TIME + timedelta(seconds=end_s)
    return Gap(start_s, end_s, end_s - start_s - 1.0, "it was unplugged", SOURCE, time)


def change(scene: str | None, start_s: float, detected_s: float) -> SceneChange:
    """A change of scene, of the same stream."""
    time = TIME + timedelta(seconds=start_s)
    return SceneChange(scene, start_s, detected_s, 0.75, None, SOURCE, time)


def health(at_s: float, state: Any = "listening") -> Health:
    """Health, of the same stream."""
    return replace(HEALTH, uptime_s=at_s, state=state, time=TIME + timedelta(seconds=at_s))


def a_minute() -> list[Report | Gap | SceneChange | Health]:
    """A bus, a gap of 8 s, then something unknown."""
    return [
        health(0.0, "starting"),
        change("bus", 0.0, 10.0),
        *(estimate(float(end_s), "bus") for end_s in range(10, 31)),
        health(33.0, "no sound"),
        gap(30.0, 38.0),
        *(estimate(float(end_s), "unknown", 40.0) for end_s in range(48, 61)),
        change("unknown", 40.0, 48.0),
        health(60.0),
        change(None, 60.0, 60.0),
        health(60.5, "ended"),
    ]


def write_log(path: Path, messages: Any = None) -> Path:
    """A log of `messages`, of `a_minute` without."""
    lines = [to_line(message) for message in (a_minute() if messages is None else messages)]
    path.write_text("".join(f"{line}\n" for line in lines))
    return path


def week_of_lines(every_s: float) -> Iterator[str]:
    """A week at an estimate each `every_s`, with another scene every hour."""
    values = json.loads(to_line(estimate(WINDOW_S, "bus")))
    count = int(7 * 86_400 / every_s)
    for index in range(count):
        end_s = WINDOW_S + index * every_s
        hour = int(end_s // 3600)
        values["start_s"], values["end_s"] = end_s - WINDOW_S, end_s
        values["time"] = (TIME + timedelta(seconds=end_s)).isoformat(timespec="milliseconds")
        values["decision"]["scene"] = SCENES[hour % len(SCENES)]
        values["decision"]["since_s"] = max(hour * 3600.0, 0.0)
        yield json.dumps(values) + "\n"
