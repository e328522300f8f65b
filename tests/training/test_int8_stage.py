"""The last stage of training: a checkpoint that int8 computes as float does."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from edge_asc.cli import main
from edge_asc.errors import CheckpointError, DataError
from edge_asc.export.quantizer import weight_grid
from edge_asc.training.augment import Batch
from edge_asc.training.checkpoint import load_checkpoint, load_windows
from edge_asc.training.evaluate import evaluate_command
from edge_asc.training.int8_stage import Imitation
from edge_asc.training.models import NetworkConfig, build
from edge_asc.training.models.device_layers import set_rounding
from edge_asc.training.training_state import save_state
from tests.training.tiny_runs import train, weights, write_recipe

pytestmark = pytest.mark.usefixtures("use_cache")

INT8 = "[int8]\nclip_share = 1e-3\n"
FINE_TUNED = INT8 + "epochs = 3\nlearning_rate = 1e-4\n"


def logits_of(run, name, *, rounds=False, on="calibration"):
    """What the network in a run's file gives for windows that it was trained on, or tested."""
    network = load_checkpoint(run / name).build_network()
    windows = getattr(load_windows(run / "windows.safetensors"), on)
    inputs = [windows.features[:, None]]
    if network.config.uses_context:
        inputs += [windows.city, windows.time]
    set_rounding(network, rounds)
    with torch.no_grad():
        return network(*(torch.from_numpy(values) for values in inputs)).numpy()


@pytest.fixture(scope="module")
def bounded_run(corpus, cache, tmp_path_factory):
    """A run whose recipe bounds the network, without fine-tuning."""
    folder = tmp_path_factory.mktemp("bounded")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EDGE_ASC_CACHE", str(cache))
        train(write_recipe(folder, more=INT8), corpus, folder / "run", ["2"])
    return folder / "run"


def test_the_checkpoint_is_bounded_and_what_it_was_made_of_is_kept(bounded_run):
    checkpoint = load_checkpoint(bounded_run / "checkpoint.safetensors")
    unbounded = load_checkpoint(bounded_run / "unbounded.safetensors")
    assert checkpoint.network == replace(unbounded.network, form="bounded")
    assert unbounded.network.form == "plain"
    metrics = json.loads((bounded_run / "metrics.json").read_text())
    assert metrics["unbounded"] == unbounded.metrics
    assert set(metrics["unbounded"]) == {"test", "epoch", "epochs_run"}
    assert metrics["unbounded"]["test"]["num_windows"] == 12
    assert metrics["unbounded"]["test"]["accuracy"] > 0.9
    assert metrics["test"]["accuracy"] > 0.9
    assert metrics["recipe"] == "tiny"
    assert checkpoint.recipe["int8"]["clip_share"] == 1e-3
    assert not (bounded_run / "last-stage4.safetensors").exists()


def test_float_with_rounded_tensors_gives_what_float_gives(bounded_run):
    plain = logits_of(bounded_run, "unbounded.safetensors")
    bounded = logits_of(bounded_run, "checkpoint.safetensors")
    rounded = logits_of(bounded_run, "checkpoint.safetensors", rounds=True)
    reach = np.abs(plain).max()
    assert 0.0 < np.abs(bounded - plain).max() < 0.05 * reach  # seen: 0.016
    assert 0.0 < np.abs(rounded - bounded).max() < 0.05 * reach  # seen: 0.017


def test_its_weights_are_on_the_int8_grid(bounded_run):
    state = weights(bounded_run)
    assert weights_off_grid(state["gru.state_gates.weight"].reshape(1, -1)) < 2e-3
    assert weights_off_grid(state["blocks.1.mix.weight"].flatten(1)) < 2e-3
    plain = load_checkpoint(bounded_run / "unbounded.safetensors").state_dict
    assert weights_off_grid(plain["gru.weight_hh_l0"].reshape(1, -1)) > 0.4


def weights_off_grid(rows: torch.Tensor) -> float:
    """In steps; 0.5 is the most."""
    steps = rows.numpy() / weight_grid(rows.numpy())[:, None]
    return float(np.abs(steps - np.rint(steps)).max())


