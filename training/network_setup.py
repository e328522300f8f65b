"""A recipe's network with fresh weights, and what its checkpoint says about it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from edge_asc.errors import DataError
from edge_asc.features import FeatureConfig
from edge_asc.scenes import CITIES
from edge_asc.training.checkpoint import Checkpoint, Windows
from edge_asc.training.corpus import Standardization
from edge_asc.training.datasets import Clip
from edge_asc.training.models import NetworkConfig, SceneNetwork, build
from edge_asc.training.optimization import StateDict
from edge_asc.training.recipe import Recipe
from edge_asc.training.run_report import versions

NUM_CALIBRATION_WINDOWS = 512


def make_network(recipe: Recipe, num_scenes: int, num_frames: int) -> SceneNetwork:
    """Build the recipe's network with fresh weights."""
    try:
        config = NetworkConfig(
            variant=recipe.network.variant,
            fusion=recipe.network.fusion,
            num_scenes=num_scenes,
            num_cities=len(CITIES) + 1,
            num_frames=num_frames,
            num_mels=FeatureConfig().num_mels,
            cell_frames=recipe.network.cell_frames or None,
        )
    except ValueError as error:
        raise DataError(f"the recipe's network does not fit its windows: {error}") from error
    # Channels last, as oneDNN and tensor cores want them: four times as fast on a CPU.
    return build(config).to(memory_format=torch.channels_last)  # type: ignore[no-any-return,call-overload]


def describe(
    recipe: Recipe,
    network: NetworkConfig,
    scenes: tuple[str, ...],
    train_clips: Sequence[Clip],
    scale: Standardization,
    weights: StateDict,
    metrics: dict[str, Any],
) -> Checkpoint:
    """Put together what the checkpoint says about its network."""
    heard_in = {clip.context.city for clip in train_clips}
    return Checkpoint(
        state_dict=weights,
        network=network,
        features=FeatureConfig(),
        scenes=scenes,
        cities=CITIES,
        trained_cities=tuple(city for city in CITIES if city in heard_in)
        if network.uses_context
        else (),
        window_s=recipe.data.window_s,
        mel_mean=scale.mean,
        mel_std=scale.std,
        standardized_range=scale.limits,
        recipe=recipe.to_dict(),
        versions=versions(),
        metrics=metrics,
        name=recipe.name,
        licence=recipe.licence,
    )


def draw_windows(train: Windows, recipe: Recipe) -> Windows:
    """Draw the training windows that calibrate the int8 ranges."""
    rng = np.random.default_rng(recipe.loop.seed)
    count = min(NUM_CALIBRATION_WINDOWS, len(train))
    return train.take(np.sort(rng.choice(len(train), count, replace=False)))
