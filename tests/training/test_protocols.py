from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from edge_asc.context import SceneContext
from edge_asc.errors import DataError
from edge_asc.training.datasets import Clip
from edge_asc.training.datasets.registry import read_set
from edge_asc.training.protocols import PROTOCOLS, protocol_splits
from edge_asc.training.splits import grouping_keys


def visit(scene: str | None, city: str, day: int, num_clips: int = 4) -> list[Clip]:
    """Clips of one visit: one recording, ten seconds apart."""
    begin = datetime(2023, 5, 1, 9) + timedelta(days=day)
    name = f"{city} {day} {scene}"
    return [
        Clip(
            Path(f"{name} {n}.wav"),
            0.0,
            None,
            scene,
            SceneContext(city, begin + timedelta(seconds=10 * n)),
            f"visit {name}",
            "development",
            "test",
            f"recording {name}",
        )
        for n in range(num_clips)
    ]


def corpus() -> list[Clip]:
    """Three scenes in two cities, bar in one; unlabelled clips with and without labelled ones."""
    clips = [
        clip
        for day in range(4)
        for number, scene in enumerate(("bus", "metro"))
        for city in ("Hefei", "Jinan")
        for clip in visit(scene, city, 10 * number + day)
    ]
    clips += visit("bar", "Jinan", 30) + visit("bar", "Jinan", 31)
    clips += [replace(c, scene=None, path=Path(f"more {c.path}")) for c in clips[::4]]
    clips += visit(None, "Hefei", 40) + visit(None, "Jinan", 41)
    return clips


def paths(clips) -> set[Path]:
    return {clip.path for clip in clips}


def test_official_random_is_a_fifth_of_the_labelled_clips():
    clips = corpus()
    (split,) = protocol_splits(clips, "official-random", 0)
    # 18 visits of 4 labelled clips: 72, of which 80 % train.
    assert (len(split.train), len(split.test)) == (58, 14)
    assert paths(split.train) | paths(split.test) == paths(c for c in clips if c.scene)
    assert paths(split.unlabelled) == paths(c for c in clips if c.scene is None)
    assert (split.is_fair_test, split.held_out_by) == (True, "clip")
    assert protocol_splits(clips, "official-random", 0) == [split]
    assert protocol_splits(clips, "official-random", 1) != [split]


@pytest.mark.parametrize(
    ("protocol", "by", "num_folds"),
    [
        ("visit-2fold", "visit", 2),
        ("visit-3fold", "visit", 3),
        ("day-2fold", "day", 2),
        ("recording-5fold", "recording", 5),
    ],
)
@pytest.mark.parametrize("seed", [0, 1])
def test_folds_keep_groups_whole_and_test_each_clip_once(protocol, by, num_folds, seed):
    clips = corpus()
    splits = protocol_splits(clips, protocol, seed)
    assert [split.name for split in splits] == [f"{protocol}-{n + 1}" for n in range(num_folds)]
    tested = [clip.path for split in splits for clip in split.test]
    assert sorted(tested) == sorted(paths(c for c in clips if c.scene))
    for split in splits:
        sides = [split.train, split.test, split.unlabelled]
        keys = grouping_keys([clip for side in sides for clip in side], by)
        trained = set(keys[: len(split.train)])
        held = set(keys[len(split.train) :][: len(split.test)])
        other = set(keys[len(split.train) + len(split.test) :])
        assert not (trained | other) & held
        assert split.held_out_by == by
        assert all(clip.scene is None for clip in split.unlabelled)
        wanted = {"bus", "metro"} | ({"bar"} if num_folds == 2 else set())
        assert {clip.scene for clip in split.test} >= wanted
    used = [clip.path for split in splits for clip in split.unlabelled]
    # Each unlabelled clip is left out where its group is tested, and used in all other folds.
    assert len(used) == (num_folds - 1) * sum(clip.scene is None for clip in clips)


def test_a_held_out_city_tests_only_what_another_city_teaches():
    first, second = protocol_splits(corpus(), "city-held-out", 0)
    assert [first.name, second.name] == ["city-held-out-hefei", "city-held-out-jinan"]
    assert {clip.scene for clip in second.test} == {"bus", "metro"}  # bar is in Jinan only
    assert {clip.scene for clip in first.train} == {"bus", "metro", "bar"}
    for split, city in ((first, "Hefei"), (second, "Jinan")):
        assert {clip.context.city for clip in split.test} == {city}
        assert city not in {clip.context.city for clip in split.train + split.unlabelled}


def test_a_city_of_its_own_scenes_only_gives_no_split():
    clips = [*visit("bus", "Hefei", 0), *visit("bus", "Jinan", 1), *visit("bar", "Sanya", 2)]
    names = [split.name for split in protocol_splits(clips, "city-held-out", 0)]
    assert names == ["city-held-out-hefei", "city-held-out-jinan"]


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_the_evaluation_set_is_left_alone(protocol):
    clips = corpus()
    more = [replace(c, fold="evaluation", scene=None, path=Path(f"e {c.path}")) for c in clips]
    assert protocol_splits(clips + more, protocol, 0) == protocol_splits(clips, protocol, 0)


def test_a_scene_of_one_group_is_not_tested():
    clips = [*corpus(), *visit("airport", "Hefei", 50)]
    tested = {c.scene for split in protocol_splits(clips, "visit-2fold", 0) for c in split.test}
    assert tested == {"bus", "metro", "bar"}


def test_what_cannot_be_split():
    with pytest.raises(DataError, match="unknown protocol 'visit'; allowed: official-random"):
        protocol_splits(corpus(), "visit", 0)
    nowhere = [replace(clip, context=SceneContext()) for clip in corpus()]
    for protocol in ("day-2fold", "city-held-out"):
        with pytest.raises(DataError, match="does not say"):
            protocol_splits(nowhere, protocol, 0)
    with pytest.raises(DataError, match="must be 2 to 18, the number of groups with a label"):
        protocol_splits(corpus(), "visit-40fold", 0)
    with pytest.raises(DataError, match="needs at least 2 labelled clips, got 0"):
        protocol_splits([], "official-random", 0)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_official_metadata_gives_every_scene_to_both_folds(data_dir, seed):
    clips = read_set(data_dir / "cas2023", require_audio=False).clips
    for protocol in ("visit-2fold", "day-2fold"):
        splits = protocol_splits(clips, protocol, seed)
        # 10 scenes, public square in 2 visits and bus on 2 days; 8,700 clips, 1,740 labelled.
        assert [len({clip.scene for clip in split.test}) for split in splits] == [10, 10]
        assert sum(len(split.test) for split in splits) == 1740
        assert sum(len(split.unlabelled) for split in splits) == 6960
    cities = protocol_splits(clips, "city-held-out", seed)
    assert len(cities) == 8
    # Public square (174 clips) and traffic street (143) are in Xi'an only.
    assert sum(len(split.test) for split in cities) == 1740 - 174 - 143


def test_the_official_visits_have_many_deals(data_dir):
    clips = read_set(data_dir / "cas2023", require_audio=False).clips
    deals = [protocol_splits(clips, "visit-2fold", seed) for seed in range(6)]
    tests = {frozenset(frozenset(paths(split.test)) for split in splits) for splits in deals}
    assert len(tests) == 6
