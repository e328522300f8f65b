from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from lightning_fabric import Fabric

from edge_asc.errors import CheckpointError
from edge_asc.training.checkpoint import Windows
from edge_asc.training.loop import Task, Trainer, fit, make_writer, one_hot, predict
from edge_asc.training.models import NetworkConfig, backbone, build
from edge_asc.training.models.mobile_asc_net import MobileASCNet
from edge_asc.training.recipe import LoopRecipe, OptimizerRecipe, Recipe
from edge_asc.training.training_state import load_state, save_state

CONFIG = NetworkConfig("edge", "none", num_scenes=2, num_cities=2, num_frames=50, cell_frames=50)
RECIPE = Recipe(
    "test",
    "two kinds of noise",
    optimizer=OptimizerRecipe(learning_rate=2e-3, schedule="cosine"),
    loop=LoopRecipe(epochs=4, batch_size=8, patience=2),
)


def draw_windows(size: int, seed: int) -> Windows:
    """Class 1 is louder than class 0 in the lower half of the bands."""
    rng = np.random.default_rng(seed)
    label = np.arange(size) % 2
    features = rng.standard_normal((size, 50, 64)).astype(np.float32)
    features[:, :, :32] += label[:, None, None]
    return Windows(
        features=features,
        city=np.eye(2, dtype=np.float32)[rng.integers(2, size=size)],
        time=np.ones((size, 8), np.float32),
        label=label,
        group=[str(i) for i in range(size)],
    )


def make_trainer(recipe: Recipe, validation: Windows | None = None, **options) -> Trainer:
    torch.manual_seed(options.pop("seed", 0))
    network = build(options.pop("config", CONFIG))
    windows = draw_windows(32, 1)
    arguments = {
        "network": network,
        "train": windows,
        "target": one_hot(windows.label, 2),
        "weights": None,
        "augment": lambda batch: batch,
        "validation": validation,
        "frozen": None,
        **options,
    }
    fabric = Fabric(accelerator="cpu", devices=1)
    if callable(arguments["frozen"]):
        arguments["frozen"] = arguments["frozen"](network)
    return Trainer(fabric, Task(**arguments), recipe.optimizer, recipe.loop)


def train(recipe: Recipe, validation: Windows | None = None, on_epoch=None, **options):
    trainer = make_trainer(recipe, validation, **options)
    fitted = fit(trainer, writer=None, on_epoch=on_epoch or (lambda trainer: None))
    return trainer._task.network, fitted


def test_learns_what_is_easy_and_keeps_the_last_epoch_without_validation():
    network, fitted = train(RECIPE)
    assert (fitted.epoch, fitted.epochs_run, fitted.validation_macro_recall) == (4, 4, None)
    network.load_state_dict(fitted.state_dict)
    test = draw_windows(40, 2)
    predicted = predict(network, network, test, torch.device("cpu")).argmax(dim=1)
    assert (predicted.numpy() == test.label).mean() > 0.9


def test_a_seed_fixes_the_weights():
    first, again, other = (train(RECIPE, seed=seed)[1].state_dict for seed in (0, 0, 1))
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert any(not torch.equal(first[name], other[name]) for name in first)


def test_the_best_validated_epoch_is_kept_and_reported():
    kept = {}
    _, fitted = train(
        RECIPE,
        validation=draw_windows(20, 3),
        on_epoch=lambda t: kept.update({t.epoch: t.best} if t.has_new_best else {}),
    )
    assert fitted.epoch == max(kept)
    assert all(torch.equal(fitted.state_dict[n], kept[fitted.epoch][n]) for n in fitted.state_dict)
    network = MobileASCNet(CONFIG)
    network.load_state_dict(fitted.state_dict)
    validation = draw_windows(20, 3)
    predicted = predict(network, network, validation, torch.device("cpu")).argmax(dim=1).numpy()
    recalls = [(predicted[validation.label == k] == k).mean() for k in (0, 1)]
    assert fitted.validation_macro_recall == pytest.approx(np.mean(recalls))


def test_training_stops_when_validation_does_not_improve():
    """Validation labels that features cannot tell: 50 % at first, and never better than chance."""
    validation = draw_windows(2, 4)
    validation = replace(validation, features=np.zeros_like(validation.features))
    recipe = replace(RECIPE, loop=replace(RECIPE.loop, epochs=50))
    _, fitted = train(recipe, validation=validation)
    assert (fitted.epoch, fitted.epochs_run, fitted.validation_macro_recall) == (1, 3, 0.5)


def test_context_is_learnt_when_the_network_takes_it():
    config = replace(CONFIG, fusion="gated")
    network, fitted = train(RECIPE, config=config)
    before = MobileASCNet(config).context.city_table.shape
    assert fitted.state_dict["context.city_table"].shape == before
    logits = predict(network, network, draw_windows(5, 5), torch.device("cpu"))
    assert logits.shape == (5, 2)


