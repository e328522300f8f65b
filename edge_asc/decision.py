"""From estimates to decisions: which scene it is, since when, how sure that is.

    estimate -> smoothing -> belief -> hysteresis -> scene, SceneChange
             -> familiarity, smoothed -> below the threshold: "unknown"

Estimates of a 10 s window come every second, so neighbours share nine tenths of their sound and err
together. Three things tell how much a decision trusts them:

- Exponential smoothing averages probabilities with a time constant. The average is what people are
  shown, and the confidence of a decision: it is as calibrated as the windows are.
- The hidden Markov model is the forward filter of scenes that change as its transition matrix says,
  with the network's probabilities as likelihoods (its scenes are balanced, so the prior is flat).
  `evidence_weight` tells how much a second counts: 1 takes ten views of the same sound for ten
  independent ones. Evidence that errs for long makes it sure and wrong, so it decides and no more.
- Hysteresis keeps a scene until another one is ahead by `margin`.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edge_asc.classifier import SceneEstimate
from edge_asc.decision_config import DecisionConfig

Array = npt.NDArray[np.float32]
Matrix = npt.NDArray[np.float64]

UNKNOWN_SCENE = "unknown"
"""Decided where the sound is unlike all that the model was trained on."""

HOLD_S = 30.0
"""A decision outlasts a gap of so long; after a longer one it is not known what has changed."""

FAMILIARITY_S = 5.0
"""Time constant of familiarity; sound must be beyond the threshold for as long again."""

_HISTORY_S = 600.0
"""How far back the beginning of a scene is looked for."""

_SMALLEST = 1e-6
"""No probability counts for less: a network is never that sure, and one window must not outweigh
all that follow."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What is believed at the end of a window."""

    scenes: tuple[str, ...]
    belief: Array
    """shape (num_scenes,); the probabilities, averaged over time"""
    scene: str | None
    """The scene, `UNKNOWN_SCENE`, or None as long as none is ahead by the margin"""
    since_s: float | None
    """Where it began, in seconds since the stream did, by estimate"""
    familiarity: float
    """Smoothed; how like what the model was trained on the sound is"""

    @property
    def confidence(self) -> float | None:
        """Belief in the scene; None without one, and for `UNKNOWN_SCENE`."""
        if self.scene is None or self.scene == UNKNOWN_SCENE:
            return None
        return float(self.belief[self.scenes.index(self.scene)])


