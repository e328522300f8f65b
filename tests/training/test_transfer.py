"""What a network takes over from another one's checkpoint."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from edge_asc.errors import DataError
from edge_asc.features import FeatureConfig
from edge_asc.scenes import CITIES
from edge_asc.training.checkpoint import Checkpoint, save_checkpoint
from edge_asc.training.models import NetworkConfig, SceneNetwork, backbone, build
from edge_asc.training.recipe import TransferRecipe
from edge_asc.training.transfer import take_over


def make_network(
    num_scenes: int = 4, variant="edge", fusion="gated", seed: int = 0
) -> SceneNetwork:
    torch.manual_seed(seed)
    return build(NetworkConfig(variant, "gated", num_scenes, len(CITIES) + 1, num_frames=100))


def save(path: Path, network: SceneNetwork) -> Path:
    checkpoint = Checkpoint(
        state_dict=network.state_dict(),
        network=network.config,
        features=FeatureConfig(),
        scenes=tuple(f"scene {i}" for i in range(network.config.num_scenes)),
        cities=CITIES,
        trained_cities=(),
        window_s=2.0,
        mel_mean=(0.0,) * 64,
        mel_std=(1.0,) * 64,
        standardized_range=(-4.5, 4.5),
        recipe={},
        versions={},
        metrics={},
        name="other",
        licence="none",
    )
    save_checkpoint(path, checkpoint)
    return path


@pytest.fixture
def other(tmp_path) -> tuple[SceneNetwork, Path]:
    """A network of other scenes, with batch statistics of its own."""
    network = make_network(num_scenes=7, seed=1)
    with torch.no_grad():
        network(torch.randn(4, 1, 100, 64), torch.eye(len(CITIES) + 1)[:4], torch.rand(4, 8))
    return network, save(tmp_path / "other.safetensors", network)


def same_tensors(one: SceneNetwork, two: SceneNetwork) -> set[str]:
    first, second = one.state_dict(), two.state_dict()
    return {n for n in first if first[n].shape == second[n].shape and first[n].equal(second[n])}


def test_blocks_come_with_their_statistics_and_nothing_else(other):
    network = make_network()
    assert take_over(network, TransferRecipe(backbone="blocks"), other[1]) is None
    blocks = {name for name in network.state_dict() if name.startswith("blocks.")}
    assert blocks <= same_tensors(network, other[0])
    taken = same_tensors(network, other[0]) - blocks
    assert not {name for name in taken if name.startswith(("gru.", "context.", "head."))}


def test_the_whole_network_comes_without_its_scene_layer(other):
    network = make_network()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    take_over(network, TransferRecipe(backbone="network"), other[1])
    taken = same_tensors(network, other[0])
    assert {"gru.weight_ih_l0", "context.city_table", "blocks.0.body.0.weight"} <= taken
    assert network.state_dict()["head.weight"].equal(before["head.weight"])


def test_what_is_to_stay_frozen_is_the_backbone(other):
    network = make_network()
    frozen = take_over(network, TransferRecipe(backbone="blocks", freeze=True), other[1])
    assert frozen is backbone(network)


def test_from_scratch_takes_nothing():
    assert take_over(make_network(), TransferRecipe(), None) is None


@pytest.mark.parametrize(
    ("recipe", "has_path", "message"),
    [
        (TransferRecipe(), True, "this recipe trains from scratch"),
        (TransferRecipe(backbone="blocks"), False, "give its checkpoint as --backbone"),
    ],
)
def test_a_missing_or_superfluous_backbone_is_refused(other, recipe, has_path, message):
    with pytest.raises(DataError, match=message):
        take_over(make_network(), recipe, other[1] if has_path else None)


@pytest.mark.parametrize("what", ["blocks", "network"])
def test_a_network_bounded_for_int8_is_refused(tmp_path, what):
    bounded = build(replace(make_network().config, form="bounded"))
    path = save(tmp_path / "checkpoint.safetensors", bounded)
    with pytest.raises(DataError, match=r"bounded for int8.*give the unbounded\.safetensors besi"):
        take_over(make_network(), TransferRecipe(backbone=what), path)


def test_a_backbone_of_another_variant_is_refused(other):
    network = make_network(variant="paper")
    with pytest.raises(DataError, match="is a 'edge' network, the recipe wants 'paper'"):
        take_over(network, TransferRecipe(backbone="blocks"), other[1])
