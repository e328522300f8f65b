"""Training from sound files to a run's folder, and evaluation, on clips that are easy to tell."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from edge_asc.errors import CheckpointError, DataError
from edge_asc.training.checkpoint import load_checkpoint, load_windows
from edge_asc.training.evaluate import evaluate_command
from edge_asc.training.training_state import save_state
from tests.training.tiny_runs import train, weights, write_recipe

pytestmark = pytest.mark.usefixtures("use_cache")


def test_a_run_writes_all_its_files_and_prints_its_figures(corpus, tmp_path, capsys):
    out = tmp_path / "run"
    train(write_recipe(tmp_path), corpus, out, ["2"])
    assert sorted(path.name for path in out.iterdir()) == [
        "checkpoint.safetensors",
        "last-stage1.safetensors",
        "metrics.json",
        "predictions.npz",
        "tensorboard",
        "windows.safetensors",
    ]
    metrics = json.loads((out / "metrics.json").read_text())
    assert metrics["test"]["accuracy"] > 0.9
    assert metrics["test"]["num_windows"] == 12
    assert metrics["test"]["num_groups"] == 3
    assert metrics["test"]["majority_rate"] == 0.5
    text = capsys.readouterr().out
    assert "fold2: tested on 12 clips that were not trained on" in text
    assert "95 % interval" in text
    assert "most frequent scene: 50.0 %" in text

    checkpoint = load_checkpoint(out / "checkpoint.safetensors")
    assert checkpoint.scenes == ("noise", "tone")
    assert checkpoint.trained_cities == ("Jinan",)
    assert len(checkpoint.cities) + 1 == checkpoint.network.num_cities == 23
    assert checkpoint.network.num_frames == 50
    assert checkpoint.metrics == metrics
    windows = load_windows(out / "windows.safetensors")
    assert (len(windows.calibration), len(windows.test)) == (12, 12)
    assert set(windows.calibration.group).isdisjoint(windows.test.group)


def test_the_figures_can_be_measured_again(corpus, tmp_path, capsys):
    out = tmp_path / "run"
    train(write_recipe(tmp_path), corpus, out, ["2"])
    capsys.readouterr()
    evaluate_command(out / "checkpoint.safetensors", [corpus], ["2"], "json")
    measured = json.loads(capsys.readouterr().out)
    trained = json.loads((out / "metrics.json").read_text())["test"]
    assert measured["confusion"] == trained["confusion"]
    assert measured["num_clips"] == 12
    evaluate_command(out / "checkpoint.safetensors", [corpus], None, "text")
    assert "checkpoint.safetensors on 24 clips of" in capsys.readouterr().out


def test_every_fold_in_turn_and_a_validation_part(corpus, tmp_path, capsys):
    out = tmp_path / "run"
    train(write_recipe(tmp_path, "none", 0.3), corpus, out, ["all"], epochs=2, seed=3)
    summary = json.loads((out / "metrics.json").read_text())
    assert set(summary["folds"]) == {"fold1", "fold2"}
    assert summary["pooled"]["num_windows"] == 24
    assert summary["mean_accuracy"] == pytest.approx(np.mean(list(summary["folds"].values())))
    fold = json.loads((out / "fold1" / "metrics.json").read_text())
    assert (fold["seed"], fold["epochs_run"]) == (3, 2)
    assert fold["validation_macro_recall"] is not None
    assert load_checkpoint(out / "fold2" / "checkpoint.safetensors").trained_cities == ()
    captured = capsys.readouterr()
    assert "2 folds: mean accuracy" in captured.out
    assert "4 validation windows" in captured.err


def test_a_used_folder_is_refused_before_any_work(corpus, tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "notes.txt").write_text("mine")
    with pytest.raises(DataError, match="new or empty folder"):
        train(write_recipe(tmp_path), corpus, tmp_path / "run", ["2"])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"epochs": 0}, "epochs must be at least 1"),
        ({"test_folds": None}, "no test fold was named"),
        ({"protocol": "visit-2fold"}, "give --protocol or folds, not both"),
        ({"protocol": "visits", "test_folds": None}, "visit-2fold"),
        ({"backbone": Path("x.safetensors")}, "this recipe trains from scratch"),
    ],
)
def test_wrong_options_are_named(corpus, tmp_path, options, message):
    with pytest.raises(DataError, match=message):
        train(write_recipe(tmp_path), corpus, tmp_path / "run", **{"test_folds": ["2"], **options})


def test_a_model_is_not_judged_by_labels_it_does_not_know(corpus, tmp_path):
    out = tmp_path / "run"
    train(write_recipe(tmp_path), corpus, out, ["2"], epochs=1)
    other = tmp_path / "other"
    other.mkdir()
    soundfile.write(other / "a.wav", np.zeros(44_100), 44_100)
    (other / "clips.csv").write_text("file,label\na.wav,siren\n")
    with pytest.raises(DataError, match="'siren', which this model does not know"):
        evaluate_command(out / "checkpoint.safetensors", [other], None, "text")


SEMI = "[semi]\nepochs = 3\nlearning_rate = 1e-3\n"


def test_three_stages_use_the_unlabelled_training_clips_alone(corpus, tmp_path, capsys):
    out = tmp_path / "run"
    recipe = write_recipe(tmp_path, "none", more=SEMI)
    train(recipe, corpus, out, ["2"], labelled_share=0.5)
    metrics = json.loads((out / "metrics.json").read_text())
    first = metrics["stage1"]["test"]
    assert metrics["num_pseudo_labelled"] + sum(metrics["train_clips"].values()) == 12
    assert load_checkpoint(out / "stage1.safetensors").metrics["test"] == first
    text = capsys.readouterr()
    assert f"after stage 1: accuracy {100 * first['accuracy']:.1f} %" in text.out
    assert f"stage 3: {metrics['num_pseudo_labelled']} of" in text.err


def test_an_interrupted_run_goes_on_and_ends_with_the_same_bits(corpus, tmp_path, monkeypatch):
    recipe = write_recipe(tmp_path, more=SEMI)
    train(recipe, corpus, tmp_path / "straight", ["2"], labelled_share=0.5)

    saved: list[str] = []

    def interrupt(path, state, identity):
        save_state(path, state, identity)
        saved.append(path.name)
        if len(saved) in (4, 8):  # once in stage 1, once in stage 3
            raise KeyboardInterrupt

    monkeypatch.setattr("edge_asc.training.stages.save_state", interrupt)
    out, options = tmp_path / "run", {"labelled_share": 0.5, "resume": True}
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            train(recipe, corpus, out, ["2"], **options)
    train(recipe, corpus, out, ["2"], **options)
    assert saved.count("last-stage1.safetensors") == 6
    assert saved.count("last-stage3.safetensors") == 3
    straight, resumed = weights(tmp_path / "straight"), weights(out)
    assert all(torch.equal(resumed[name], value) for name, value in straight.items())


def test_a_run_interrupted_between_its_stages_begins_stage_3_alike(corpus, tmp_path, monkeypatch):
    recipe = write_recipe(tmp_path, "none", more=SEMI + "restart = true\n")
    train(recipe, corpus, tmp_path / "straight", ["2"], labelled_share=0.5)

    def interrupt(*arguments):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("edge_asc.training.split_run.pseudo_label", interrupt)
        with pytest.raises(KeyboardInterrupt):
            train(recipe, corpus, tmp_path / "run", ["2"], labelled_share=0.5)
    train(recipe, corpus, tmp_path / "run", ["2"], labelled_share=0.5, resume=True)
    straight, resumed = weights(tmp_path / "straight"), weights(tmp_path / "run")
    assert all(torch.equal(resumed[name], value) for name, value in straight.items())


def test_another_recipe_is_not_resumed(corpus, tmp_path):
    out = tmp_path / "run"
    train(write_recipe(tmp_path), corpus, out, ["2"], epochs=1)
    (out / "metrics.json").unlink()
    with pytest.raises(CheckpointError, match=r"recipe\.loop\.epochs: 1 there, 2 here"):
        train(write_recipe(tmp_path), corpus, out, ["2"], epochs=2, resume=True)


def test_a_finished_run_is_not_done_again_but_never_mistaken(corpus, tmp_path):
    out = tmp_path / "run"
    train(write_recipe(tmp_path), corpus, out, ["2"], epochs=1)
    before = (out / "checkpoint.safetensors").stat().st_mtime_ns
    train(write_recipe(tmp_path), corpus, out, ["2"], epochs=1, resume=True)
    assert (out / "checkpoint.safetensors").stat().st_mtime_ns == before
    with pytest.raises(CheckpointError, match=r"loop\.seed: 0 there, 5 here"):
        train(write_recipe(tmp_path), corpus, out, ["2"], epochs=1, seed=5, resume=True)


def test_a_backbone_is_taken_over_and_stays_frozen(corpus, tmp_path):
    train(write_recipe(tmp_path, "none"), corpus, tmp_path / "first", ["2"])
    frozen = '[transfer]\nbackbone = "blocks"\nfreeze = true\n'
    backbone = tmp_path / "first" / "checkpoint.safetensors"
    recipe = write_recipe(tmp_path, "gated", more=frozen)
    train(recipe, corpus, tmp_path / "second", ["2"], epochs=2, backbone=backbone)
    first, second = weights(tmp_path / "first"), weights(tmp_path / "second")
    same = {name for name in first if torch.equal(first[name], second[name])}
    assert {name for name in first if name.startswith("blocks.")} <= same
    assert "gru.weight_ih_l0" not in same
    with pytest.raises(DataError, match="give its checkpoint as --backbone"):
        train(recipe, corpus, tmp_path / "third", ["2"])


def test_a_protocol_that_leaks_says_so_beside_the_accuracy(tmp_path, capsys):
    """Four clips a visit, each visit in one scene: its time tells the scene on a random split."""
    folder = tmp_path / "visits"
    folder.mkdir()
    rng = np.random.default_rng(0)
    rows = [["file", "label", "group", "city", "time"]]
    for i in range(48):
        visit = i // 4
        soundfile.write(folder / f"{i}.wav", 0.1 * rng.standard_normal(44_100), 44_100)
        time = f"2023-05-{visit + 1:02d} 12:{i % 4:02d}"
        rows.append([f"{i}.wav", ("noise", "tone")[visit % 2], f"visit {visit}", "Jinan", time])
    with (folder / "clips.csv").open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    recipe = write_recipe(tmp_path, "none")
    train(recipe, folder, tmp_path / "leaky", None, protocol="official-random", epochs=1)
    assert "this split LEAKS" in capsys.readouterr().out
    train(recipe, folder, tmp_path / "fair", None, protocol="visit-2fold", epochs=1)
    text = capsys.readouterr().out
    assert "LEAKS" not in text
    assert "2 folds: mean accuracy" in text
