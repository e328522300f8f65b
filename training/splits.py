"""Which clips train and which test: the data set's folds, or drawn ones that keep groups whole."""

from __future__ import annotations

import warnings
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
from sklearn.model_selection import StratifiedGroupKFold

from edge_asc.errors import DataError
from edge_asc.training.datasets import Clip

Grouping = Literal["clip", "recording", "visit", "day", "city"]
"""From the leakiest to the strictest; "visit" is a clip's `group`, whatever it holds."""


@dataclass(frozen=True, slots=True)
class Split:
    """Clips to train on and clips to test on."""

    name: str
    train: list[Clip]
    test: list[Clip]
    is_fair_test: bool
    """False: the test clips cannot show how good the model is on new real sound."""
    unlabelled: list[Clip] = field(default_factory=list)
    """Clips without label on the training side: no group of theirs is tested on."""
    held_out_by: Grouping = "visit"
    """What the two sides do not share, and what a validation set drawn from `train` keeps whole."""


def fold_names(clips: Sequence[Clip]) -> list[str]:
    """The folds of `clips`, sorted, numbers as numbers. Raises DataError if a clip has none."""
    without = sum(clip.fold is None for clip in clips)
    if without:
        raise DataError(
            f"{without} of {len(clips)} clips have no fold; add a column 'fold' to the table,"
            " or let the program draw folds by group"
        )
    names = {clip.fold for clip in clips if clip.fold is not None}
    return sorted(names, key=lambda name: (not name.isdecimal(), name.zfill(9)))


def select_folds(clips: Sequence[Clip], folds: Collection[str]) -> list[Clip]:
    """The clips in `folds`. Raises DataError for a fold that does not exist."""
    found = fold_names(clips)
    unknown = sorted(set(folds) - set(found))
    if unknown or not folds:
        wanted = ", ".join(unknown) or "none"
        raise DataError(f"no such fold: {wanted}; folds found: {', '.join(found)}")
    return [clip for clip in clips if clip.fold in folds]


def split_by_folds(
    clips: Sequence[Clip], train_folds: Collection[str] | None, test_folds: Collection[str]
) -> tuple[list[Clip], list[Clip]]:
    """Training and test clips; `train_folds` None means all but `test_folds`.

    Raises DataError for an unknown fold, a fold on both sides, a side without clips, and a group
    that is on both sides: an accuracy measured so would be worth nothing.
    """
    test = select_folds(clips, test_folds)
    if train_folds is None:
        train_folds = [name for name in fold_names(clips) if name not in test_folds]
    shared = sorted(set(train_folds) & set(test_folds))
    if shared:
        raise DataError(f"fold {', '.join(shared)} is meant both for training and for testing")
    train = select_folds(clips, train_folds)
    check_groups_apart(train, test)
    return train, test


def check_groups_apart(train: Sequence[Clip], test: Sequence[Clip]) -> None:
    """Raise DataError if a group (a visit, a recording) is both in `train` and in `test`."""
    shared = sorted({clip.group for clip in train} & {clip.group for clip in test})
    if shared:
        raise DataError(
            f"{len(shared)} groups are both in training and in test ({', '.join(shared[:3])}"
            f"{', ...' if len(shared) > 3 else ''}); put all clips of a group into one fold"
        )


def group_folds(clips: Sequence[Clip], num_folds: int, seed: int) -> list[Clip]:
    """`clips` with new folds "1" to str(num_folds): scenes balanced, no group in two folds.

    A scene with fewer groups than folds is missing from some of them. The same clips and seed give
    the same folds. Raises DataError for unlabelled clips or too few
    groups.
    """
    unlabelled = sum(clip.scene is None for clip in clips)
    if unlabelled:
        raise DataError(
            f"{unlabelled} of {len(clips)} clips have no label, so folds cannot balance it"
        )
    groups = [clip.group for clip in clips]
    if not 2 <= num_folds <= len(set(groups)):
        raise DataError(
            f"the number of folds must be 2 to {len(set(groups))}, the number of groups;"
            f" got {num_folds}"
        )
    folds = np.empty(len(clips), dtype=np.int64)
    splitter = StratifiedGroupKFold(num_folds, shuffle=True, random_state=seed)
    scenes = [clip.scene for clip in clips]
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The least populated class", UserWarning)
        for number, (_, held_out) in enumerate(splitter.split(clips, scenes, groups), start=1):
            folds[held_out] = number
    return [replace(clip, fold=str(fold)) for clip, fold in zip(clips, folds, strict=True)]
