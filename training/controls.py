"""What a model without ears reaches: classifiers that see the city and the time, but no sound.

A split on which such a control does well measures how its clips were recorded, not what they sound
like: an accuracy on it says nothing about hearing unless it lies above the control's.

    nearest time in city    the scene of the training recording that is next in time, in the same
                            city (anywhere, for a city without one)
    tree on time and city   a decision tree on the eight time features and the city
    city alone              the most frequent scene of the city in training
    majority                the most frequent scene in training

A clip's time is here the beginning of its recording, where the recording is known: that is what
the CAS 2023 tables publish (`record_time`), and all slices of a recording share it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from statistics import fmean
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.tree import DecisionTreeClassifier

from edge_asc.context import SceneContext
from edge_asc.training.datasets import Clip
from edge_asc.training.metrics import Interval, format_percent, score
from edge_asc.training.splits import Split

NEAREST_TIME = "nearest time in city"
TREE = "tree on time and city"
CITY = "city alone"
MAJORITY = "majority"

LEAK_MARGIN = 0.25
"""How far above the majority rate the lower end of a control's interval must lie to be a leak.

Some advantage is honest: scenes do depend on city and hour, and the device knows both. On the
official metadata, over many seeds, splits of whole visits or days put that lower end 16 points
above the majority rate at most; splits that share recordings put it 57 points above at least.
"""

_EPOCH = datetime(1970, 1, 1)

Predictions = dict[str, list[str]]
"""For each control the scenes it answers."""


@dataclass(frozen=True, slots=True)
class ControlScore:
    """How well one control answers; intervals are bootstrapped over groups."""

    accuracy: float
    accuracy_interval: Interval
    macro_recall: float
    macro_recall_interval: Interval


@dataclass(frozen=True, slots=True)
class Controls:
    """The scores of all controls that could run on a split."""

    scores: dict[str, ControlScore]
    """By name; a control whose metadata are missing is absent, not 0."""
    chance: float
    """Accuracy of always answering the test set's most frequent scene."""
    num_clips: int

    @property
    def best(self) -> str:
        """Name of the most accurate control."""
        return max(self.scores, key=lambda name: self.scores[name].accuracy)

    @property
    def is_leaky(self) -> bool:
        """Whether metadata alone tell the scene by far better than chance: see `LEAK_MARGIN`."""
        return self.scores[self.best].accuracy_interval.low > self.chance + LEAK_MARGIN

    def line(self) -> str:
        """One line to stand beside every accuracy on this split."""
        verdict = "this split LEAKS" if self.is_leaky else "no leak found, but the bar to clear"
        return (
            f"without ears: {format_percent(self.scores[self.best].accuracy)} ({self.best}) where "
            f"the most frequent scene gives {format_percent(self.chance)}: {verdict}"
        )

    def to_dict(self) -> dict[str, Any]:
        """Return all figures as JSON types."""
        return {
            "controls": {name: asdict(value) for name, value in self.scores.items()},
            "best": self.best,
            "majority_rate": self.chance,
            "is_leaky": self.is_leaky,
            "num_clips": self.num_clips,
            "line": self.line(),
        }


def metadata_controls(
    train: Sequence[Clip], test: Sequence[Clip], seed: int = 0
) -> Controls | None:
    """Fit the controls to labelled clips `train` and score them on labelled clips `test`.

    A control runs if every test clip has the metadata it needs; it learns from the training clips
    that have them. None if no control can run that knows more than the majority.
    """
    return _score(test, _predict(train, test, seed))


def pooled_controls(splits: Sequence[Split], seed: int = 0) -> Controls | None:
    """Score the controls over all `splits` of a protocol together, each clip as often as tested.

    Only controls that run on every split count; None if there are none.
    """
    test = [clip for split in splits for clip in split.test]
    answers = [_predict(split.train, split.test, seed) for split in splits]
    names = [name for name in answers[0] if all(name in answer for answer in answers)]
    pooled = {name: [scene for answer in answers for scene in answer[name]] for name in names}
    return _score(test, pooled)


def mean_controls(controls: Sequence[Controls]) -> Controls:
    """The mean of every figure over `controls` of one protocol with several seeds."""
    scores = {
        name: _mean_score([one.scores[name] for one in controls]) for name in controls[0].scores
    }
    chance = fmean(one.chance for one in controls)
    return Controls(scores, chance, round(fmean(one.num_clips for one in controls)))


def _mean_score(scores: Sequence[ControlScore]) -> ControlScore:
    def mean(intervals: Sequence[Interval]) -> Interval:
        return Interval(fmean(i.low for i in intervals), fmean(i.high for i in intervals))

    return ControlScore(
        fmean(one.accuracy for one in scores),
        mean([one.accuracy_interval for one in scores]),
        fmean(one.macro_recall for one in scores),
        mean([one.macro_recall_interval for one in scores]),
    )


