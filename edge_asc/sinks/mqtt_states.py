"""What is the case now, as small texts that Home Assistant and shell scripts take as they are."""

from __future__ import annotations

import math

from edge_asc.messages import Health, Message, Report, SceneChange

NO_SCENE = "none"
"""Nothing is decided: there was not yet enough sound, or too much of it was lost"""

NO_NUMBER = "None"
"""Home Assistant shows a number of this text as unknown."""


def states_of(message: Message) -> dict[str, str]:
    """The states that `message` tells, by the last level of their topics.

    scene, confidence (a whole percentage), level (dBFS, one decimal) and state (the listener's).
    Without a decision, as with --raw, scene and confidence are the estimate's own.
    """
    if isinstance(message, Report):
        decision = message.decision
        told = message.estimate if decision is None else decision
        return _scene(told.scene, told.confidence) | {"level": _level(message.level_dbfs)}
    if isinstance(message, Health):
        over = _scene(None, None) if message.state == "ended" else {}
        level_dbfs = message.level_dbfs if message.state == "listening" else None
        return over | {"state": message.state, "level": _level(level_dbfs)}
    if isinstance(message, SceneChange):
        # The estimate before it has told of any other change.
        return _scene(None, None) if message.scene is None else {}
    return {}


def _scene(scene: str | None, confidence: float | None) -> dict[str, str]:
    percent = NO_NUMBER if confidence is None else f"{100.0 * confidence:.0f}"
    return {"scene": scene or NO_SCENE, "confidence": percent}


def _level(level_dbfs: float | None) -> str:
    """-inf, of digital silence, is no number for Home Assistant either."""
    return (
        f"{level_dbfs:.1f}" if level_dbfs is not None and math.isfinite(level_dbfs) else NO_NUMBER
    )
