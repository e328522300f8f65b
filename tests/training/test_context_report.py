from __future__ import annotations

from datetime import datetime

import numpy as np
import pytest

from edge_asc.context import SceneContext
from edge_asc.training.context_report import (
    NO_SOUND,
    SHUFFLED,
    SOUND_ONLY,
    context_conditions,
    context_report,
)

NOWHERE = SceneContext()
NOON = datetime(2023, 5, 1, 12)


def told(count: int = 6) -> list[SceneContext]:
    return [SceneContext(("Jinan", "Hefei")[i % 2], NOON.replace(minute=i)) for i in range(count)]


def test_every_condition_takes_away_what_it_says():
    contexts = told()
    conditions = {c.name: c for c in context_conditions(contexts, uses_context=True)}
    assert list(conditions) == [
        SOUND_ONLY,
        "sound and city",
        "sound and time",
        "sound, city and time",
        SHUFFLED,
        NO_SOUND,
    ]
    assert conditions[SOUND_ONLY].contexts == [NOWHERE] * 6
    assert conditions["sound and city"].contexts[0] == SceneContext("Jinan", None)
    assert conditions["sound and time"].contexts[3] == SceneContext(None, NOON.replace(minute=3))
    assert conditions["sound, city and time"].contexts == contexts
    assert [name for name, c in conditions.items() if not c.has_sound] == [NO_SOUND]


def test_shuffling_is_seeded_and_loses_no_context():
    contexts = told()

    def shuffled(seed):
        conditions = context_conditions(contexts, uses_context=True, seed=seed)
        return next(c.contexts for c in conditions if c.name == SHUFFLED)

    assert shuffled(1) == shuffled(1) != shuffled(2)
    assert shuffled(1) != contexts
    assert sorted(shuffled(1), key=contexts.index) == contexts


@pytest.mark.parametrize(
    ("contexts", "uses_context", "names"),
    [
        (told(), False, [SOUND_ONLY]),
        ([NOWHERE] * 3, True, [SOUND_ONLY]),
        ([SceneContext("Jinan")] * 2, True, [SOUND_ONLY, "sound and city", SHUFFLED, NO_SOUND]),
        (
            [SceneContext(None, NOON)] * 2,
            True,
            [SOUND_ONLY, "sound and time", SHUFFLED, NO_SOUND],
        ),
    ],
)
def test_what_the_data_cannot_tell_apart_is_not_asked(contexts, uses_context, names):
    conditions = context_conditions(contexts, uses_context=uses_context)
    assert [c.name for c in conditions] == names


def answers(*right: bool) -> np.ndarray:
    """Sure of scene 0 where right, else of scene 1."""
    return np.array([[0.9, 0.1] if is_right else [0.1, 0.9] for is_right in right])


def test_differences_are_paired_over_groups():
    given = {
        SOUND_ONLY: answers(True, False, True, False),
        "sound and city": answers(True, True, True, False),
        "sound and time": answers(True, False, True, False),
    }
    label, group = np.zeros(4, np.int64), list("abcd")
    report = context_report(given, label, group, uses_context=True)
    accuracies = {row.name: (row.accuracy, row.difference) for row in report.rows}
    assert accuracies == {
        SOUND_ONLY: (0.5, 0.0),
        "sound and city": (0.75, 0.25),
        "sound and time": (0.5, 0.0),
    }
    city, time = report.rows[1:]
    assert city.difference_interval.low == 0.0
    assert city.difference_interval.high == pytest.approx(0.75)
    # The same answers: the difference is nothing, however unsure the accuracy is.
    assert time.difference_interval == (0.0, 0.0)
    assert time.interval.low < 0.2
    assert "+25.0 points (+0.0 to +75.0) against sound only" in report.lines()[1]
    assert report.to_dict()["conditions"]["sound and city"]["difference"] == 0.25


def test_one_group_leaves_a_difference_open():
    given = {SOUND_ONLY: answers(True), "sound and city": answers(False)}
    report = context_report(given, np.zeros(1, np.int64), ["a"], uses_context=True)
    assert report.rows[1].difference_interval == (-1.0, 1.0)


@pytest.mark.parametrize(
    ("names", "uses_context", "note"),
    [
        ([SOUND_ONLY], False, "takes no city and no time: all it knows, it hears"),
        ([SOUND_ONLY], True, "cannot be measured on these data"),
        ([SOUND_ONLY, "sound and city"], True, "no clip here tells its time"),
        ([SOUND_ONLY, "sound and time"], True, "a city that this network was trained on"),
    ],
)
def test_what_was_not_asked_is_explained(names, uses_context, note):
    given = dict.fromkeys(names, answers(True, False))
    report = context_report(given, np.zeros(2, np.int64), ["a", "b"], uses_context=uses_context)
    assert note in report.lines()[-1]
