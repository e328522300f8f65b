from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_asc.training.metrics import (
    ConfusionMeter,
    GroupBootstrap,
    break_down,
    format_share,
    mcnemar,
    paired_drop,
    score,
)

SCENES = ("bus", "bar", "metro")


def ints(*values: int) -> np.ndarray:
    return np.array(values, np.int64)


def test_recalls_by_hand():
    meter = ConfusionMeter(3)
    meter.update(ints(0, 0, 0, 0, 1), ints(0, 0, 0, 1, 1))
    assert meter.accuracy == pytest.approx(4 / 5)
    assert meter.recalls == [0.75, 1.0, None]
    assert meter.macro_recall == pytest.approx((0.75 + 1.0) / 2)  # "metro" has no window


def test_updates_add_up_until_reset():
    """Epochs of accuracy 0, 1, 1, 1 are 0, 1, 1, 1, not the running mean 0, 0.50, 0.67, 0.75."""
    meter = ConfusionMeter(2)
    seen = []
    for predicted in (0, 1, 1, 1):
        meter.reset()
        meter.update(ints(1), ints(predicted))
        seen.append(meter.accuracy)
    assert seen == [0.0, 1.0, 1.0, 1.0]
    meter.update(ints(1), ints(0))
    assert meter.accuracy == 0.5


def test_scores_of_a_small_set():
    scores = score(SCENES, ints(0, 0, 0, 1), ints(0, 0, 1, 1), ["a", "a", "b", "c"])
    assert scores.accuracy == 0.75
    assert scores.majority_rate == 0.75
    assert scores.confusion == ((2, 1, 0), (0, 1, 0), (0, 0, 0))
    assert (scores.num_windows, scores.num_groups) == (4, 3)
    values = scores.to_dict()
    assert values["recall"] == {"bus": pytest.approx(2 / 3), "bar": 1.0, "metro": None}
    assert values["not_testable"] == ["metro"]
    assert "metro not testable" in "\n".join(scores.lines())


def test_the_interval_is_the_binomial_one_for_independent_windows():
    rng = np.random.default_rng(0)
    label = np.zeros(400, np.int64)
    predicted = (rng.random(400) < 0.3).astype(np.int64)
    groups = [str(i) for i in range(400)]
    scores = score(SCENES, label, predicted, groups)
    half = 1.96 * np.sqrt(scores.accuracy * (1.0 - scores.accuracy) / 400)  # normal approximation
    assert scores.accuracy_interval.low == pytest.approx(scores.accuracy - half, abs=0.01)
    assert scores.accuracy_interval.high == pytest.approx(scores.accuracy + half, abs=0.01)


def test_windows_of_one_group_count_as_one_observation():
    """Ten copies of every window tell nothing new: the interval stays that of 40 groups."""
    rng = np.random.default_rng(1)
    label = rng.integers(2, size=40)
    predicted = np.where(rng.random(40) < 0.7, label, 1 - label)
    names = [str(i) for i in range(40)]
    once = score(SCENES, label, predicted, names)
    copied = score(SCENES, label.repeat(10), predicted.repeat(10), list(np.repeat(names, 10)))
    assert copied.accuracy_interval == pytest.approx(once.accuracy_interval)


def test_intervals_are_seeded():
    label, predicted = ints(0, 1, 0, 1, 0), ints(0, 1, 1, 1, 0)
    groups = list("abcde")
    first = score(SCENES, label, predicted, groups, seed=3)
    assert score(SCENES, label, predicted, groups, seed=3) == first


def test_one_group_says_nothing_about_others():
    scores = score(SCENES, ints(0, 0), ints(0, 1), ["a", "a"])
    assert scores.accuracy == 0.5
    assert scores.accuracy_interval == scores.macro_recall_interval == (0.0, 1.0)


def test_an_empty_set_has_no_score():
    with pytest.raises(ValueError, match="empty"):
        score(SCENES, ints(), ints(), [])


def test_format():
    scores = score(SCENES, ints(0, 0), ints(0, 0), ["a", "b"])
    text = format_share(scores.accuracy, scores.accuracy_interval)
    assert text == "100.0 % (95 % interval 100.0 - 100.0)"


def test_a_recall_has_the_interval_of_its_own_windows():
    """A scene alone in its groups: its recall's interval is the accuracy's of those windows."""
    rng = np.random.default_rng(5)
    right = rng.random(300) < 0.6
    label = np.repeat([0, 1], [300, 100])
    predicted = np.concatenate([np.where(right, 0, 1), np.ones(100, np.int64)])
    scores = score(SCENES, label, predicted, [str(i) for i in range(400)])
    half = 1.96 * np.sqrt(0.6 * 0.4 / 300)  # normal approximation
    assert scores.recall_intervals[0] == pytest.approx(
        (right.mean() - half, right.mean() + half), abs=0.015
    )
    assert scores.recall_intervals[1] == (1.0, 1.0)
    assert scores.recall_intervals[2] is None
    assert scores.to_dict()["recall_interval"]["metro"] is None