def test_curves_are_written_for_tensorboard(tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    writer = make_writer(tmp_path)
    fit(make_trainer(RECIPE, draw_windows(8, 3)), writer=writer, on_epoch=lambda trainer: None)
    writer.close()
    events = EventAccumulator(str(tmp_path)).Reload()
    assert set(events.Tags()["scalars"]) == {
        "train/loss",
        "train/learning_rate",
        "validation/macro_recall",
    }
    losses = [event.value for event in events.Scalars("train/loss")]
    assert losses[-1] < losses[0]


def noise(batch):
    """An augmentation that draws from torch's global generator."""
    return replace(batch, features=batch.features + 0.3 * torch.randn_like(batch.features))


@pytest.mark.parametrize("ema_decay", [0.0, 0.9])
def test_a_resumed_run_gives_the_same_bits(tmp_path, ema_decay):
    recipe = replace(RECIPE, loop=replace(RECIPE.loop, ema_decay=ema_decay, patience=9))
    validation = draw_windows(20, 3)
    _, straight = train(recipe, validation, augment=noise)

    first = make_trainer(recipe, validation, augment=noise)
    for _ in range(2):
        first.run_epoch()
    save_state(tmp_path / "last.safetensors", first.state(), {"recipe": recipe.to_dict()})
    resumed = make_trainer(recipe, validation, augment=noise, seed=99)
    resumed.restore(load_state(tmp_path / "last.safetensors", {"recipe": recipe.to_dict()}))
    fitted = fit(resumed, writer=None, on_epoch=lambda trainer: None)
    assert (fitted.epoch, fitted.epochs_run) == (straight.epoch, straight.epochs_run)
    assert fitted.validation_macro_recall == straight.validation_macro_recall
    assert all(torch.equal(fitted.state_dict[n], v) for n, v in straight.state_dict.items())


def test_the_state_of_another_recipe_is_refused_with_the_difference(tmp_path):
    path = tmp_path / "last.safetensors"
    save_state(path, make_trainer(RECIPE).state(), {"recipe": RECIPE.to_dict()})
    other = replace(RECIPE, loop=replace(RECIPE.loop, epochs=9))
    with pytest.raises(CheckpointError, match=r"recipe\.loop\.epochs: 4 there, 9 here"):
        load_state(path, {"recipe": other.to_dict()})


def test_a_damaged_state_is_refused(tmp_path):
    path = tmp_path / "last.safetensors"
    save_state(path, make_trainer(RECIPE).state(), {})
    path.write_bytes(path.read_bytes()[:-500])
    with pytest.raises(CheckpointError, match="not a whole safetensors file"):
        load_state(path, {})


def test_parts_of_a_batch_add_up_to_its_gradient():
    """Without batch normalisation's coupling (frozen blocks), micro-batches change nothing."""
    weights = {}
    for micro_batch in (0, 3):
        recipe = replace(RECIPE, loop=replace(RECIPE.loop, micro_batch=micro_batch))
        weights[micro_batch] = train(recipe, frozen=backbone)[1].state_dict
    for name, value in weights[0].items():
        torch.testing.assert_close(weights[3][name], value, atol=1e-5, rtol=1e-4)


def test_frozen_blocks_keep_weights_and_batch_statistics():
    torch.manual_seed(0)
    before = build(CONFIG).state_dict()
    _, fitted = train(RECIPE, frozen=backbone)
    changed = {n for n in before if not torch.equal(before[n], fitted.state_dict[n])}
    assert changed
    assert not any(name.startswith("blocks.") for name in changed)


def test_soft_targets_are_learnt():
    """All targets say 0.9 for class 1: so does the network in the end."""
    target = np.tile(np.array([[0.1, 0.9]], np.float32), (32, 1))
    recipe = replace(RECIPE, loop=replace(RECIPE.loop, epochs=20))
    network, fitted = train(recipe, target=target)
    network.load_state_dict(fitted.state_dict)
    logits = predict(network, network, draw_windows(40, 2), torch.device("cpu"))
    assert float(torch.softmax(logits, dim=1)[:, 1].mean()) == pytest.approx(0.9, abs=0.05)


def test_averaged_weights_are_the_kept_ones():
    recipe = replace(RECIPE, loop=replace(RECIPE.loop, ema_decay=0.5))
    _, plain = train(RECIPE)
    network, averaged = train(recipe)
    different = [
        n for n, v in plain.state_dict.items() if not torch.equal(v, averaged.state_dict[n])
    ]
    assert different
    # The weights that go on training are those of the plain run: the average only looks on.
    live = network.state_dict()
    assert all(torch.equal(live[name], value) for name, value in plain.state_dict.items())
