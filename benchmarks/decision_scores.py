"""How good decisions are on a stream whose changes are known.

    true     |------ bus ------|---------- bar ----------|---- bus ----|
    decided  |-- bus --|- bar -|- bus -|------ bar ------|-- bar ...
             right      false   false   right, `delay`    missed

The first change within a stretch that leads to its scene is right; every other one is false, also
one back to the right scene. In a stretch of a class that the model does not know, "unknown" is
right.
"""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from edge_asc.benchmarks.scene_streams import Stream
from edge_asc.changes import SceneChanges
from edge_asc.decision import UNKNOWN_SCENE, Decider
from edge_asc.decision_config import DecisionConfig


@dataclass(frozen=True, slots=True)
class DecisionScores:
    """Of one or more streams together."""

    hours: float
    num_true: int
    """Changes that there were"""
    delays_s: tuple[float, ...]
    """From each change to its decision, by those that were found"""
    num_false: int
    start_errors_s: tuple[float, ...]
    """How far off the told beginning of each scene found was"""
    right_s: float
    decided_s: float
    """Seconds with a decision, and those of them in which it was right"""
    confidence_sum: float
    missed_unknown_s: float
    """Seconds of scenes that the model does not know, decided as one that it knows"""
    found_unknown_s: float
    false_unknown_s: float
    """Seconds of scenes that it knows, decided as unknown"""

    @property
    def found(self) -> float:
        return len(self.delays_s) / self.num_true

    @property
    def median_delay_s(self) -> float:
        """Over the changes that were found; NaN for none."""
        return statistics.median(self.delays_s) if self.delays_s else float("nan")

    @property
    def median_delay_of_all_s(self) -> float:
        """Over all changes, a missed one being infinitely late."""
        missed = [float("inf")] * (self.num_true - len(self.delays_s))
        return statistics.median([*self.delays_s, *missed])

    @property
    def false_per_hour(self) -> float:
        return self.num_false / self.hours

    @property
    def accuracy(self) -> float:
        """Share of the decided seconds in which the decision was right."""
        return self.right_s / self.decided_s

    @property
    def confidence(self) -> float:
        """Mean over the decided seconds; what `accuracy` should be."""
        return self.confidence_sum / self.decided_s

    @property
    def median_start_error_s(self) -> float:
        errors = [abs(error) for error in self.start_errors_s]
        return statistics.median(errors) if errors else float("nan")


def score(streams: Sequence[Stream], config: DecisionConfig) -> DecisionScores:
    """Decide each stream with `config`, and compare with what was to be heard."""
    parts = [_score_stream(stream, config) for stream in streams]
    return DecisionScores(
        hours=sum(part.hours for part in parts),
        num_true=sum(part.num_true for part in parts),
        delays_s=tuple(delay for part in parts for delay in part.delays_s),
        num_false=sum(part.num_false for part in parts),
        start_errors_s=tuple(error for part in parts for error in part.start_errors_s),
        right_s=sum(part.right_s for part in parts),
        decided_s=sum(part.decided_s for part in parts),
        confidence_sum=sum(part.confidence_sum for part in parts),
        missed_unknown_s=sum(part.missed_unknown_s for part in parts),
        found_unknown_s=sum(part.found_unknown_s for part in parts),
        false_unknown_s=sum(part.false_unknown_s for part in parts),
    )


def _score_stream(stream: Stream, config: DecisionConfig) -> DecisionScores:
    hop_s = stream.estimates[1].end_s - stream.estimates[0].end_s
    decider = Decider(stream.estimates[0].scenes, config, hop_s)
    changes = SceneChanges("stream")
    starts_s = np.array([stretch.start_s for stretch in stream.stretches])
    found: set[int] = set()
    delays_s, errors_s = [], []
    num_false = right = decided = 0
    unknown: Counter[tuple[bool, bool]] = Counter()
    confidence_sum = 0.0
    before: str | None = None
    for estimate in stream.estimates:
        decision = decider.process(estimate)
        change = changes.process(decision, estimate.end_s, lambda moment_s: None)
        number = int(np.searchsorted(starts_s, estimate.end_s - 1e-6, side="right")) - 1
        truth = stream.stretches[number].scene
        truth = truth if truth in decision.scenes else UNKNOWN_SCENE
        if change is not None and before is not None:
            if change.scene == truth and number not in found:
                found.add(number)
                if number:
                    delays_s.append(estimate.end_s - starts_s[number])
                    errors_s.append(change.start_s - starts_s[number])
            else:
                num_false += 1
        elif decision.scene == truth and number not in found and change is None:
            found.add(number)  # it was decided already, falsely until now
            if number:
                delays_s.append(0.0)
        elif change is not None and change.scene == truth:
            found.add(number)
        before = decision.scene or before
        if decision.scene is not None:
            decided += 1
            right += decision.scene == truth
            unknown[truth == UNKNOWN_SCENE, decision.scene == UNKNOWN_SCENE] += 1
            confidence_sum += decision.confidence or 0.0
    return DecisionScores(
        stream.duration_s / 3600,
        stream.num_changes,
        tuple(delays_s),
        num_false,
        tuple(errors_s),
        right * hop_s,
        decided * hop_s,
        confidence_sum * hop_s,
        unknown[True, False] * hop_s,
        unknown[True, True] * hop_s,
        unknown[False, True] * hop_s,
    )