def test_the_unbounded_network_is_the_one_a_run_without_the_stage_gives(
    bounded_run, corpus, tmp_path
):
    train(write_recipe(tmp_path), corpus, tmp_path / "run", ["2"])
    run = tmp_path / "run"
    assert not (run / "unbounded.safetensors").exists()
    assert "unbounded" not in json.loads((run / "metrics.json").read_text())
    plain = load_checkpoint(run / "checkpoint.safetensors")
    assert plain.network.form == "plain"
    kept = load_checkpoint(bounded_run / "unbounded.safetensors").state_dict
    assert all(value.equal(kept[name]) for name, value in plain.state_dict.items())


def test_a_bounded_checkpoint_is_evaluated_like_any_other(bounded_run, corpus, capsys):
    evaluate_command(bounded_run / "checkpoint.safetensors", [corpus], ["2"], "json")
    measured = json.loads(capsys.readouterr().out)
    trained = json.loads((bounded_run / "metrics.json").read_text())["test"]
    assert measured["confusion"] == trained["confusion"]


def test_fine_tuning_from_the_command_line_changes_the_network(bounded_run, corpus, tmp_path):
    out = tmp_path / "run"
    recipe = write_recipe(tmp_path, more=INT8)
    arguments = [recipe, "--data", str(corpus), "--test-fold", "2", "--qat", "2"]
    result = CliRunner().invoke(main, ["train", *arguments, "--out", str(out)])
    assert result.exit_code == 0, result.output
    checkpoint = load_checkpoint(out / "checkpoint.safetensors")
    assert checkpoint.recipe["int8"]["epochs"] == 2
    assert checkpoint.network.form == "bounded"
    assert (out / "last-stage4.safetensors").is_file()
    tuned, plain = weights(out), weights(bounded_run)
    assert not tuned["gru.state_gates.weight"].equal(plain["gru.state_gates.weight"])
    assert weights_off_grid(tuned["gru.state_gates.weight"].reshape(1, -1)) < 2e-3
    # It is tested as it is kept, without rounding.
    tested = logits_of(out, "checkpoint.safetensors", on="test")
    np.testing.assert_allclose(np.load(out / "predictions.npz")["logits"], tested, atol=1e-5)
    # Ranges are those of before.
    assert tuned["gru.taps.gates_in.high"].equal(plain["gru.taps.gates_in.high"])
    assert json.loads((out / "metrics.json").read_text())["test"]["accuracy"] > 0.9


def test_an_interrupted_fine_tuning_ends_with_the_same_bytes(corpus, tmp_path, monkeypatch):
    recipe = write_recipe(tmp_path, more=FINE_TUNED)
    train(recipe, corpus, tmp_path / "straight", ["2"])
    saved: list[str] = []

    def interrupt(path, state, identity):
        save_state(path, state, identity)
        saved.append(path.name)
        if saved.count("last-stage4.safetensors") == 2 or len(saved) == 3:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("edge_asc.training.stages.save_state", interrupt)
        for _ in range(2):  # once in stage 1, once in the fine-tuning
            with pytest.raises(KeyboardInterrupt):
                train(recipe, corpus, tmp_path / "run", ["2"], resume=True)
    assert (tmp_path / "run" / "unbounded.safetensors").is_file()
    train(recipe, corpus, tmp_path / "run", ["2"], resume=True)
    assert saved == ["last-stage1.safetensors"] * 6 + ["last-stage4.safetensors"] * 2
    straight, resumed = weights(tmp_path / "straight"), weights(tmp_path / "run")
    assert all(value.equal(resumed[name]) for name, value in straight.items())


def test_fine_tuning_is_not_resumed_as_another_one(corpus, tmp_path):
    out = tmp_path / "run"
    train(write_recipe(tmp_path, more=INT8), corpus, out, ["2"], epochs=1)
    (out / "metrics.json").unlink()
    with pytest.raises(CheckpointError, match=r"recipe\.int8\.epochs: 0 there, 5 here"):
        train(
            write_recipe(tmp_path, more=INT8),
            corpus,
            out,
            ["2"],
            epochs=1,
            int8_epochs=5,
            resume=True,
        )


