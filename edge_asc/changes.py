"""From decisions to events: a scene began, the one before it lasted so long."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from edge_asc.decision import UNKNOWN_SCENE, Decision
from edge_asc.messages import PastScene, SceneChange

TimeAt = Callable[[float], datetime | None]
"""Local time of a moment of the stream, None if unknown"""


class SceneChanges:
    """Notices when the decided scene of a stream becomes another."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._scene: str | None = None
        self._since_s = 0.0
        self._belief_sum, self._num_decisions = 0.0, 0

    def process(self, decision: Decision, end_s: float, time_at: TimeAt) -> SceneChange | None:
        """The change that `decision`, by sound up to `end_s`, makes, if any."""
        change = None
        if decision.scene != self._scene:
            start_s = end_s if decision.since_s is None else decision.since_s
            change = self._change(decision.scene, start_s, end_s, decision.confidence, time_at)
        if decision.confidence is not None:
            self._belief_sum += decision.confidence
            self._num_decisions += 1
        return change

    def end(self, at_s: float, time_at: TimeAt) -> SceneChange | None:
        """Nothing is known from `at_s` on: the stream ended, or much of it was lost."""
        return None if self._scene is None else self._change(None, at_s, at_s, None, time_at)

    def _change(
        self,
        scene: str | None,
        start_s: float,
        detected_s: float,
        confidence: float | None,
        time_at: TimeAt,
    ) -> SceneChange:
        previous = None
        if self._scene is not None:
            mean = self._belief_sum / self._num_decisions if self._num_decisions else None
            # Of an unknown scene there is no belief.
            mean = None if self._scene == UNKNOWN_SCENE else mean
            previous = PastScene(self._scene, self._since_s, start_s, mean)
        self._scene, self._since_s = scene, start_s
        self._belief_sum, self._num_decisions = 0.0, 0
        return SceneChange(
            scene, start_s, detected_s, confidence, previous, self._source, time_at(start_s)
        )
