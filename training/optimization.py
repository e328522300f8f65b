"""How weights change: batches, optimiser, learning rate, average, and when to stop."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.optim import Adam, AdamW, Optimizer

from edge_asc.errors import DataError
from edge_asc.training.recipe import OptimizerRecipe

StateDict = dict[str, Tensor]


class EarlyStopping:
    """Remembers the best score and tells when it has not risen for `patience` epochs."""

    def __init__(self, patience: int) -> None:
        self._patience = patience
        self.best_score = -math.inf
        self.best_epoch = 0

    def is_best(self, epoch: int, value: float) -> bool:
        """Take in the score of `epoch`; return whether it is the best so far."""
        if value <= self.best_score:
            return False
        self.best_score, self.best_epoch = value, epoch
        return True

    def should_stop(self, epoch: int) -> bool:
        """Whether `epoch` was the last one to wait for."""
        return epoch - self.best_epoch >= self._patience


class WeightAverage:
    """The exponential moving average of a network's weights and batch statistics."""

    def __init__(self, network: nn.Module, decay: float) -> None:
        self._decay = decay
        self._num_updates = 0
        self.values = copy_weights(network)

    def update(self, network: nn.Module) -> None:
        """Take in the weights after a step. Early steps, which know little, are forgotten soon."""
        self._num_updates += 1
        decay = min(self._decay, (1 + self._num_updates) / (10 + self._num_updates))
        with torch.no_grad():
            for name, value in network.state_dict().items():
                average = self.values[name]
                if value.is_floating_point():
                    average.lerp_(value.to(average.device), 1.0 - decay)
                else:
                    average.copy_(value)

    def restore(self, values: StateDict, num_updates: int) -> None:
        """Go on from an average that was saved."""
        self.values, self._num_updates = values, num_updates


def draw_batches(
    num_windows: int,
    batch_size: int,
    weights: npt.NDArray[np.float64] | None,
    generator: torch.Generator,
) -> Iterator[Tensor]:
    """Yield the window indices, shape (batch_size,), of one epoch's batches.

    Windows that do not fill a batch are left to a later epoch: batch normalisation over a few
    windows would be noise. With fewer windows than one batch, that one batch holds them all.
    """
    if weights is None:
        order = torch.randperm(num_windows, generator=generator)
    else:
        order = torch.multinomial(
            torch.from_numpy(weights), num_windows, replacement=True, generator=generator
        )
    num_batches = max(1, num_windows // batch_size)
    for i in range(num_batches):
        yield order[i * batch_size : (i + 1) * batch_size]


def cut_batch(size: int, micro_batch: int, num_processes: int) -> list[Tensor]:
    """Indices of a batch's parts: of `micro_batch` windows or less, as many for each process.

    Raises:
        DataError: there are fewer windows than processes.
    """
    count = math.ceil(size / micro_batch) if micro_batch else 1
    count = math.ceil(count / num_processes) * num_processes
    if count > size:
        raise DataError(
            f"a batch of {size} windows cannot be shared by {num_processes} processes; "
            "train on more clips or with fewer --devices"
        )
    return list(torch.arange(size).tensor_split(count))


def make_optimizer(recipe: OptimizerRecipe, network: nn.Module) -> Optimizer:
    """Make the optimiser of what is not frozen; weight decay spares biases and BN scales."""
    free = [p for p in network.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in free if p.dim() > 1], "weight_decay": recipe.weight_decay},
        {"params": [p for p in free if p.dim() <= 1], "weight_decay": 0.0},
    ]
    kind = AdamW if recipe.name == "adamw" else Adam
    return kind(groups, lr=recipe.learning_rate)


def learning_rate_factor(
    recipe: OptimizerRecipe, step: int, epochs: int, steps_per_epoch: int
) -> float:
    """By what the learning rate is multiplied at `step`, counted from 0.

    "cosine": a straight line up for `warmup_share` of all steps, then half a cosine down to 0.
    """
    if recipe.schedule == "step":
        return float(recipe.step_factor ** (step // (recipe.step_epochs * steps_per_epoch)))
    if recipe.schedule == "constant":
        return 1.0
    num_steps = epochs * steps_per_epoch
    warmup_steps = recipe.warmup_share * num_steps
    if step < warmup_steps:
        return (step + 1) / (warmup_steps + 1)
    return 0.5 + 0.5 * math.cos(math.pi * (step - warmup_steps) / (num_steps - warmup_steps))


def copy_weights(network: nn.Module) -> StateDict:
    """Return a copy of all weights and batch statistics, on the CPU."""
    return {name: tensor.detach().cpu().clone() for name, tensor in network.state_dict().items()}
