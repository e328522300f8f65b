"""Which clips train and which test: the data set's folds, or drawn ones that keep groups whole."""

from __future__ import annotations

import warnings
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
import numpy.typing as npt
from sklearn.model_selection import StratifiedGroupKFold

from edge_asc.errors import DataError
from edge_asc.training.datasets import Clip

Grouping = Literal["clip", "recording", "visit", "day", "city"]
"""From the leakiest to the strictest; "visit" is a clip's `group`, whatever it holds."""

NUM_DEALS = 20
"""Random orders tried when groups are dealt; the best deal is kept."""
_MAX_DEALT = 20_000


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


def grouping_key(clip: Clip, by: Grouping) -> str:
    """What `clip` shares with the other clips of its clip, recording, visit, day or city.

    Raises DataError if the clip does not tell: two unknown cities need not be one.
    """
    city, when = clip.context.city, clip.context.local_time
    if by == "clip":
        return f"{clip.path.as_posix()} from {clip.start_s:g} s"
    if by == "visit":
        return clip.group
    if by == "recording" and clip.recording is not None:
        return clip.recording
    if by == "city" and city is not None:
        return city
    if by == "day" and city is not None and when is not None:
        return f"{city} {when.date().isoformat()}"
    needed = {"recording": "the recording", "city": "the city", "day": "city and time"}[by]
    raise DataError(
        f"{clip.path.name} does not say {needed}, so clips cannot be kept together by {by};"
        " add it to the table, or group by visit"
    )


def grouping_keys(clips: Sequence[Clip], by: Grouping) -> list[str]:
    """The `grouping_key` of each clip; days that share a visit (past midnight) have one key.

    Raises DataError if a clip does not tell.
    """
    keys = [grouping_key(clip, by) for clip in clips]
    if by != "day":
        return keys
    return _merge(keys, [clip.group for clip in clips])


def apart_from(some: Sequence[Clip], clips: Sequence[Clip], by: Grouping) -> list[Clip]:
    """Those of `clips` that share no group with `some`. Raises DataError if one does not tell."""
    if not some:
        return list(clips)
    keys = grouping_keys([*some, *clips], by)
    taken = set(keys[: len(some)])
    return [clip for clip, key in zip(clips, keys[len(some) :], strict=True) if key not in taken]


def _merge(keys: Sequence[str], links: Sequence[str]) -> list[str]:
    """`keys` with one and the same for all that are connected by a common link."""
    parent = {key: key for key in keys}

    def root(key: str) -> str:
        while parent[key] != key:
            key = parent[key]
        return key

    first: dict[str, str] = {}
    for key, link in zip(keys, links, strict=True):
        one, other = sorted((root(key), root(first.setdefault(link, key))))
        parent[other] = one
    return [root(key) for key in keys]


def deal_groups(clips: Sequence[Clip], keys: Sequence[str], num_folds: int, seed: int) -> list[int]:
    """A fold, 0 to num_folds - 1, for each clip: clips of one key together, scenes balanced.

    Groups are dealt in random order, each to the fold that has least of its scenes; of up to
    `NUM_DEALS` such deals that one is kept which leaves the fewest scenes out of a fold (a scene of
    fewer groups than folds is spread as far as it goes), then the most even one. Unlike those of
    `group_folds`, folds of two seeds do differ. Groups without a label are dealt by
    size, apart from the others. The same clips and seed give the same
    folds. Raises DataError for fewer labelled groups than folds.
    """
    names, index = np.unique(np.asarray(keys), return_inverse=True)
    counts = _scene_counts(clips, index, len(names))  # (num_groups, num_scenes)
    labelled = np.flatnonzero(counts.sum(axis=1))
    if not 2 <= num_folds <= len(labelled):
        raise DataError(
            f"the number of folds must be 2 to {len(labelled)}, the number of groups with a label;"
            f" got {num_folds}"
        )
    rng = np.random.default_rng(seed)
    folds = np.zeros(len(names), np.int64)
    folds[labelled] = _best_deal(counts[labelled], num_folds, rng)
    bare = rng.permutation(np.setdiff1d(np.arange(len(names)), labelled))
    sizes = np.bincount(index, minlength=len(names))
    folds[bare] = _deal(sizes[bare, None].astype(np.float64), num_folds, range(len(bare)))
    return [int(fold) for fold in folds[index]]


