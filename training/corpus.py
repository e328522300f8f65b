"""From data folders to the two sides of a split, and from clips to standardised windows."""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edge_asc.context import TIME_FEATURES, SceneContext
from edge_asc.errors import DataError
from edge_asc.features import FeatureConfig, standardize
from edge_asc.scenes import CITIES, SCENES
from edge_asc.training.checkpoint import Windows
from edge_asc.training.datasets import Clip
from edge_asc.training.datasets.folder import cut_windows
from edge_asc.training.datasets.registry import read_set
from edge_asc.training.feature_cache import FeatureCache, LogMelArray
from edge_asc.training.protocols import EVALUATION_FOLD
from edge_asc.training.recipe import DataRecipe, Range, Recipe
from edge_asc.training.splits import (
    Split,
    check_groups_apart,
    fold_names,
    group_folds,
    hold_out,
    split_by_folds,
)

ALL_FOLDS = "all"
NO_FOLD = "none"
CHECK_SHARE = 0.1
"""Share of groups that the final model leaves out, to check its export by."""

NO_LABEL = -1
"""Index of the scene of a window that has none."""

_BLOCK_WINDOWS = 64

MIN_MEL_STD = 1e-3
"""A band with less spread (feature dB) is treated as having this much: it holds digital silence."""


def read_clips(
    folders: Sequence[Path], recipe: DataRecipe, *, with_unlabelled: bool = False
) -> list[Clip]:
    """Read the clips of all `folders`, without those that the recipe excludes.

    Args:
        folders: each holds one data set; which one is told by its files.
        recipe: names the rows to leave out.
        with_unlabelled: keep clips without label too.

    Raises:
        DataError: a table is wrong, a folder of `exclude` was not given, or no clip is left.
    """
    names = {folder.resolve().name for folder in folders}
    absent = sorted(set(recipe.exclude) - names)
    if absent:
        raise DataError(
            f"the recipe excludes rows of the data folder {absent[0]!r}, but the folders given are "
            f"{', '.join(sorted(names)) or 'none'}; the rows would slip in under another name"
        )
    clips = []
    for folder in folders:
        contents = read_set(folder, exclude=recipe.exclude.get(folder.resolve().name))
        labelled = [clip for clip in contents.clips if clip.scene is not None]
        print(
            f"{folder}: {len(labelled)} labelled clips, "
            f"{len(contents.clips) - len(labelled)} without one, {contents.num_excluded} excluded",
            file=sys.stderr,
        )
        clips += contents.clips if with_unlabelled else labelled
    if all(clip.scene is None for clip in clips):
        raise DataError(
            "no labelled clip is left to work with; check the tables and the recipe's exclude"
        )
    return clips


def needed_clips(clips: Sequence[Clip], recipe: Recipe) -> list[Clip]:
    """Those of `clips` whose sound a run of `recipe` can need: unlabelled ones if it has a stage 3.

    Clips set apart for a challenge's evaluation are never used.
    """
    usable = [clip for clip in clips if clip.fold != EVALUATION_FOLD]
    return usable if recipe.semi.epochs else _labelled(usable)


def scene_names(clips: Sequence[Clip], kind: str) -> tuple[str, ...]:
    """Return the classes: the ten CAS scenes for "cas", the sorted labels for "from-data".

    Raises:
        DataError: a label is not a CAS scene, or there is only one label.
    """
    labels = sorted({clip.scene for clip in clips if clip.scene is not None})
    if kind == "from-data":
        if len(labels) < 2:
            raise DataError(f"a classifier needs at least two labels, the data has {labels}")
        return tuple(labels)
    foreign = [label for label in labels if label not in SCENES]
    if foreign:
        raise DataError(
            f"{foreign[0]!r} is none of the ten CAS scenes ({', '.join(SCENES)}); "
            'rename it, or set scenes = "from-data" in the recipe'
        )
    return SCENES


