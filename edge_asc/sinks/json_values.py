"""Messages as values that JSON knows, as docs/messages.schema.json describes them.

JSON lines, MQTT, the web page and the history all say it in these words.
"""

from __future__ import annotations

import json
import math
from dataclasses import asdict
from datetime import datetime
from typing import Any

from edge_asc.decision import Decision
from edge_asc.messages import Gap, Health, Message, Report, SceneChange

SCHEMA_VERSION = 3
"""1: estimates. 2: gaps. 3: decisions, level and familiarity in estimates; events and health."""

_DECIMALS = 6


def to_values(message: Message) -> dict[str, Any]:
    """`message` as values that JSON knows."""
    if isinstance(message, Report):
        kind, values = "estimate", _report(message)
    elif isinstance(message, Gap):
        kind, values = "gap", _gap(message)
    elif isinstance(message, SceneChange):
        kind, values = "event", _change(message)
    else:
        kind, values = "health", _health(message)
    return {"schema": SCHEMA_VERSION, "type": kind, **values}


def to_line(message: Message) -> str:
    """`message` as one line of ASCII, without the line break."""
    return json.dumps(to_values(message), allow_nan=False)


def _report(report: Report) -> dict[str, Any]:
    estimate = report.estimate
    probabilities = _by_scene(estimate.scenes, estimate.probabilities)
    values: dict[str, Any] = {} if report.file is None else {"file": report.file}
    return values | {
        "start_s": _rounded(estimate.start_s),
        "end_s": _rounded(estimate.end_s),
        "time": iso(report.time),
        "source": report.source,
        "scene": estimate.scene,
        "confidence": probabilities[estimate.scene],
        "probabilities": probabilities,
        "familiarity": _rounded(estimate.familiarity),
        "decision": None if report.decision is None else _decision(report.decision),
        "level_dbfs": _rounded(report.level_dbfs),
        "city": report.city,
        "padded": estimate.padded,
        "after_gap": estimate.after_gap,
        "model": report.model,
        "demonstration": report.demonstration,
    }


def _decision(decision: Decision) -> dict[str, Any]:
    return {
        "scene": decision.scene,
        "confidence": _rounded(decision.confidence),
        "since_s": _rounded(decision.since_s),
        "probabilities": _by_scene(decision.scenes, decision.belief),
        "familiarity": _rounded(decision.familiarity),
    }


def _gap(gap: Gap) -> dict[str, Any]:
    return {
        "start_s": _rounded(gap.start_s),
        "end_s": _rounded(gap.end_s),
        "lost_s": _rounded(gap.lost_s),
        "time": iso(gap.time),
        "source": gap.source,
        "cause": gap.cause,
    }


def _change(change: SceneChange) -> dict[str, Any]:
    previous = change.previous
    return {
        "scene": change.scene,
        "start_s": _rounded(change.start_s),
        "detected_s": _rounded(change.detected_s),
        "time": iso(change.time),
        "confidence": _rounded(change.confidence),
        "previous": previous
        and {
            "scene": previous.scene,
            "start_s": _rounded(previous.start_s),
            "end_s": _rounded(previous.end_s),
            "duration_s": _rounded(previous.duration_s),
            "confidence": _rounded(previous.confidence),
        },
        "source": change.source,
    }


def _health(health: Health) -> dict[str, Any]:
    values = asdict(health)
    values["time"] = iso(health.time)
    return {name: _plain(value) for name, value in values.items()}


def _plain(value: Any) -> Any:  # noqa: ANN401
    """`value` with its floats rounded, at any depth."""
    if isinstance(value, dict):
        return {name: _plain(inner) for name, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(inner) for inner in value]
    return _rounded(value) if isinstance(value, float) else value


def _by_scene(scenes: tuple[str, ...], probabilities: Any) -> dict[str, float]:  # noqa: ANN401
    pairs = zip(scenes, probabilities, strict=True)
    return {scene: round(float(probability), _DECIMALS) for scene, probability in pairs}


def _rounded(value: float | None) -> float | None:
    """JSON has no infinity and no NaN: the level of digital silence, and what is not known."""
    return None if value is None or not math.isfinite(value) else round(value, _DECIMALS)


def iso(moment: datetime | None) -> str | None:
    """A time as messages write it, None if unknown."""
    return moment.isoformat(timespec="milliseconds") if moment else None