def test_a_scene_of_one_group_can_have_any_recall():
    scores = score(SCENES, ints(0, 0, 1, 1), ints(0, 0, 1, 0), ["a", "a", "b", "c"])
    assert scores.recall_intervals[0] == (0.0, 1.0)
    assert scores.recall_intervals[1] == (0.0, 1.0)  # two groups that disagree


def test_breaking_down_by_an_attribute():
    cities = ["Jinan", None, "Jinan", "Hefei", "Jinan"]
    right = np.array([True, False, False, True, True])
    parts = break_down(cities, right, ["a", "b", "c", "d", "a"])
    assert [(p.name, p.accuracy, p.num_windows, p.num_groups) for p in parts] == [
        ("Hefei", 1.0, 1, 1),
        ("Jinan", pytest.approx(2 / 3), 3, 2),
        ("unknown", 0.0, 1, 1),
    ]
    assert parts[0].interval == (0.0, 1.0)  # one group
    assert parts[1].interval == (0.0, 1.0)  # group a is right, group c wrong


def test_differences_of_one_bootstrap_are_paired():
    """One window in ten is gained: the difference is surer than either accuracy."""
    rng = np.random.default_rng(6)
    before = (rng.random((200, 1)) < 0.5).astype(float)
    after = before.copy()
    after[:20] = 1.0
    bootstrap = GroupBootstrap([str(i) for i in range(200)])
    gain = bootstrap.mean_interval(after - before)
    accuracy = bootstrap.mean_interval(before)
    assert gain.low > 0.0
    assert gain.high - gain.low < 0.6 * (accuracy.high - accuracy.low)


@given(st.integers(2, 40), st.integers(0, 1000))
def test_a_share_lies_within_its_possible_range(num_groups: int, seed: int):
    rng = np.random.default_rng(seed)
    hits = rng.random((60, 2)) < 0.5
    counted = hits | (rng.random((60, 2)) < 0.5)
    groups = [str(g) for g in rng.integers(0, num_groups, 60)]
    for interval in GroupBootstrap(groups).share_intervals(hits, counted):
        assert interval is not None
        assert 0.0 <= interval.low <= interval.high <= 1.0


def bools(*values: int) -> np.ndarray:
    return np.array(values, np.bool_)


def test_a_paired_drop_by_hand():
    before, after = bools(1, 1, 1, 1, 0, 0), bools(0, 0, 0, 1, 1, 0)
    found = paired_drop(before, after, ["a", "b", "c", "d", "e", "f"])
    assert (found.lost, found.gained) == (3, 1)
    assert found.drop == pytest.approx(2 / 6)
    # Of four changes 3 or more are losses in 5 of 16 cases, as many are gains.
    assert found.p_value == pytest.approx(10 / 16)
    assert found.interval.low < 0.0 < found.drop < found.interval.high


def test_mcnemar_is_the_exact_binomial_test():
    assert mcnemar(0, 0) == 1.0
    assert mcnemar(5, 5) == 1.0
    assert mcnemar(6, 0) == pytest.approx(2 / 2**6)
    assert mcnemar(1, 9) == mcnemar(9, 1) == pytest.approx(2 * (1 + 10) / 2**10)
    assert 0.0 < mcnemar(300, 200) < 1e-4


def test_a_paired_interval_is_the_one_of_the_difference():
    """400 independent windows, 30 lost and 10 gained: 5 points, standard error 1.56 by formula."""
    before, after = np.ones(400, np.bool_), np.ones(400, np.bool_)
    after[:30] = False
    before[30:40] = False
    found = paired_drop(before, after, [str(i) for i in range(400)])
    error = math.sqrt((40 / 400 - (20 / 400) ** 2) / 400)
    assert found.interval.low == pytest.approx(0.05 - 1.96 * error, abs=0.003)
    assert found.interval.high == pytest.approx(0.05 + 1.96 * error, abs=0.003)


def test_a_drop_within_one_group_says_nothing_about_others():
    assert paired_drop(bools(1, 1), bools(1, 0), ["a", "a"]).interval == (-1.0, 1.0)
    with pytest.raises(ValueError, match="empty set"):
        paired_drop(bools(), bools(), [])
