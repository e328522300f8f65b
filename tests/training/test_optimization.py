"""How weights change: batches, optimiser, learning rate, and when to stop."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from edge_asc.errors import DataError
from edge_asc.training.models import NetworkConfig, build
from edge_asc.training.optimization import (
    EarlyStopping,
    cut_batch,
    draw_batches,
    learning_rate_factor,
    make_optimizer,
)
from edge_asc.training.recipe import OptimizerRecipe

CONFIG = NetworkConfig("edge", "none", num_scenes=2, num_cities=2, num_frames=50, cell_frames=50)


def test_early_stopping_counts_epochs_since_the_best():
    stopping = EarlyStopping(patience=2)
    history = [
        (stopping.is_best(e, v), stopping.should_stop(e))
        for e, v in enumerate([0.4, 0.6, 0.6, 0.5], start=1)
    ]
    assert history == [(True, False), (True, False), (False, False), (False, True)]
    assert (stopping.best_epoch, stopping.best_score) == (2, 0.6)


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
    return [
        recipe.learning_rate * learning_rate_factor(recipe, step, epochs, steps)
        for step in range(epochs * steps)
    ]


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
    optimizer = make_optimizer(OptimizerRecipe(name="adamw", weight_decay=0.1), build(CONFIG))
    decayed, others = optimizer.param_groups
    assert (decayed["weight_decay"], others["weight_decay"]) == (0.1, 0.0)
    assert all(p.dim() > 1 for p in decayed["params"])
    assert all(p.dim() == 1 for p in others["params"])


@given(st.integers(1, 80), st.integers(0, 40), st.integers(1, 4))
def test_parts_hold_every_window_once_and_are_as_many_for_each_process(size, micro_batch, world):
    if size < world:
        return
    parts = cut_batch(size, micro_batch, world) if size >= _count(size, micro_batch, world) else []
    if not parts:
        with pytest.raises(DataError, match=f"a batch of {size} windows cannot be shared"):
            cut_batch(size, micro_batch, world)
        return
    assert torch.cat(parts).tolist() == list(range(size))
    assert len(parts) % world == 0
    assert all(len(part) > 0 for part in parts)
    if micro_batch:
        assert max(len(part) for part in parts) <= micro_batch


def _count(size: int, micro_batch: int, world: int) -> int:
    count = -(-size // micro_batch) if micro_batch else 1
    return -(-count // world) * world
