from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest

from edge_asc.context import SceneContext
from edge_asc.errors import DataError
from edge_asc.scenes import CITIES, SCENES
from edge_asc.training.corpus import (
    Standardization,
    cache_folder,
    hide_labels,
    make_splits,
    make_windows,
    measure_standardization,
    read_clips,
    sampling_weights,
    scene_names,
)
from edge_asc.training.datasets import Clip
from edge_asc.training.recipe import DataRecipe


def make_clip(scene="bus", group="a", fold=None, source_set="real", context=None) -> Clip:
    return Clip(
        path=Path(f"{group}.wav"),
        start_s=0.0,
        duration_s=None,
        scene=scene,
        context=context or SceneContext(),
        group=group,
        fold=fold,
        source_set=source_set,
    )


def make_clips(num_groups: int, source_set: str = "real", folds: int = 0) -> list[Clip]:
    return [
        make_clip(
            scene=("bus", "bar")[i % 2],
            group=f"{source_set} {i}",
            fold=str(1 + i % folds) if folds else None,
            source_set=source_set,
        )
        for i in range(num_groups)
    ]


def groups(clips) -> set[str]:
    return {clip.group for clip in clips}


def test_one_named_fold():
    clips = make_clips(12, folds=3)
    (split,) = make_splits(clips, DataRecipe(), ["2", "3"], ["1"], seed=0)
    assert {clip.fold for clip in split.train} == {"2", "3"}
    assert {clip.fold for clip in split.test} == {"1"}
    assert split.is_fair_test


def test_every_fold_in_turn_tests_every_clip_once():
    clips = make_clips(12, folds=3)
    splits = make_splits(clips, DataRecipe(), None, ["all"], seed=0)
    assert [split.name for split in splits] == ["fold1", "fold2", "fold3"]
    tested = [clip.group for split in splits for clip in split.test]
    assert sorted(tested) == sorted(groups(clips))
    assert all(groups(s.train) | groups(s.test) == groups(clips) for s in splits)


def test_folds_are_dealt_by_group_where_there_is_no_column():
    recipe = DataRecipe(num_group_folds=3)
    splits = make_splits(make_clips(12), recipe, None, ["all"], seed=0)
    assert len(splits) == 3
    assert all(not groups(split.train) & groups(split.test) for split in splits)


def test_sets_that_always_train_are_never_tested():
    clips = make_clips(8, folds=2) + make_clips(6, "synthetic")
    recipe = DataRecipe(always_train=("synthetic",))
    for split in make_splits(clips, recipe, None, ["all"], seed=0):
        assert sum(clip.source_set == "synthetic" for clip in split.train) == 6
        assert {clip.source_set for clip in split.test} == {"real"}


def test_the_final_model_trains_on_all_real_clips_and_claims_no_accuracy():
    clips = make_clips(8) + make_clips(40, "synthetic")
    recipe = DataRecipe(always_train=("synthetic",), num_group_folds=2)
    (split,) = make_splits(clips, recipe, None, ["none"], seed=0)
    assert groups(make_clips(8)) <= groups(split.train)
    assert {clip.source_set for clip in split.test} == {"synthetic"}
    assert len(split.test) == pytest.approx(4, abs=1)
    assert not groups(split.train) & groups(split.test)
    assert not split.is_fair_test


def test_the_final_model_of_one_set_keeps_a_tenth_to_judge_by():
    (split,) = make_splits(make_clips(40), DataRecipe(), None, ["none"], seed=0)
    assert len(split.test) == pytest.approx(4, abs=1)
    assert split.is_fair_test


@pytest.mark.parametrize(
    ("train", "test", "message"),
    [
        (None, None, "no test fold was named"),
        (None, ["7"], "no such fold: 7"),
        (["1"], ["1"], "both for training and for testing"),
    ],
)
def test_wrong_folds_are_refused(train, test, message):
    with pytest.raises(DataError, match=message):
        make_splits(make_clips(4, folds=2), DataRecipe(), train, test, seed=0)


def test_a_group_on_both_sides_is_refused_even_in_a_set_that_always_trains():
    clips = make_clips(4, folds=2)
    clips.append(make_clip(group=clips[0].group, source_set="synthetic"))
    with pytest.raises(DataError, match="both in training and in test"):
        make_splits(clips, DataRecipe(always_train=("synthetic",)), None, ["all"], seed=0)


def test_clips_without_label_train_unless_their_group_or_fold_is_tested():
    clips = make_clips(12, folds=3)
    beside = replace(clips[0], scene=None)  # group "real 0", fold 1
    elsewhere = make_clip(scene=None, group="new", fold="2")
    nowhere = make_clip(scene=None, group="newer")
    everything = [*clips, beside, elsewhere, nowhere]
    (one,) = make_splits(everything, DataRecipe(), ["2"], ["1"], seed=0)
    assert one.unlabelled == [elsewhere, nowhere]
    (three,) = make_splits(everything, DataRecipe(), ["2"], ["3"], seed=0)
    assert three.unlabelled == [elsewhere, nowhere]
    (final,) = make_splits(everything, DataRecipe(), None, ["none"], seed=0)
    assert {elsewhere, nowhere} <= set(final.unlabelled)
    assert not groups(final.unlabelled) & groups(final.test)