def _score(test: Sequence[Clip], predictions: Predictions) -> Controls | None:
    if not test or set(predictions) <= {MAJORITY}:
        return None
    truth = [str(clip.scene) for clip in test]
    scenes = sorted({*truth, *(scene for answer in predictions.values() for scene in answer)})
    code = {scene: index for index, scene in enumerate(scenes)}
    label = np.array([code[scene] for scene in truth])
    groups = [clip.group for clip in test]
    results = {
        name: score(scenes, label, np.array([code[scene] for scene in answer]), groups)
        for name, answer in predictions.items()
    }
    scores = {
        name: ControlScore(
            result.accuracy,
            result.accuracy_interval,
            result.macro_recall,
            result.macro_recall_interval,
        )
        for name, result in results.items()
    }
    return Controls(scores, results[MAJORITY].majority_rate, len(test))


def _predict(train: Sequence[Clip], test: Sequence[Clip], seed: int) -> Predictions:
    timed = [clip for clip in train if clip.context.local_time is not None]
    placed = [clip for clip in train if clip.context.city is not None]
    has_times = bool(timed) and all(clip.context.local_time is not None for clip in test)
    has_cities = bool(placed) and all(clip.context.city is not None for clip in test)
    predictions = {}
    if has_times:
        begins = _recording_begins([*timed, *test])
        predictions[NEAREST_TIME] = _nearest_time(timed, test, begins)
        predictions[TREE] = _tree(timed, test, begins, seed)
    if has_cities:
        predictions[CITY] = _city_alone(placed, test)
    return {**predictions, MAJORITY: [_most_frequent(train)] * len(test)}


def _most_frequent(clips: Sequence[Clip]) -> str:
    return Counter(str(clip.scene) for clip in clips).most_common(1)[0][0]


def _recording_begins(clips: Sequence[Clip]) -> dict[str | None, datetime]:
    """When each recording begins, as far as the times of its clips tell."""
    begins: dict[str | None, datetime] = {}
    for clip in clips:
        if clip.recording is not None:
            when = _local_time(clip)
            begins[clip.recording] = min(when, begins.get(clip.recording, when))
    return begins


def _local_time(clip: Clip) -> datetime:
    """The wall clock's time; zones do not matter within a city."""
    assert clip.context.local_time is not None
    return clip.context.local_time.replace(tzinfo=None)


def _nearest_time(
    train: Sequence[Clip], test: Sequence[Clip], begins: dict[str | None, datetime]
) -> list[str]:
    def seconds(clips: Sequence[Clip]) -> npt.NDArray[np.float64]:
        moments = [begins.get(clip.recording) or _local_time(clip) for clip in clips]
        return np.array([(moment - _EPOCH).total_seconds() for moment in moments])

    order = np.argsort(seconds(train), kind="stable")
    train_s, test_s = seconds(train)[order], seconds(test)
    train_city = np.array([str(train[index].context.city) for index in order])
    test_city = np.array([str(clip.context.city) for clip in test])
    nearest = np.zeros(len(test), np.int64)
    for city in np.unique(test_city):
        asked = np.flatnonzero(test_city == city)
        there = np.flatnonzero(train_city == city)
        if there.size == 0:
            there = np.arange(len(train))
        after = np.searchsorted(train_s[there], test_s[asked]).clip(1, max(1, there.size - 1))
        before, after = there[after - 1], there[np.minimum(after, there.size - 1)]
        is_after = train_s[after] - test_s[asked] < test_s[asked] - train_s[before]
        nearest[asked] = np.where(is_after, after, before)
    return [str(train[order[index]].scene) for index in nearest]


def _tree(
    train: Sequence[Clip], test: Sequence[Clip], begins: dict[str | None, datetime], seed: int
) -> list[str]:
    cities = sorted({str(clip.context.city) for clip in train})

    def features(clips: Sequence[Clip]) -> npt.NDArray[np.float64]:
        times = [begins.get(clip.recording) or _local_time(clip) for clip in clips]
        turns = np.array([SceneContext(None, time).encode_time() for time in times])
        one_hot = [[str(clip.context.city) == city for city in cities] for clip in clips]
        return np.hstack([turns, np.array(one_hot, np.float64)])

    tree = DecisionTreeClassifier(random_state=seed)
    tree.fit(features(train), [str(clip.scene) for clip in train])
    return [str(scene) for scene in tree.predict(features(test))]


def _city_alone(train: Sequence[Clip], test: Sequence[Clip]) -> list[str]:
    by_city: dict[str | None, list[Clip]] = {}
    for clip in train:
        by_city.setdefault(clip.context.city, []).append(clip)
    answer = {city: _most_frequent(clips) for city, clips in by_city.items()}
    fallback = _most_frequent(train)
    return [answer.get(clip.context.city, fallback) for clip in test]