def make_splits(
    clips: Sequence[Clip],
    recipe: DataRecipe,
    train_folds: Sequence[str] | None,
    test_folds: Sequence[str] | None,
    seed: int,
) -> list[Split]:
    """Divide `clips`: one split, one for every fold (`["all"]`), or the final one (`["none"]`).

    Clips without label go to the training side, unless their fold or their group is tested.

    Raises:
        DataError: folds are missing, unknown, or share a group.
    """
    constant = [clip for clip in clips if clip.source_set in recipe.always_train]
    others = [clip for clip in clips if clip.source_set not in recipe.always_train]
    unlabelled = [clip for clip in clips if clip.scene is None]
    constant, others = _labelled(constant), _labelled(others)
    if test_folds is None:
        raise DataError(
            "no test fold was named; give a fold, 'all' for each in turn, or 'none' to train on all"
        )
    if list(test_folds) == [NO_FOLD]:
        return [_final_split(constant, others, unlabelled, seed)]
    if recipe.num_group_folds:
        others = group_folds(others, recipe.num_group_folds, seed)
    if list(test_folds) == [ALL_FOLDS]:
        names: list[list[str]] = [[fold] for fold in fold_names(others)]
        return [_fold_split(constant, others, unlabelled, None, name) for name in names]
    return [_fold_split(constant, others, unlabelled, train_folds, test_folds)]


def hide_labels(split: Split, share: float, seed: int) -> Split:
    """Keep the labels of a `share` of the training groups; the others become unlabelled.

    To measure what unlabelled sound is worth. Every scene keeps a group. With a share of 1 the
    split stays as it is.
    """
    if share >= 1.0:
        return split
    kept, hidden = hold_out(split.train, 1.0 - share, seed, split.held_out_by)
    return replace(
        split,
        train=kept,
        unlabelled=split.unlabelled + [replace(clip, scene=None) for clip in hidden],
    )


def _labelled(clips: Sequence[Clip]) -> list[Clip]:
    return [clip for clip in clips if clip.scene is not None]


def _fold_split(
    constant: list[Clip],
    others: list[Clip],
    unlabelled: list[Clip],
    train_folds: Sequence[str] | None,
    test_folds: Sequence[str],
) -> Split:
    train, test = split_by_folds(others, train_folds, test_folds)
    check_groups_apart(constant, test)
    tested = {clip.group for clip in test}
    usable = [
        clip
        for clip in unlabelled
        if clip.group not in tested
        and clip.fold not in test_folds
        and (train_folds is None or clip.fold is None or clip.fold in train_folds)
    ]
    return Split(f"fold{'-'.join(test_folds)}", constant + train, test, True, usable)


def _final_split(
    constant: list[Clip], others: list[Clip], unlabelled: list[Clip], seed: int
) -> Split:
    """Train on all but a tenth of the `constant` groups (of the others, where none is constant)."""
    rest, check = hold_out(constant or others, CHECK_SHARE, seed, "visit")
    checked = {clip.group for clip in check}
    usable = [clip for clip in unlabelled if clip.group not in checked]
    train = rest + others if constant else rest
    return Split("final", train, check, is_fair_test=not constant, unlabelled=usable)


class FeatureReader:
    """Turns clips into log-mel windows, by way of the cache."""

    def __init__(self, window_s: float, config: FeatureConfig) -> None:
        self._window_s = window_s
        self._cache = FeatureCache(cache_folder(), config, window_s)
        self._rows: dict[float, dict[Clip, int]] = {}
        self._packs: dict[float, LogMelArray] = {}

    def prepare(self, clips: Sequence[Clip], hop_s: float) -> None:
        """Compute or map the features of all `clips` at once; `read` then picks among them."""
        pieces = cut_windows(clips, self._window_s, hop_s)
        self._rows[hop_s] = {_place(piece): row for row, piece in enumerate(pieces)}
        self._packs[hop_s] = self._cache.build(pieces)

    def read(self, clips: Sequence[Clip], hop_s: float) -> tuple[list[Clip], LogMelArray]:
        """Cut `clips` every `hop_s` seconds; return the pieces and log-mel of shape (N, T, M)."""
        pieces = cut_windows(clips, self._window_s, hop_s)
        rows = self._rows.get(hop_s, {})
        if any(_place(piece) not in rows for piece in pieces):
            return pieces, self._cache.build(pieces)
        index = np.array([rows[_place(piece)] for piece in pieces], np.int64)
        return pieces, self._packs[hop_s][index] if pieces else self._cache.build(pieces)