class Decider:
    """Takes the estimates of a stream one by one; remembers what is believed."""

    def __init__(self, scenes: Sequence[str], config: DecisionConfig, hop_s: float) -> None:
        """Raises ValueError for a transition matrix of another number of scenes."""
        if UNKNOWN_SCENE in scenes:
            raise ValueError(
                f"{UNKNOWN_SCENE!r} is what is decided where no scene fits, not a scene"
            )
        self._scenes, self._config, self._hop_s = tuple(scenes), config, hop_s
        step = np.linalg.matrix_power(config.matrix(len(self._scenes)), max(1, round(hop_s)))
        self._transition = step.astype(np.float64)
        self._forget = math.exp(-hop_s / config.time_constant_s)
        self._scene: str | None = None
        self._since_s: float | None = None
        self._earliest_s = 0.0
        """Where the next scene may begin: what was told of the time before stands"""
        self._history: deque[tuple[float, Matrix]] = deque(maxlen=round(_HISTORY_S / hop_s))
        """End and log probabilities of the estimates since the scene was decided or sound lost"""
        self._average: Matrix | None = None
        self._filtered: Matrix | None = None
        """What the HMM believes"""
        self._familiarity: float | None = None
        self._is_unknown = False
        self._beyond_s = 0.0

    @property
    def scene(self) -> str | None:
        return self._scene

    def process(self, estimate: SceneEstimate) -> Decision:
        """What is believed after `estimate`; `scene` may be another than before."""
        likelihood = np.maximum(estimate.probabilities.astype(np.float64), _SMALLEST)
        likelihood /= likelihood.sum()
        average = likelihood
        if self._config.smoothing != "none" and self._average is not None:
            average = self._forget * self._average + (1.0 - self._forget) * likelihood
        self._average = average
        self._history.append((estimate.end_s, np.log(likelihood)))
        familiarity = self._smooth_familiarity(estimate.familiarity)
        scene = self._decide(self._filter(likelihood))
        if scene != self._scene:
            window_s = estimate.end_s - estimate.start_s
            self._since_s = None if scene is None else self._beginning_s(scene, window_s)
            self._earliest_s = estimate.end_s if self._since_s is None else self._since_s
            self._scene = scene
        return Decision(self._scenes, average.astype(np.float32), scene, self._since_s, familiarity)

    def lose(self, seconds: float) -> bool:
        """Sound was lost: forget what was heard. Whether the scene, too, was given up.

        `seconds` is the length of the gap; a scene outlasts one of at most `HOLD_S`.
        """
        self._average = self._filtered = self._familiarity = None
        self._history.clear()
        self._beyond_s = 0.0
        if seconds <= HOLD_S:
            return False
        had_scene, self._scene, self._since_s = self._scene is not None, None, None
        self._is_unknown = False
        return had_scene

    def _filter(self, likelihood: Matrix) -> Matrix:
        """What is decided by, shape (num_scenes,)."""
        if self._config.smoothing != "hmm":
            return likelihood if self._average is None else self._average
        if self._filtered is None:  # the first window counts as a whole
            self._filtered = likelihood
        else:
            predicted = self._filtered @ self._transition
            filtered = predicted * likelihood**self._config.evidence_weight
            self._filtered = np.asarray(filtered / filtered.sum())
        return self._filtered

    def _smooth_familiarity(self, value: float) -> float:
        if self._familiarity is not None:
            keep = math.exp(-self._hop_s / FAMILIARITY_S)
            value = keep * self._familiarity + (1.0 - keep) * value
        self._familiarity = value
        return value

    def _decide(self, belief: Matrix) -> str | None:
        if self._unknown():
            return UNKNOWN_SCENE
        order = np.argsort(-belief, kind="stable")
        known = self._scene in self._scenes
        if len(order) == 1:
            return self._scenes[0]
        rival = self._scenes.index(str(self._scene)) if known else order[1]
        if belief[order[0]] - belief[rival] >= self._config.margin:
            return self._scenes[int(order[0])]
        return self._scene if known else None

    def _unknown(self) -> bool:
        threshold, familiarity = self._config.unknown_below, self._familiarity
        if threshold is None or familiarity is None:
            return False
        beyond = (familiarity < threshold) != self._is_unknown
        self._beyond_s = self._beyond_s + self._hop_s if beyond else 0.0
        if self._beyond_s >= FAMILIARITY_S:
            self._is_unknown, self._beyond_s = not self._is_unknown, 0.0
        return self._is_unknown

    def _beginning_s(self, scene: str, window_s: float) -> float:
        """Where `scene` took over from the one before, by the estimates since that began.

        The likeliest moment: from there on, the estimates speak for the new scene rather than for
        the old one by the most. A window that is half old and half new stands at the change.
        """
        ends_s = [end_s for end_s, _ in self._history]
        known = {scene, self._scene} <= set(self._scenes)
        if known:
            new, old = self._scenes.index(scene), self._scenes.index(str(self._scene))
            gains = [float(logs[new] - logs[old]) for _, logs in reversed(self._history)]
            first = len(gains) - 1 - int(np.argmax(np.cumsum(gains)))
            begin_s = ends_s[first] - window_s / 2
        elif self._scene is None:
            begin_s = ends_s[0] - window_s
        else:
            begin_s = ends_s[-1] - window_s / 2
        begin_s = max(begin_s, self._earliest_s)
        while len(self._history) > 1 and self._history[0][0] - window_s / 2 < begin_s:
            self._history.popleft()
        return begin_s
