from __future__ import annotations

from collections import Counter
from datetime import datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_asc.context import SceneContext
from edge_asc.errors import DataError
from edge_asc.training.datasets import Clip
from edge_asc.training.splits import (
    apart_from,
    deal_groups,
    fold_names,
    group_folds,
    grouping_key,
    grouping_keys,
    hold_out,
    select_folds,
    split_by_folds,
)


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


def at(city: str | None, time: str | None, group: str = "g", recording: str | None = "r") -> Clip:
    when = None if time is None else datetime.fromisoformat(time)
    context = SceneContext(city, when)
    return Clip(Path("a.wav"), 5.0, None, "bus", context, group, None, "test", recording)


def test_grouping_keys_from_the_finest_to_the_coarsest():
    one = at("Hefei", "2023-05-14 23:50")
    keys = [grouping_key(one, by) for by in ("clip", "recording", "visit", "day", "city")]
    assert keys == ["a.wav from 5 s", "r", "g", "Hefei 2023-05-14", "Hefei"]


def test_a_visit_past_midnight_joins_its_two_days():
    clips = [
        at("Hefei", "2023-05-14 09:00", "morning"),
        at("Hefei", "2023-05-14 23:50", "night"),
        at("Hefei", "2023-05-15 00:10", "night"),
        at("Hefei", "2023-05-15 12:00", "noon"),
        at("Hefei", "2023-05-16 12:00", "another"),
        at("Jinan", "2023-05-14 09:00", "elsewhere"),
    ]
    keys = grouping_keys(clips, "day")
    assert keys == ["Hefei 2023-05-14"] * 4 + ["Hefei 2023-05-16", "Jinan 2023-05-14"]


@pytest.mark.parametrize(
    ("lacking", "by", "what"),
    [
        (at(None, "2023-05-14 09:00"), "city", "the city"),
        (at(None, "2023-05-14 09:00"), "day", "city and time"),
        (at("Hefei", None), "day", "city and time"),
        (at("Hefei", None, recording=None), "recording", "the recording"),
    ],
)
def test_what_a_clip_does_not_tell_is_not_guessed(lacking, by, what):
    with pytest.raises(DataError, match=rf"a\.wav does not say {what}, .* by {by}; add it"):
        grouping_key(lacking, by)


CLIPS_OF_GROUPS = st.lists(st.tuples(st.integers(1, 5), st.integers(0, 3)), min_size=4, max_size=40)


def made_of(groups) -> list[Clip]:
    """Clips of single-scene groups: (number of clips, scene; 3 means without label)."""
    return [
        clip(f"{g}-{n}", ("bus", "bar", "metro", None)[scene], f"{g}")
        for g, (size, scene) in enumerate(groups)
        for n in range(size)
    ]


@given(CLIPS_OF_GROUPS, st.integers(2, 4), st.integers(0, 99))
def test_every_scene_is_in_as_many_folds_as_it_has_groups(groups, num_folds, seed):
    clips = made_of(groups)
    keys = [c.group for c in clips]
    if len({c.group for c in clips if c.scene}) < num_folds:
        with pytest.raises(DataError, match="number of folds must be 2 to"):
            deal_groups(clips, keys, num_folds, seed)
        return
    folds = deal_groups(clips, keys, num_folds, seed)
    assert set(folds) <= set(range(num_folds))
    assert len(set(zip(keys, folds, strict=True))) == len(set(keys))  # no group in two folds
    for scene in {c.scene for c in clips} - {None}:
        where = {fold for c, fold in zip(clips, folds, strict=True) if c.scene == scene}
        num_groups = len({c.group for c in clips if c.scene == scene})
        assert len(where) == min(num_folds, num_groups)


def test_seeds_deal_differently_and_evenly():
    clips = corpus()
    keys = [c.group for c in clips]
    dealt = [tuple(deal_groups(clips, keys, 5, seed)) for seed in range(5)]
    assert len(set(dealt)) == 5
    assert dealt[0] == tuple(deal_groups(clips, keys, 5, 0))
    for folds in dealt:  # 120 clips: 8 of each of 3 scenes in each of 5 folds
        counts = Counter(zip((c.scene for c in clips), folds, strict=True))
        assert set(counts.values()) == {8}


@given(CLIPS_OF_GROUPS, st.integers(0, 99))
def test_a_scene_never_loses_its_last_group(groups, seed):
    clips = [c for c in made_of([*groups, (1, 0)]) if c.scene is not None]
    scenes = {c.scene for c in clips}
    try:
        rest, held = hold_out(clips, 0.2, seed, "visit")
    except DataError as error:
        assert "can be held out" in str(error)  # noqa: PT017 (either is right, for other groups)
        return
    assert held
    assert Counter(c.path for c in rest + held) == Counter(c.path for c in clips)
    assert not {c.group for c in rest} & {c.group for c in held}
    assert {c.scene for c in rest} == scenes


@pytest.mark.parametrize(("by", "num_held"), [("visit", 8), ("clip", 8)])
def test_a_fifth_of_every_scene_is_held_out(by, num_held):
    rest, held = hold_out(corpus(), 0.2, 0, by)
    # 10 groups of 4 clips a scene: a fifth is 8 clips.
    assert Counter(c.scene for c in held) == dict.fromkeys(("bus", "bar", "metro"), num_held)
    shared = {c.group for c in rest} & {c.group for c in held}
    assert bool(shared) == (by == "clip")
    assert hold_out(corpus(), 0.2, 1, by) != (rest, held)


def test_what_cannot_be_held_out():
    only = [clip("a", "bus"), clip("b", "bar")]
    with pytest.raises(DataError, match="no visit can be held out of 2: each is the only one"):
        hold_out(only, 0.2, 0, "visit")
    for clips in ([], [clip("a", None)]):
        with pytest.raises(DataError, match="only labelled clips can be held out"):
            hold_out(clips, 0.2, 0, "visit")
    with pytest.raises(ValueError, match="got 1"):
        hold_out(only, 1, 0, "visit")


def test_clips_apart_from_others_share_no_group_with_them():
    clips = corpus()
    some = clips[:2]  # of group bus-0
    left = apart_from(some, clips, "visit")
    assert {c.group for c in left} == {c.group for c in clips} - {"bus-0"}
    assert apart_from(some, clips, "clip") == clips[2:]
    assert apart_from([], clips, "day") == clips  # nothing to compare, so no time is needed