def _place(piece: Clip) -> Clip:
    """Where a piece lies, whatever fold or label it was given since."""
    return replace(piece, scene=None, fold=None, context=SceneContext(), group="", recording=None)


def cache_folder() -> Path:
    """Where features are kept: $EDGE_ASC_CACHE, or edge-asc/features in the user's cache folder."""
    if "EDGE_ASC_CACHE" in os.environ:
        return Path(os.environ["EDGE_ASC_CACHE"])
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "edge-asc" / "features"


@dataclass(frozen=True, slots=True)
class Standardization:
    """How features become what the network takes."""

    mean: tuple[float, ...]
    std: tuple[float, ...]
    """One number a mel band."""
    limits: Range


def measure_standardization(
    features: npt.NDArray[Any], weights: npt.NDArray[np.float64] | None, limits: Range
) -> Standardization:
    """Measure mean and std of every mel band over training windows, shape (N, T, M).

    `weights`, shape (N,), count each window as often as training draws it.
    """
    window_mean, window_square = [], []
    for some in _blocks(features):
        exact = some.astype(np.float64)
        window_mean.append(exact.mean(axis=1))  # (B, M)
        window_square.append(np.square(exact).mean(axis=1))
    mean = np.average(np.concatenate(window_mean), axis=0, weights=weights)
    square = np.average(np.concatenate(window_square), axis=0, weights=weights)
    std = np.maximum(np.sqrt(np.maximum(square - np.square(mean), 0.0)), MIN_MEL_STD)
    return Standardization(tuple(map(float, mean)), tuple(map(float, std)), limits)


def _blocks(features: npt.NDArray[Any]) -> Iterator[npt.NDArray[Any]]:
    """`features` in blocks that fit into a processor's cache."""
    return (features[i : i + _BLOCK_WINDOWS] for i in range(0, len(features), _BLOCK_WINDOWS))


def make_windows(
    clips: Sequence[Clip],
    features: npt.NDArray[Any],
    standardization: Standardization,
    scenes: Sequence[str],
) -> Windows:
    """Join standardised features, shape (N, T, M), with what is known about their `clips`.

    Features become float16, exact to 0.002 deviations. A clip without label gets `NO_LABEL`.
    """
    s = standardization
    standardised = np.empty(features.shape, np.float16)
    for begin, some in zip(range(0, len(features), _BLOCK_WINDOWS), _blocks(features), strict=True):
        block = standardize(some.astype(np.float32), s.mean, s.std, s.limits)
        standardised[begin : begin + len(some)] = block
    time_of_day = [clip.context.encode_time() for clip in clips]
    city = [clip.context.encode_city(CITIES) for clip in clips]
    return Windows(
        features=standardised,
        city=np.array(city, np.float32).reshape(len(clips), len(CITIES) + 1),
        time=np.array(time_of_day, np.float32).reshape(len(clips), TIME_FEATURES),
        label=np.array(
            [NO_LABEL if clip.scene is None else scenes.index(clip.scene) for clip in clips],
            np.int64,
        ),
        group=[clip.group for clip in clips],
    )


def forget_cities(clips: Sequence[Clip], trained: Collection[str | None]) -> list[Clip]:
    """`clips`, their city unknown where it is none of the `trained` ones.

    The row of a city that was never trained holds noise: a device takes it as unknown, and so must
    whoever judges a network.
    """
    return [
        clip
        if clip.context.city in trained
        else replace(clip, context=replace(clip.context, city=None))
        for clip in clips
    ]


def sampling_weights(
    clips: Sequence[Clip], balance: Sequence[str]
) -> npt.NDArray[np.float64] | None:
    """Weights, shape (N,), by which all combinations of the attributes `balance` are as frequent.

    None where nothing is to be balanced.
    """
    if not balance:
        return None
    keys = [tuple(getattr(clip, attribute) for attribute in balance) for clip in clips]
    counts = Counter(keys)
    return np.array([1.0 / (len(counts) * counts[key]) for key in keys])
