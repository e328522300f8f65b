"""How CAS 2023 can be divided into training and test, from the published way to the strictest.

    official-random   clips at random: slices of one recording on both sides, so it leaks
    visit-2fold, -3   visits whole (recordings of one city with gaps of at most half an hour)
    day-2fold         days of a city whole
    city-held-out     each city in turn; only scenes that another city has can be tested

The protocols work on the development set: clips of the fold "evaluation" are left out. Any data
set with groups can be divided so; a group counts as a visit.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from typing import cast, get_args

import numpy as np

from edge_asc.errors import DataError
from edge_asc.training.datasets import Clip
from edge_asc.training.splits import (
    Grouping,
    Split,
    check_groups_apart,
    deal_groups,
    grouping_keys,
)

PROTOCOLS = ("official-random", "visit-2fold", "visit-3fold", "day-2fold", "city-held-out")

EVALUATION_FOLD = "evaluation"
OFFICIAL_TEST_SHARE = 0.2
"""The official baseline trains on the first 80 % of the shuffled rows."""

_FOLDS = re.compile(rf"({'|'.join(get_args(Grouping))})-(\d+)fold")


def protocol_splits(clips: Sequence[Clip], protocol: str, seed: int) -> list[Split]:
    """The splits of `protocol` over `clips`, labelled and unlabelled ones mixed.

    Besides `PROTOCOLS`, "recording-5fold" and the like are understood: a grouping and a number of
    folds. Folds are dealt by `deal_groups`: the same clips and seed give the same ones, and every
    scene with as many groups as folds is in each of them. Each is tested once. Test clips of
    a scene that no training clip has are left out ("not testable", never 0), and a split without
    test clips is not made. Unlabelled clips go to the side of their group; those of the test
    side are not used.

    Raises DataError for an unknown protocol, too few groups, and clips that lack what the protocol
    groups by.
    """
    used = [clip for clip in clips if clip.fold != EVALUATION_FOLD]
    if protocol == "official-random":
        return [_random_split(used, seed)]
    if protocol == "city-held-out":
        return _city_splits(used)
    match = _FOLDS.fullmatch(protocol)
    if match is None:
        raise DataError(
            f"unknown protocol {protocol!r}; allowed: {', '.join(PROTOCOLS)}, or a grouping and a"
            f" number of folds ({', '.join(get_args(Grouping))}; for instance recording-5fold)"
        )
    return _fold_splits(used, protocol, cast(Grouping, match[1]), int(match[2]), seed)


def testable(test: Sequence[Clip], train: Sequence[Clip]) -> list[Clip]:
    """The labelled clips of `test` whose scene has a clip in `train`."""
    known = {clip.scene for clip in train} - {None}
    return [clip for clip in test if clip.scene in known]


def _random_split(clips: Sequence[Clip], seed: int) -> Split:
    labelled = [clip for clip in clips if clip.scene is not None]
    if len(labelled) < 2:
        raise DataError(f"official-random needs at least 2 labelled clips, got {len(labelled)}")
    order = np.random.default_rng(seed).permutation(len(labelled))
    test = set(order[: max(1, round(OFFICIAL_TEST_SHARE * len(labelled)))].tolist())
    return Split(
        "official-random",
        train=[clip for index, clip in enumerate(labelled) if index not in test],
        test=[clip for index, clip in enumerate(labelled) if index in test],
        is_fair_test=True,
        unlabelled=[clip for clip in clips if clip.scene is None],
        held_out_by="clip",
    )


def _fold_splits(
    clips: Sequence[Clip], protocol: str, by: Grouping, num_folds: int, seed: int
) -> list[Split]:
    folds = deal_groups(clips, grouping_keys(clips, by), num_folds, seed)
    splits = [
        _grouped_split(f"{protocol}-{fold + 1}", clips, [other == fold for other in folds], by)
        for fold in range(num_folds)
    ]
    return [split for split in splits if split.test]


def _city_splits(clips: Sequence[Clip]) -> list[Split]:
    cities = grouping_keys(clips, "city")
    splits = []
    for city in sorted({c for c, clip in zip(cities, clips, strict=True) if clip.scene}):
        name = "".join(letter for letter in city.casefold() if letter.isalnum())
        is_test = [other == city for other in cities]
        splits.append(_grouped_split(f"city-held-out-{name}", clips, is_test, "city"))
    return [split for split in splits if split.test]


def _grouped_split(
    name: str, clips: Sequence[Clip], is_test: Collection[bool], by: Grouping
) -> Split:
    inner = [clip for clip, out in zip(clips, is_test, strict=True) if not out]
    train = [clip for clip in inner if clip.scene is not None]
    test = testable([clip for clip, out in zip(clips, is_test, strict=True) if out], train)
    if by not in ("clip", "recording"):
        check_groups_apart(inner, test)
    unlabelled = [clip for clip in inner if clip.scene is None]
    return Split(name, train, test, is_fair_test=True, unlabelled=unlabelled, held_out_by=by)