def _scene_counts(
    clips: Sequence[Clip], index: npt.NDArray[np.int64], num_groups: int
) -> npt.NDArray[np.float64]:
    """How many clips of each scene (columns) each group (rows) has."""
    scenes = sorted({clip.scene for clip in clips if clip.scene is not None})
    counts = np.zeros((num_groups, len(scenes)))
    for clip, group in zip(clips, index, strict=True):
        if clip.scene is not None:
            counts[group, scenes.index(clip.scene)] += 1
    return counts


def _best_deal(
    counts: npt.NDArray[np.float64], num_folds: int, rng: np.random.Generator
) -> npt.NDArray[np.int64]:
    share = counts / counts.sum(axis=0)
    possible = np.minimum(num_folds, (counts > 0).sum(axis=0)).sum()
    deals = []
    for _ in range(_num_deals(len(share))):
        folds = _deal(share, num_folds, rng.permutation(len(share)))
        loads = np.array([share[folds == fold].sum(axis=0) for fold in range(num_folds)])
        deals.append(((possible - (loads > 0).sum(), np.square(loads).sum()), folds))
    return min(deals, key=lambda deal: deal[0])[1]


def _num_deals(num_groups: int) -> int:
    """Fewer tries for many groups, which come out even anyhow."""
    return max(1, min(NUM_DEALS, _MAX_DEALT // num_groups))


def _deal(
    weights: npt.NDArray[np.float64], num_folds: int, order: Iterable[int]
) -> npt.NDArray[np.int64]:
    """Deal rows of `weights` in `order`, each to the fold that has least of the same columns."""
    loads = np.zeros((num_folds, weights.shape[1]))
    folds = np.zeros(len(weights), np.int64)
    for row in order:
        overlap = loads @ weights[row]
        folds[row] = np.lexsort((loads.sum(axis=1), overlap))[0]
        loads[folds[row]] += weights[row]
    return folds


def hold_out(
    clips: Sequence[Clip], share: float, seed: int, by: Grouping
) -> tuple[list[Clip], list[Clip]]:
    """Divide `clips` into the rest and about a `share` of them, groups whole.

    Scenes are as balanced as their groups allow: one of few groups gives one whole or none, and
    never its last. By "clip", a random share of the clips of each scene is held out.

    Raises DataError for unlabelled clips, a grouping that the clips do not tell, and where no
    group can be spared.
    """
    if not clips or any(clip.scene is None for clip in clips):
        raise DataError(
            "only labelled clips can be held out, and at least one is needed; leave out the others"
        )
    if not 0.0 < share < 1.0:
        raise ValueError(f"share must be in (0, 1), got {share}")
    names, index = np.unique(np.asarray(grouping_keys(clips, by)), return_inverse=True)
    counts = _scene_counts(clips, index, len(names))
    rng = np.random.default_rng(seed)
    num_deals = _num_deals(len(names))
    picks = [_pick(counts, share, rng.permutation(len(names))) for _ in range(num_deals)]
    totals = counts.sum(axis=0)
    held = min(picks, key=lambda pick: _misfit(counts[pick].sum(axis=0), totals, share))
    if not held:
        raise DataError(
            f"no {by} can be held out of {len(names)}: each is the only one of its scene, or far"
            f" more than the share of {share:g}; hold out by a finer grouping, or nothing"
        )
    is_held = np.isin(index, held)
    rest = [clip for clip, out in zip(clips, is_held, strict=True) if not out]
    return rest, [clip for clip, out in zip(clips, is_held, strict=True) if out]


def _pick(counts: npt.NDArray[np.float64], share: float, order: Iterable[int]) -> list[int]:
    """Rows of `counts`, tried in `order`, that bring what is held out nearer to `share`."""
    totals, left = counts.sum(axis=0), (counts > 0).sum(axis=0)
    picked: list[int] = []
    have = np.zeros_like(totals)
    for row in order:
        more = have + counts[row]
        is_nearer = _misfit(more, totals, share) < _misfit(have, totals, share)
        if is_nearer and np.all(left[counts[row] > 0] > 1):
            picked.append(int(row))
            have, left = more, left - (counts[row] > 0)
    return picked


def _misfit(held: npt.NDArray[np.float64], totals: npt.NDArray[np.float64], share: float) -> float:
    """How far the held-out clips a scene are from `share`: of all clips first, then of each scene.

    Were each scene as important as the whole, a scene of two groups would never give one.
    """
    whole = len(totals) * np.square(held.sum() / totals.sum() - share)
    return float(whole + 0.1 * np.square(held / totals - share).sum())
