"""What a network hears, and what it only concludes from the city and the clock.

The same windows are judged again with less, with wrong, and with nothing but context:

    sound only                 city and time unknown: what the ears alone reach
    sound and city             time unknown
    sound and time             city unknown
    sound, city and time       as the data tell them
    sound, shuffled context    city and time of another window: trust in context becomes errors
    city and time, no sound    every mel band at its training mean: what context alone reaches
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from edge_asc.context import SceneContext
from edge_asc.training.metrics import (
    FloatArray,
    GroupBootstrap,
    IntArray,
    Interval,
    format_share,
)

SOUND_ONLY = "sound only"
SHUFFLED = "sound, shuffled context"
NO_SOUND = "city and time, no sound"

ANY_DIFFERENCE = Interval(-1.0, 1.0)


@dataclass(frozen=True, slots=True)
class Condition:
    """What a network is told besides, or instead of, the sound."""

    name: str
    contexts: list[SceneContext]
    """One a window"""
    has_sound: bool = True


@dataclass(frozen=True, slots=True)
class ContextRow:
    """Accuracy under one condition."""

    name: str
    accuracy: float
    interval: Interval
    difference: float
    """Accuracy less that of sound only"""
    difference_interval: Interval
    """Paired: both figures of a draw are of the same groups."""


@dataclass(frozen=True, slots=True)
class ContextReport:
    """Accuracy under every condition that the data allow."""

    rows: tuple[ContextRow, ...]
    note: str
    """What could not be asked, and why; empty where all could."""

    def to_dict(self) -> dict[str, Any]:
        """Return the figures as JSON types."""
        rows = {
            row.name: {
                "accuracy": row.accuracy,
                "interval": list(row.interval),
                "difference": row.difference,
                "difference_interval": list(row.difference_interval),
            }
            for row in self.rows
        }
        return {"conditions": rows, "note": self.note}

    def lines(self) -> list[str]:
        """Return the figures as lines to read; with nothing to compare, only why."""
        if len(self.rows) == 1:
            return [self.note]
        width = max(len(row.name) for row in self.rows)
        lines = [
            f"{row.name:<{width}}  {format_share(row.accuracy, row.interval)}"
            + ("" if row.name == SOUND_ONLY else f", {format_difference(row)} against sound only")
            for row in self.rows
        ]
        return [*lines, self.note] if self.note else lines


def format_difference(row: ContextRow) -> str:
    """Write a difference and its interval: "+2.0 points (0.5 to 3.6)"."""
    low, high = row.difference_interval
    return f"{100.0 * row.difference:+.1f} points ({100.0 * low:+.1f} to {100.0 * high:+.1f})"


def context_conditions(
    contexts: Sequence[SceneContext], *, uses_context: bool, seed: int = 0
) -> list[Condition]:
    """Return the conditions under which windows with these `contexts` can be judged.

    Those that the windows cannot tell apart are left out: all but sound only for a network without
    context, those with a time where no window has one. Shuffling hands the contexts, city and time
    together, around among all windows by a seeded permutation.
    """
    nowhere = [SceneContext()] * len(contexts)
    cities = [replace(context, local_time=None) for context in contexts]
    times = [replace(context, city=None) for context in contexts]
    conditions = [Condition(SOUND_ONLY, nowhere)]
    has_city, has_time = cities != nowhere, times != nowhere
    if not uses_context or not (has_city or has_time):
        return conditions
    if has_city:
        conditions.append(Condition("sound and city", cities))
    if has_time:
        conditions.append(Condition("sound and time", times))
    if has_city and has_time:
        conditions.append(Condition("sound, city and time", list(contexts)))
    order = np.random.default_rng(seed).permutation(len(contexts))
    conditions.append(Condition(SHUFFLED, [contexts[index] for index in order]))
    conditions.append(Condition(NO_SOUND, list(contexts), has_sound=False))
    return conditions


def context_report(
    answers: Mapping[str, FloatArray | npt.NDArray[np.float32]],
    label: IntArray,
    group: Sequence[str],
    *,
    uses_context: bool,
    seed: int = 0,
) -> ContextReport:
    """Compare the `answers` under each condition, probabilities of shape (N, K), with sound only.

    Args:
        answers: by condition, "sound only" among them.
        label: true scenes, shape (N,).
        group: what the windows were cut from, N names.
        uses_context: whether the network takes city and time.
        seed: draws the groups.
    """
    bootstrap = GroupBootstrap(group, seed)
    right = {
        name: (scores.argmax(axis=1) == label)[:, None].astype(np.float64)
        for name, scores in answers.items()
    }
    reference = right[SOUND_ONLY]
    rows = tuple(
        ContextRow(
            name=name,
            accuracy=float(hits.mean()),
            interval=bootstrap.mean_interval(hits),
            difference=float((hits - reference).mean()),
            difference_interval=bootstrap.mean_interval(hits - reference, ANY_DIFFERENCE),
        )
        for name, hits in right.items()
    )
    return ContextReport(rows, _note(answers, uses_context))


def _note(names: Mapping[str, Any], uses_context: bool) -> str:
    if not uses_context:
        return "this network takes no city and no time: all it knows, it hears"
    if len(names) == 1:
        return (
            "no clip here tells its city or time: what this network makes of them "
            "cannot be measured on these data"
        )
    if "sound and time" not in names:
        return "no clip here tells its time"
    if "sound and city" not in names:
        return "no clip here tells a city that this network was trained on"
    return ""
