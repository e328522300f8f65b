from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from lightning_fabric import Fabric

from edge_asc.training.checkpoint import Windows
from edge_asc.training.loop import (
    EarlyStopping,
    draw_batches,
    fit,
    make_optimizer,
    make_schedule,
    make_writer,
    predict,
)
from edge_asc.training.models.mobile_asc_net import MobileASCNet, NetworkConfig
from edge_asc.training.recipe import LoopRecipe, OptimizerRecipe, Recipe

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


def train(recipe: Recipe, validation: Windows | None = None, seed: int = 0, **options):
    torch.manual_seed(seed)
    network = MobileASCNet(options.pop("config", CONFIG))
    arguments = {
        "weights": None,
        "augment": lambda batch: batch,
        "validation": validation,
        "writer": None,
        "on_best": lambda weights, epoch: None,
        **options,
    }
    fabric = Fabric(accelerator="cpu", devices=1)
    return network, fit(fabric, network, recipe, draw_windows(32, 1), **arguments)


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
        on_best=lambda weights, epoch: kept.update({epoch: weights}),
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


def test_early_stopping_counts_epochs_since_the_best():
    stopping = EarlyStopping(patience=2)
    history = [
        (stopping.is_best(e, v), stopping.should_stop(e))
        for e, v in enumerate([0.4, 0.6, 0.6, 0.5], start=1)
    ]
    assert history == [(True, False), (True, False), (False, False), (False, True)]
    assert (stopping.best_epoch, stopping.best_score) == (2, 0.6)


def test_context_is_learnt_when_the_network_takes_it():
    config = replace(CONFIG, fusion="gated")
    network, fitted = train(RECIPE, config=config)
    before = MobileASCNet(config).context.city_table.shape
    assert fitted.state_dict["context.city_table"].shape == before
    logits = predict(network, network, draw_windows(5, 5), torch.device("cpu"))
    assert logits.shape == (5, 2)


def test_an_epoch_draws_each_window_once():
    batches = list(draw_batches(22, 5, None, torch.Generator().manual_seed(0)))
    assert [len(batch) for batch in batches] == [5, 5, 5, 5]
    assert len(set(torch.cat(batches).tolist())) == 20


def test_few_windows_make_one_small_batch():
    batches = list(draw_batches(3, 5, None, torch.Generator().manual_seed(0)))
    assert [sorted(batch.tolist()) for batch in batches] == [[0, 1, 2]]


def test_weights_balance_what_is_drawn():
    weights = np.array([0.5 / 90] * 90 + [0.5 / 10] * 10)
    generator = torch.Generator().manual_seed(0)
    drawn = torch.cat(
        [torch.cat(list(draw_batches(100, 10, weights, generator))) for _ in range(50)]
    )
    assert (drawn >= 90).float().mean() == pytest.approx(0.5, abs=0.03)


def learning_rates(recipe: OptimizerRecipe, epochs: int, steps: int) -> list[float]:
    network = torch.nn.Linear(2, 2)
    optimizer = make_optimizer(recipe, network)
    schedule = make_schedule(recipe, optimizer, epochs, steps)
    rates = []
    for _ in range(epochs * steps):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    return rates


def test_the_papers_schedule_drops_by_a_tenth_every_second_epoch():
    rates = learning_rates(OptimizerRecipe(), epochs=6, steps=3)
    expected = [1e-4] * 6 + [0.9e-4] * 6 + [0.81e-4] * 6
    assert rates == pytest.approx(expected)


def test_cosine_rises_to_the_learning_rate_and_ends_near_zero():
    recipe = OptimizerRecipe(learning_rate=1e-2, schedule="cosine", warmup_share=0.25)
    rates = learning_rates(recipe, epochs=4, steps=10)
    assert rates[0] == pytest.approx(1e-2 / 11)
    assert rates[10] == max(rates) == pytest.approx(1e-2)
    assert rates[25] == pytest.approx(0.5e-2)  # half of the way down
    assert 0.0 < rates[-1] < 1e-4


def test_constant_schedule():
    assert set(learning_rates(OptimizerRecipe(schedule="constant"), 2, 2)) == {1e-4}


def test_weight_decay_spares_biases_and_scales():
    optimizer = make_optimizer(
        OptimizerRecipe(name="adamw", weight_decay=0.1), MobileASCNet(CONFIG)
    )
    decayed, others = optimizer.param_groups
    assert (decayed["weight_decay"], others["weight_decay"]) == (0.1, 0.0)
    assert all(p.dim() > 1 for p in decayed["params"])
    assert all(p.dim() == 1 for p in others["params"])


def test_curves_are_written_for_tensorboard(tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    writer = make_writer(tmp_path)
    train(RECIPE, validation=draw_windows(8, 3), writer=writer)
    writer.close()
    events = EventAccumulator(str(tmp_path)).Reload()
    assert set(events.Tags()["scalars"]) == {
        "train/loss",
        "train/learning_rate",
        "validation/macro_recall",
    }
    losses = [event.value for event in events.Scalars("train/loss")]
    assert losses[-1] < losses[0]