def test_hidden_labels_keep_groups_whole_and_test_clips_labelled():
    clips = [clip for clip in make_clips(40, folds=2) for _ in range(3)]
    (split,) = make_splits(clips, DataRecipe(), None, ["1"], seed=0)
    hidden = hide_labels(split, 0.2, seed=3)
    assert not groups(hidden.train) & groups(hidden.unlabelled)
    assert groups(hidden.train) | groups(hidden.unlabelled) == groups(split.train)
    assert len(hidden.train) / len(split.train) == pytest.approx(0.2, abs=0.05)
    assert all(clip.scene is None for clip in hidden.unlabelled)
    assert hidden.test == split.test
    assert hide_labels(split, 0.2, seed=3) == hidden
    assert hide_labels(split, 0.2, seed=4) != hidden
    assert hide_labels(split, 1.0, seed=3) is split


def test_scene_names():
    assert scene_names(make_clips(4), "cas") == SCENES
    assert scene_names(make_clips(4), "from-data") == ("bar", "bus")
    with pytest.raises(DataError, match="'siren' is none of the ten CAS scenes"):
        scene_names([make_clip(scene="siren")], "cas")
    with pytest.raises(DataError, match="at least two labels"):
        scene_names([make_clip()], "from-data")


def write_folder(folder: Path, table: str) -> Path:
    folder.mkdir()
    for name in ("a.wav", "b.wav"):
        (folder / name).write_bytes(b"sound")
    (folder / "clips.csv").write_text(table, encoding="utf-8")
    return folder


def test_rows_are_excluded_by_folder_and_unlabelled_clips_left_out(tmp_path, capsys):
    table = "file,label,licence\na.wav,bus,CC BY-SA 3.0\nb.wav,bar,CC0\n"
    first = write_folder(tmp_path / "first", table)
    second = write_folder(tmp_path / "second", "file,label\na.wav,metro\nb.wav,\n")
    recipe = DataRecipe(exclude={"first": {"licence": "CC BY-SA*"}})
    clips = read_clips([first, second], recipe)
    assert [clip.scene for clip in clips] == ["bar", "metro"]
    everything = read_clips([first, second], recipe, with_unlabelled=True)
    assert [clip.scene for clip in everything] == ["bar", "metro", None]
    err = capsys.readouterr().err
    assert "first: 1 labelled clips, 0 without one, 1 excluded" in err
    assert "second: 1 labelled clips, 1 without one, 0 excluded" in err


def test_an_exclusion_cannot_be_dodged_by_renaming_the_folder(tmp_path):
    folder = write_folder(tmp_path / "other", "file,label,licence\na.wav,bus,CC0\n")
    with pytest.raises(DataError, match="'scenes_open'"):
        read_clips([folder], DataRecipe(exclude={"scenes_open": {"licence": "CC BY-SA*"}}))


def test_standardised_training_features_have_mean_0_and_std_1():
    features = np.random.default_rng(0).normal(-20.0, 5.0, (30, 50, 64)).astype(np.float32)
    features += np.arange(64, dtype=np.float32)
    scale = measure_standardization(features, None, (-9.0, 9.0))
    clips = [make_clip() for _ in range(30)]
    standardized = make_windows(clips, features, scale, SCENES).features.astype(np.float64)
    np.testing.assert_allclose(standardized.mean(axis=(0, 1)), 0.0, atol=1e-3)
    np.testing.assert_allclose(standardized.std(axis=(0, 1)), 1.0, atol=1e-3)


def test_standardisation_counts_windows_as_often_as_they_are_drawn():
    features = np.zeros((4, 50, 64), np.float32)
    features[3] = 1.0
    scale = measure_standardization(features, np.array([1 / 6, 1 / 6, 1 / 6, 1 / 2]), (-9.0, 9.0))
    assert scale.mean == pytest.approx([0.5] * 64)
    assert scale.std == pytest.approx([0.5] * 64)


def test_a_silent_band_does_not_divide_by_zero():
    scale = measure_standardization(np.full((2, 50, 64), -100.0, np.float32), None, (-4.5, 4.5))
    windows = make_windows([make_clip()], np.full((1, 50, 64), -90.0, np.float32), scale, SCENES)
    assert np.all(windows.features == 4.5)


def test_windows_carry_their_context_label_and_group():
    known = SceneContext("Jinan", datetime(2023, 5, 1, 12, 30))
    clips = [make_clip("bar", "a", context=known), make_clip("bus", "b")]
    scale = Standardization((0.0,) * 64, (1.0,) * 64, (-4.5, 4.5))
    windows = make_windows(clips, np.zeros((2, 50, 64), np.float32), scale, SCENES)
    assert windows.city.argmax(axis=1).tolist() == [CITIES.index("Jinan"), len(CITIES)]
    np.testing.assert_array_equal(windows.time[1], 1.0)
    np.testing.assert_array_equal(windows.time[0], known.encode_time())
    assert windows.label.tolist() == [SCENES.index("bar"), SCENES.index("bus")]
    assert windows.group == ["a", "b"]


def test_sampling_weights_balance_combinations():
    clips = make_clips(2) + make_clips(6, "synthetic") + [make_clip("metro", "m")]
    weights = sampling_weights(clips, ("source_set", "scene"))
    assert weights is not None
    assert weights.sum() == pytest.approx(1.0)
    of_metro = weights[-1]
    of_synthetic_bus = sum(
        w
        for w, c in zip(weights, clips, strict=True)
        if (c.source_set, c.scene) == ("synthetic", "bus")
    )
    assert of_metro == pytest.approx(1 / 5)
    assert of_synthetic_bus == pytest.approx(1 / 5)
    assert sampling_weights(clips, ()) is None


def test_the_cache_lies_where_the_environment_says(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("EDGE_ASC_CACHE", raising=False)
    assert cache_folder() == tmp_path / "edge-asc" / "features"
    monkeypatch.setenv("EDGE_ASC_CACHE", str(tmp_path / "c"))
    assert cache_folder() == tmp_path / "c"
