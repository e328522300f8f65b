from __future__ import annotations

from pathlib import Path

import pytest

from edge_asc.context import SceneContext
from edge_asc.errors import DataError
from edge_asc.training.datasets import Clip
from edge_asc.training.splits import fold_names, group_folds, select_folds, split_by_folds


def clip(name: str, scene: str | None = "bus", group: str | None = None, fold: str | None = None):
    return Clip(Path(name), 0.0, None, scene, SceneContext(), group or name, fold, "test")


def corpus() -> list[Clip]:
    """Three scenes of ten groups of four clips."""
    return [
        clip(f"{scene}-{group}-{number}", scene, f"{scene}-{group}")
        for scene in ("bus", "bar", "metro")
        for group in range(10)
        for number in range(4)
    ]


@pytest.mark.parametrize("seed", range(5))
def test_no_group_is_in_two_folds_and_scenes_are_balanced(seed):
    clips = group_folds(corpus(), 5, seed)
    assert fold_names(clips) == ["1", "2", "3", "4", "5"]
    for fold in fold_names(clips):
        train, test = split_by_folds(clips, None, [fold])
        assert not {c.group for c in train} & {c.group for c in test}
        # 10 groups of 4 clips over 5 folds: 2 groups, 8 clips, of each scene.
        assert [sum(c.scene == s for c in test) for s in ("bus", "bar", "metro")] == [8, 8, 8]


def test_folds_follow_from_the_seed():
    assert group_folds(corpus(), 5, 1) == group_folds(corpus(), 5, 1)
    assert group_folds(corpus(), 5, 1) != group_folds(corpus(), 5, 2)


def test_a_scene_with_fewer_groups_than_folds_stays_whole():
    clips = group_folds([*corpus(), clip("rare-1", "rare", "r"), clip("rare-2", "rare", "r")], 5, 0)
    assert len({c.fold for c in clips if c.scene == "rare"}) == 1


def test_folds_are_sorted_as_numbers():
    assert fold_names([clip(n, fold=n) for n in ("10", "2", "a", "1")]) == ["1", "2", "10", "a"]


def test_the_rest_trains_unless_folds_are_named():
    clips = [clip(n, fold=n) for n in "1233"]
    train, test = split_by_folds(clips[:3], None, ["1"])
    assert ([c.fold for c in train], [c.fold for c in test]) == (["2", "3"], ["1"])
    train, _ = split_by_folds(clips[:3], ["3"], ["1"])
    assert [c.fold for c in train] == ["3"]


@pytest.mark.parametrize(
    ("train", "test", "message"),
    [
        (None, ["4"], "no such fold: 4; folds found: 1, 2"),
        (None, ["1", "2"], "no such fold: none"),
        (["1"], ["1"], "fold 1 is meant both"),
        (["1"], ["2"], r"1 groups are both in training and in test \(g\)"),
    ],
)
def test_bad_splits(train, test, message):
    clips = [clip("a", group="g", fold="1"), clip("b", group="g", fold="2")]
    with pytest.raises(DataError, match=message):
        split_by_folds(clips, train, test)


def test_missing_folds_labels_and_groups():
    with pytest.raises(DataError, match="1 of 2 clips have no fold"):
        select_folds([clip("a", fold="1"), clip("b")], ["1"])
    with pytest.raises(DataError, match="1 of 2 clips have no label"):
        group_folds([clip("a"), clip("b", None)], 2, 0)
    with pytest.raises(DataError, match="must be 2 to 2, the number of groups; got 3"):
        group_folds([clip("a"), clip("b")], 3, 0)
