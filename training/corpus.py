"""From data folders to the two sides of a split, and from clips to standardised windows."""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edge_asc.context import TIME_FEATURES
from edge_asc.errors import DataError
from edge_asc.features import FeatureConfig, standardize
from edge_asc.scenes import CITIES, SCENES
from edge_asc.training.checkpoint import Windows
from edge_asc.training.datasets import Clip
from edge_asc.training.datasets.folder import cut_windows, read_folder_contents
from edge_asc.training.feature_cache import FeatureCache
from edge_asc.training.recipe import DataRecipe, Range
from edge_asc.training.splits import (
    Split,
    check_groups_apart,
    fold_names,
    group_folds,
    split_by_folds,
)

ALL_FOLDS = "all"
NO_FOLD = "none"
CHECK_SHARE = 0.1
"""Share of groups that the final model leaves out, to check its export by."""

MIN_MEL_STD = 1e-3
"""A band with less spread (feature dB) is treated as having this much: it holds digital silence."""


def read_clips(folders: Sequence[Path], recipe: DataRecipe) -> list[Clip]:
    """Read the labelled clips of all `folders`, without those that the recipe excludes.

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
        contents = read_folder_contents(folder, exclude=recipe.exclude.get(folder.resolve().name))
        labelled = [clip for clip in contents.clips if clip.scene is not None]
        print(
            f"{folder}: {len(labelled)} labelled clips, "
            f"{len(contents.clips) - len(labelled)} without one, {contents.num_excluded} excluded",
            file=sys.stderr,
        )
        clips += labelled
    if not clips:
        raise DataError(
            "no labelled clip is left to work with; check the tables and the recipe's exclude"
        )
    return clips


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

    Raises:
        DataError: folds are missing, unknown, or share a group.
    """
    constant = [clip for clip in clips if clip.source_set in recipe.always_train]
    others = [clip for clip in clips if clip.source_set not in recipe.always_train]
    if test_folds is None:
        raise DataError(
            "no test fold was named; give a fold, 'all' for each in turn, or 'none' to train on all"
        )
    if list(test_folds) == [NO_FOLD]:
        return [_final_split(constant, others, seed)]
    if recipe.num_group_folds:
        others = group_folds(others, recipe.num_group_folds, seed)
    if list(test_folds) == [ALL_FOLDS]:
        return [_fold_split(constant, others, None, [fold]) for fold in fold_names(others)]
    return [_fold_split(constant, others, train_folds, test_folds)]


def hold_out_groups(
    clips: Sequence[Clip], share: float, seed: int
) -> tuple[list[Clip], list[Clip]]:
    """Divide `clips` into the rest and about a `share` of their groups, scenes balanced."""
    dealt = group_folds(clips, round(1.0 / share), seed)
    rest = [clip for clip, new in zip(clips, dealt, strict=True) if new.fold != "1"]
    return rest, [clip for clip, new in zip(clips, dealt, strict=True) if new.fold == "1"]


def _fold_split(
    constant: list[Clip],
    others: list[Clip],
    train_folds: Sequence[str] | None,
    test_folds: Sequence[str],
) -> Split:
    train, test = split_by_folds(others, train_folds, test_folds)
    check_groups_apart(constant, test)
    return Split(f"fold{'-'.join(test_folds)}", constant + train, test, is_fair_test=True)


def _final_split(constant: list[Clip], others: list[Clip], seed: int) -> Split:
    """Train on all but a tenth of the `constant` groups (of the others, where none is constant)."""
    if constant:
        rest, check = hold_out_groups(constant, CHECK_SHARE, seed)
        return Split("final", rest + others, check, is_fair_test=False)
    rest, check = hold_out_groups(others, CHECK_SHARE, seed)
    return Split("final", rest, check, is_fair_test=True)


class FeatureReader:
    """Turns clips into log-mel windows, by way of the cache."""

    def __init__(self, window_s: float, config: FeatureConfig) -> None:
        self._window_s = window_s
        self._cache = FeatureCache(cache_folder(), config, window_s)

    def read(
        self, clips: Sequence[Clip], hop_s: float
    ) -> tuple[list[Clip], npt.NDArray[np.float32]]:
        """Cut `clips` every `hop_s` seconds; return the pieces and log-mel of shape (N, T, M)."""
        pieces = cut_windows(clips, self._window_s, hop_s)
        return pieces, np.array(self._cache.build(pieces))


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
    features: npt.NDArray[np.float32], weights: npt.NDArray[np.float64] | None, limits: Range
) -> Standardization:
    """Measure mean and std of every mel band over training windows, shape (N, T, M).

    `weights`, shape (N,), count each window as often as training draws it.
    """
    window_mean = features.mean(axis=1, dtype=np.float64)  # (N, M)
    window_square = np.square(features, dtype=np.float64).mean(axis=1)
    mean = np.average(window_mean, axis=0, weights=weights)
    variance = np.average(window_square, axis=0, weights=weights) - np.square(mean)
    std = np.maximum(np.sqrt(np.maximum(variance, 0.0)), MIN_MEL_STD)
    return Standardization(tuple(map(float, mean)), tuple(map(float, std)), limits)


def make_windows(
    clips: Sequence[Clip],
    features: npt.NDArray[np.float32],
    standardization: Standardization,
    scenes: Sequence[str],
) -> Windows:
    """Join standardised features, shape (N, T, M), with what is known about their `clips`."""
    s = standardization
    time_of_day = [clip.context.encode_time() for clip in clips]
    city = [clip.context.encode_city(CITIES) for clip in clips]
    return Windows(
        features=standardize(features, s.mean, s.std, s.limits).astype(np.float32, copy=False),
        city=np.array(city, np.float32).reshape(len(clips), len(CITIES) + 1),
        time=np.array(time_of_day, np.float32).reshape(len(clips), TIME_FEATURES),
        label=np.array([scenes.index(str(clip.scene)) for clip in clips], np.int64),
        group=[clip.group for clip in clips],
    )


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
