"""Pseudo-labels, and what stage 3 draws; whole runs are in test_train."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from lightning_fabric import Fabric

from edge_asc.errors import DataError
from edge_asc.training.checkpoint import Windows
from edge_asc.training.models import NetworkConfig, build
from edge_asc.training.recipe import Recipe, SemiRecipe
from edge_asc.training.stages import (
    StageData,
    joint_stage,
    joint_weights,
    pseudo_label,
    third_stage_recipe,
)

CONFIG = NetworkConfig("edge", "none", num_scenes=3, num_cities=2, num_frames=50, cell_frames=50)


def draw_windows(size: int, label: int | None) -> Windows:
    rng = np.random.default_rng(size)
    return Windows(
        features=rng.standard_normal((size, 50, 64)).astype(np.float16),
        city=np.eye(2, dtype=np.float32)[rng.integers(2, size=size)],
        time=np.ones((size, 8), np.float32),
        label=np.arange(size) % 3 if label is None else np.full(size, label),
        group=[f"{size}/{i}" for i in range(size)],
    )


@pytest.fixture
def network():
    torch.manual_seed(0)
    return build(CONFIG)


@pytest.fixture
def fabric() -> Fabric:
    return Fabric(accelerator="cpu", devices=1)


def test_targets_are_the_networks_own_probabilities(network, fabric):
    unlabelled = draw_windows(7, -1)
    windows, target = pseudo_label(fabric, network, unlabelled, SemiRecipe())
    assert windows.group == unlabelled.group
    np.testing.assert_allclose(target.sum(axis=1), 1.0, atol=1e-6)
    with torch.no_grad():
        logits = network.eval()(torch.from_numpy(unlabelled.features).float()[:, None])
    np.testing.assert_allclose(target, torch.softmax(logits, dim=1).numpy(), atol=1e-6)


def test_windows_below_the_threshold_are_left_out(network, fabric):
    unlabelled = draw_windows(9, -1)
    _, everything = pseudo_label(fabric, network, unlabelled, SemiRecipe())
    confidence = np.sort(everything.max(axis=1))
    threshold = float(confidence[4:6].mean())  # between the fifth and the sixth
    windows, target = pseudo_label(fabric, network, unlabelled, SemiRecipe(threshold=threshold))
    assert len(windows) == len(target) == 4
    assert target.max(axis=1).min() >= threshold
    with pytest.raises(DataError, match=r"semi\.threshold = 0\.99; the surest has 0\.\d\d"):
        pseudo_label(fabric, network, unlabelled, SemiRecipe(threshold=0.99))


def make_data(train: Windows) -> StageData:
    return StageData(train, None, None, lambda batch: batch)


def test_stage_3_joins_true_labels_and_soft_targets(network):
    train, pseudo = draw_windows(6, None), draw_windows(4, -1)
    target = np.full((4, 3), 1 / 3, np.float32)
    task = joint_stage(network, make_data(train), pseudo, target, SemiRecipe(), None)
    assert task.train.group == train.group + pseudo.group
    np.testing.assert_array_equal(task.target[:6], np.eye(3)[train.label])
    np.testing.assert_array_equal(task.target[6:], target)
    assert task.weights is None
    assert task.validation is None


def test_stage_3_can_begin_afresh(network):
    before = {name: value.clone() for name, value in network.state_dict().items()}
    data, windows = make_data(draw_windows(6, None)), draw_windows(4, -1)
    target = np.full((4, 3), 1 / 3, np.float32)
    joint_stage(network, data, windows, target, SemiRecipe(), None)
    assert all(torch.equal(before[n], v) for n, v in network.state_dict().items())
    joint_stage(network, data, windows, target, SemiRecipe(restart=True), None)
    assert not torch.equal(before["head.weight"], network.state_dict()["head.weight"])


def test_shares_and_balance_of_what_stage_3_draws():
    target = np.eye(3, dtype=np.float32)[[0] * 8 + [1] * 2]  # no window was given scene 2
    assert joint_weights(None, 5, target, SemiRecipe()) is None
    shared = joint_weights(None, 5, target, SemiRecipe(labelled_share=0.5))
    assert shared is not None
    assert shared[:5].sum() == pytest.approx(0.5)
    assert shared[5:] == pytest.approx(0.05)
    balanced = joint_weights(None, 5, target, SemiRecipe(balance=True))
    assert balanced is not None
    assert balanced[:5].sum() == pytest.approx(5 / 15)
    assert balanced[5:13].sum() == pytest.approx(balanced[13:].sum())
    weighted = joint_weights(np.array([0.5, 0.25, 0.25]), 3, target, SemiRecipe())
    assert weighted is not None
    assert weighted[0] == pytest.approx(2 * weighted[1])
    assert weighted.sum() == pytest.approx(1.0)


def test_stage_3_has_its_own_length_and_learning_rate():
    recipe = Recipe("x", "y", semi=SemiRecipe(epochs=7, learning_rate=3e-4))
    third = third_stage_recipe(recipe)
    assert (third.loop.epochs, third.optimizer.learning_rate) == (7, 3e-4)
    assert third.augment == recipe.augment
