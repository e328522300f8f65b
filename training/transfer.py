"""Pretraining: what a network takes over from one that was trained on other data."""

from __future__ import annotations

from pathlib import Path

from torch import nn

from edge_asc.errors import DataError
from edge_asc.training.checkpoint import load_checkpoint
from edge_asc.training.models import SceneNetwork, backbone
from edge_asc.training.recipe import TransferRecipe


def take_over(network: SceneNetwork, recipe: TransferRecipe, path: Path | None) -> nn.Module | None:
    """Copy weights from the checkpoint at `path` into `network`; return what is to stay frozen.

    The scene layer is never taken: the other data had other scenes. "blocks" takes the
    convolutional blocks with the statistics of their batch normalisation, as the paper does;
    "network" also takes the recurrent layer and the context's part where the shapes agree.

    Raises:
        DataError: a checkpoint is missing or superfluous, of another variant, or bounded for int8.
    """
    if recipe.backbone == "none":
        if path is not None:
            raise DataError(
                'this recipe trains from scratch; set backbone = "blocks" under [transfer], or '
                "leave --backbone out"
            )
        return None
    if path is None:
        raise DataError(
            "this recipe begins with a trained network: give its checkpoint as --backbone"
        )
    other = load_checkpoint(path)
    if other.network.form != "plain":
        raise DataError(
            f"{path} holds a network that was bounded for int8, whose blocks cannot be trained on:"
            " give the unbounded.safetensors beside it"
        )
    if other.network.variant != network.config.variant:
        raise DataError(
            f"{path} is a {other.network.variant!r} network, the recipe wants "
            f"{network.config.variant!r}: their blocks do not fit each other"
        )
    blocks = backbone(network)
    blocks.load_state_dict(backbone(other.build_network()).state_dict())
    if recipe.backbone == "network":
        own = network.state_dict()
        taken = {
            name: value
            for name, value in other.state_dict.items()
            if not name.startswith("head.") and name in own and own[name].shape == value.shape
        }
        network.load_state_dict({**own, **taken})
    return blocks if recipe.freeze else None
