"""Events: a scene began, the one before it lasted so long."""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np

from edge_asc.changes import SceneChanges
from edge_asc.decision import UNKNOWN_SCENE, Decision
from edge_asc.messages import PastScene, SceneChange

SCENES = ("bus", "bar")
NOON = datetime(2026, 5, 17, 12)


def decision(scene: str | None, since_s: float | None, belief: float = 0.75) -> Decision:
    values = np.array([belief, 1 - belief] if scene != "bar" else [1 - belief, belief], np.float32)
    return Decision(SCENES, values, scene, since_s, 5.0)


def at(moment_s: float) -> datetime:
    return NOON + timedelta(seconds=moment_s)


def test_a_scene_that_lasts_is_told_once() -> None:
    changes = SceneChanges("mic")
    first = changes.process(decision("bus", 0.0), 10.0, at)
    assert first == SceneChange("bus", 0.0, 10.0, 0.75, None, "mic", NOON)
    assert changes.process(decision("bus", 0.0), 11.0, at) is None


def test_the_next_scene_ends_the_one_before() -> None:
    changes = SceneChanges("mic")
    changes.process(decision("bus", 0.0, 0.5), 10.0, at)
    changes.process(decision("bus", 0.0, 1.0), 11.0, at)
    change = changes.process(decision("bar", 14.5), 20.0, at)
    assert change is not None
    assert (change.scene, change.start_s, change.detected_s) == ("bar", 14.5, 20.0)
    assert change.time == NOON + timedelta(seconds=14.5)
    assert change.previous == PastScene("bus", 0.0, 14.5, 0.75)
    assert change.previous.duration_s == 14.5


def test_of_an_unknown_scene_there_is_no_confidence() -> None:
    changes = SceneChanges("mic")
    change = changes.process(decision(UNKNOWN_SCENE, 2.0), 10.0, at)
    assert change is not None
    assert change.confidence is None
    ended = changes.end(30.0, at)
    assert ended is not None
    assert ended.previous == PastScene(UNKNOWN_SCENE, 2.0, 30.0, None)


def test_an_end_is_told_once_and_only_of_a_scene() -> None:
    changes = SceneChanges("mic")
    assert changes.end(5.0, at) is None
    changes.process(decision("bar", 0.0), 10.0, lambda moment_s: None)
    ended = changes.end(12.0, lambda moment_s: None)
    assert ended is not None
    assert (ended.scene, ended.confidence, ended.time) == (None, None, None)
    assert changes.end(13.0, at) is None


def test_nothing_decided_is_no_event_until_there_was_something() -> None:
    changes = SceneChanges("mic")
    assert changes.process(decision(None, None), 10.0, at) is None
    changes.process(decision("bus", 3.0), 13.0, at)
    change = changes.process(decision(None, None), 20.0, at)
    assert change is not None
    assert (change.scene, change.start_s) == (None, 20.0)