def test_after_three_stages_it_is_the_last_network_that_is_bounded(corpus, tmp_path):
    semi = "[semi]\nepochs = 2\nlearning_rate = 1e-3\n"
    recipe = write_recipe(tmp_path, "none", more=semi + INT8)
    train(recipe, corpus, tmp_path / "run", ["2"], labelled_share=0.5)
    run = tmp_path / "run"
    first = load_checkpoint(run / "stage1.safetensors")
    last = load_checkpoint(run / "unbounded.safetensors")
    assert (first.network.form, last.network.form) == ("plain", "plain")
    assert not first.state_dict["head.weight"].equal(last.state_dict["head.weight"])
    metrics = json.loads((run / "metrics.json").read_text())
    assert metrics["unbounded"]["epochs_run"] == 2
    plain, bounded = (logits_of(run, f"{name}.safetensors") for name in ("unbounded", "checkpoint"))
    assert np.abs(bounded - plain).max() < 0.1 * np.abs(plain).max()


def test_fine_tuning_works_in_bfloat16(corpus, tmp_path):
    recipe = write_recipe(tmp_path, more=FINE_TUNED)
    path = tmp_path / "tiny.toml"
    path.write_text(path.read_text().replace("[loop]\n", '[loop]\nprecision = "bf16-mixed"\n'))
    train(recipe, corpus, tmp_path / "run", ["2"], epochs=2)
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert metrics["test"]["num_windows"] == 12
    assert all(bool(value.isfinite().all()) for value in weights(tmp_path / "run").values())


def test_qat_needs_a_recipe_that_bounds(corpus, tmp_path):
    arguments = [write_recipe(tmp_path), "--data", str(corpus), "--test-fold", "2", "--qat", "2"]
    result = CliRunner().invoke(main, ["train", *arguments, "--out", str(tmp_path / "run")])
    assert result.exit_code == 1
    assert "int8 epochs (--qat) need a clip_share above 0: put clip_share = 1e-3 under [int8]" in (
        result.output
    )
    assert not (tmp_path / "run").exists()


def test_a_bounded_checkpoint_is_no_backbone_but_what_lies_beside_it_is(
    bounded_run, corpus, tmp_path
):
    transfer = '[transfer]\nbackbone = "blocks"\n'
    recipe = write_recipe(tmp_path, "none", more=transfer)
    bounded = bounded_run / "checkpoint.safetensors"
    with pytest.raises(DataError, match=r"bounded for int8.*give the unbounded\.safetensors besi"):
        train(recipe, corpus, tmp_path / "run", ["2"], epochs=1, backbone=bounded)
    unbounded = bounded_run / "unbounded.safetensors"
    train(recipe, corpus, tmp_path / "other", ["2"], epochs=1, backbone=unbounded)
    assert (tmp_path / "other" / "metrics.json").is_file()


@pytest.mark.parametrize("fusion", ["none", "gated"])
def test_the_teacher_tells_the_target_of_what_the_pupil_hears(fusion):
    torch.manual_seed(0)
    teacher = build(NetworkConfig("edge", fusion, 3, 4, num_frames=25)).eval()
    batch = Batch(torch.randn(5, 1, 25, 64), torch.eye(4)[[0, 1, 2, 3, 3]], torch.rand(5, 8),
                  torch.zeros(5, 3))  # fmt: skip
    seen = Imitation(lambda batch: replace(batch, features=batch.features + 1.0), teacher)(batch)
    assert seen.features.equal(batch.features + 1.0)
    context = () if fusion == "none" else (batch.city, batch.time)
    with torch.no_grad():
        wanted = torch.softmax(teacher(seen.features, *context), dim=1)
    torch.testing.assert_close(seen.target, wanted)
    assert not seen.target.requires_grad
    assert batch.target.equal(torch.zeros(5, 3))
