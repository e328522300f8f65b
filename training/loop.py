"""The supervised training loop, on lightning-fabric.

Features are a few hundred megabytes at most, so all windows stay in memory and a batch is an
index. With several processes each draws the same order and takes its own part of every batch.
"""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from lightning_fabric import Fabric
from torch import Tensor
from torch.optim import Adam, AdamW, Optimizer
from torch.optim.lr_scheduler import LambdaLR, LRScheduler, StepLR

from edge_asc.training.augment import Batch, hide_context
from edge_asc.training.checkpoint import Windows
from edge_asc.training.metrics import ConfusionMeter
from edge_asc.training.models.mobile_asc_net import MobileASCNet
from edge_asc.training.recipe import OptimizerRecipe, Recipe

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

PREDICTION_BATCH = 128

StateDict = dict[str, Tensor]


@dataclass(frozen=True, slots=True)
class Fitted:
    """What training gave."""

    state_dict: StateDict
    """Weights of the best epoch; of the last one where no validation windows were given."""
    epoch: int
    """The epoch these weights are from, counted from 1."""
    epochs_run: int
    validation_macro_recall: float | None
    seconds: float


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


def fit(
    fabric: Fabric,
    network: MobileASCNet,
    recipe: Recipe,
    train: Windows,
    *,
    weights: npt.NDArray[np.float64] | None,
    augment: Callable[[Batch], Batch],
    validation: Windows | None,
    writer: SummaryWriter | None,
    on_best: Callable[[StateDict, int], None],
) -> Fitted:
    """Train `network` on `train` windows as `recipe` says.

    Args:
        fabric: launched; decides device, precision and processes.
        network: freshly made, on the CPU.
        recipe: optimiser, schedule, batch size, epochs, label smoothing, hidden context.
        train: standardised windows.
        weights: how often each window is drawn, shape (N,), or None: each once an epoch.
        augment: changes a batch of training windows.
        validation: windows whose macro recall chooses the epoch and stops training; None = train
            for all epochs and keep the last one.
        writer: where curves go, or None.
        on_best: called with the weights and the epoch whenever these are the best so far.
    """
    started = time.monotonic()
    loop = recipe.loop
    order = torch.Generator().manual_seed(loop.seed)
    steps_per_epoch = max(1, len(train) // loop.batch_size)
    optimizer = make_optimizer(recipe.optimizer, network)
    schedule = make_schedule(recipe.optimizer, optimizer, loop.epochs, steps_per_epoch)
    # Channels last, as oneDNN and tensor cores want them: four times as fast on a CPU.
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    model, optimizer = fabric.setup(network, optimizer)
    examples = _to_device(train, fabric.device)
    stopping = EarlyStopping(loop.patience)
    best: StateDict = {}
    for epoch in range(1, loop.epochs + 1):
        model.train()
        losses = []
        for index in draw_batches(len(train), loop.batch_size, weights, order):
            part = index[fabric.global_rank :: fabric.world_size].to(fabric.device)
            batch = _make_batch(examples, part, recipe, network.config.num_scenes)
            loss = _loss(model, network, augment(batch))
            optimizer.zero_grad()
            fabric.backward(loss)
            optimizer.step()
            schedule.step()
            losses.append(loss.detach())
        mean_loss = float(torch.stack(losses).mean())
        value = None if validation is None else _validate(fabric, model, network, validation)
        _report(writer, epoch, mean_loss, value, optimizer, time.monotonic() - started)
        if value is None or stopping.is_best(epoch, value):
            best = _copy_weights(network)
            if value is not None or epoch == loop.epochs:
                on_best(best, epoch)
        if value is not None and stopping.should_stop(epoch):
            break
    return Fitted(
        state_dict=best,
        epoch=epoch if validation is None else stopping.best_epoch,
        epochs_run=epoch,
        validation_macro_recall=None if validation is None else stopping.best_score,
        seconds=time.monotonic() - started,
    )


def make_writer(folder: Path) -> SummaryWriter:
    """Open a TensorBoard log in `folder`."""
    # This empty module is TensorBoard's own switch for "use no tensorflow": where tensorflow is
    # installed (for the export), it would be loaded for nothing, in five seconds.
    sys.modules.setdefault("tensorboard.compat.notf", ModuleType("notf"))
    from torch.utils.tensorboard import SummaryWriter

    return SummaryWriter(str(folder))


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


def make_optimizer(recipe: OptimizerRecipe, network: torch.nn.Module) -> Optimizer:
    """Make the optimiser; weight decay spares biases and BN scales."""
    decayed = [p for p in network.parameters() if p.dim() > 1]
    others = [p for p in network.parameters() if p.dim() <= 1]
    groups = [
        {"params": decayed, "weight_decay": recipe.weight_decay},
        {"params": others, "weight_decay": 0.0},
    ]
    kind = AdamW if recipe.name == "adamw" else Adam
    return kind(groups, lr=recipe.learning_rate)


def make_schedule(
    recipe: OptimizerRecipe, optimizer: Optimizer, epochs: int, steps_per_epoch: int
) -> LRScheduler:
    """Make the learning-rate schedule, to be stepped after every batch."""
    if recipe.schedule == "cosine":
        return LambdaLR(
            optimizer, partial(warmup_cosine, epochs * steps_per_epoch, recipe.warmup_share)
        )
    if recipe.schedule == "step":
        return StepLR(optimizer, recipe.step_epochs * steps_per_epoch, recipe.step_factor)
    return LambdaLR(optimizer, lambda _: 1.0)


def warmup_cosine(num_steps: int, warmup_share: float, step: int) -> float:
    """Factor of the learning rate at `step`: a straight line up, then half a cosine down to 0."""
    warmup_steps = warmup_share * num_steps
    if step < warmup_steps:
        return (step + 1) / (warmup_steps + 1)
    return 0.5 + 0.5 * math.cos(math.pi * (step - warmup_steps) / (num_steps - warmup_steps))


def predict(
    model: torch.nn.Module, network: MobileASCNet, windows: Windows, device: torch.device
) -> Tensor:
    """Return logits, shape (N, num_scenes), on the CPU; `model` is `network` or a wrapper of it."""
    model.eval()
    examples = _to_device(windows, device)
    logits = []
    with torch.no_grad():
        for index in torch.arange(len(windows), device=device).split(PREDICTION_BATCH):
            batch = _Examples(*(values[index] for values in examples.parts()))
            logits.append(_forward(model, network, batch.features, batch.city, batch.time))
    return torch.cat(logits).float().cpu()


@dataclass(frozen=True, slots=True)
class _Examples:
    """Windows as tensors on the training device."""

    features: Tensor  # (N, 1, T, M)
    city: Tensor  # (N, C)
    time: Tensor  # (N, 8)
    label: Tensor  # (N,)

    def parts(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        return self.features, self.city, self.time, self.label


def _to_device(windows: Windows, device: torch.device) -> _Examples:
    return _Examples(
        torch.from_numpy(windows.features).unsqueeze(1).to(device),
        torch.from_numpy(windows.city).to(device),
        torch.from_numpy(windows.time).to(device),
        torch.from_numpy(windows.label).to(device),
    )


def _make_batch(examples: _Examples, index: Tensor, recipe: Recipe, num_scenes: int) -> Batch:
    loop = recipe.loop
    features, city, time_of_day, label = (values[index] for values in examples.parts())
    target = F.one_hot(label, num_scenes).float()
    target = target * (1.0 - loop.label_smoothing) + loop.label_smoothing / num_scenes
    batch = Batch(features, city, time_of_day, target)
    return hide_context(batch, loop.unknown_city_share, loop.unknown_time_share)


def _loss(model: torch.nn.Module, network: MobileASCNet, batch: Batch) -> Tensor:
    logits = _forward(model, network, batch.features, batch.city, batch.time)
    return F.cross_entropy(logits, batch.target)


def _forward(
    model: torch.nn.Module,
    network: MobileASCNet,
    features: Tensor,
    city: Tensor,
    time_of_day: Tensor,
) -> Tensor:
    context = (city, time_of_day) if network.config.uses_context else ()
    logits: Tensor = model(features, *context)
    return logits


def _validate(
    fabric: Fabric, model: torch.nn.Module, network: MobileASCNet, windows: Windows
) -> float:
    """Macro recall over true labels, counted afresh; one process decides for all."""
    meter = ConfusionMeter(network.config.num_scenes)
    predicted = predict(model, network, windows, fabric.device).argmax(dim=1)
    meter.update(windows.label, predicted.numpy())
    return float(fabric.broadcast(meter.macro_recall))


def _copy_weights(network: torch.nn.Module) -> StateDict:
    return {name: tensor.detach().cpu().clone() for name, tensor in network.state_dict().items()}


def _report(
    writer: SummaryWriter | None,
    epoch: int,
    loss: float,
    value: float | None,
    optimizer: Optimizer,
    seconds: float,
) -> None:
    """Write an epoch's figures to TensorBoard and stderr; only the first process has a writer."""
    if writer is None:
        return
    writer.add_scalar("train/loss", loss, epoch)
    writer.add_scalar("train/learning_rate", optimizer.param_groups[0]["lr"], epoch)
    line = f"epoch {epoch}: loss {loss:.3f}"
    if value is not None:
        writer.add_scalar("validation/macro_recall", value, epoch)
        line += f", validation macro recall {100.0 * value:.1f} %"
    print(f"{line} ({seconds:.0f} s)", file=sys.stderr)
