"""Runs of a few seconds: a recipe, and how it is trained."""

from __future__ import annotations

from pathlib import Path

import torch

from edge_asc.training.checkpoint import load_checkpoint
from edge_asc.training.train import train_command
from edge_asc.training.train_options import TrainOptions

RECIPE = """
name = "tiny"
description = "noise against tone"

[data]
scenes = "from-data"
window_s = 1.0
train_hop_s = 1.0
test_hop_s = 1.0

[network]
variant = "edge"
fusion = "{fusion}"
cell_frames = 50

[optimizer]
learning_rate = 3e-3
schedule = "cosine"

[loop]
epochs = 6
batch_size = 4
validation_share = {validation_share}
micro_batch = 2
{more}
"""


def write_recipe(
    folder: Path, fusion: str = "gated", validation_share: float = 0.0, more: str = ""
) -> str:
    path = folder / "tiny.toml"
    text = RECIPE.format(fusion=fusion, validation_share=validation_share, more=more)
    path.write_text(text)
    return str(path)


def train(recipe: str, corpus: Path, out: Path, test_folds: list[str] | None, **options) -> None:
    train_command(recipe, TrainOptions(data=[corpus], out=out, test_folds=test_folds, **options))


def weights(path: Path) -> dict[str, torch.Tensor]:
    return load_checkpoint(path / "checkpoint.safetensors").state_dict
