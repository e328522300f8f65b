"""The training loop, on lightning-fabric.

All windows stay in memory as float16 and a batch is an index. A batch is cut into parts (micro
batches): batch normalisation sees one part at a time, and the gradient is the mean over all of
them. With several processes each draws and augments the same batches and then takes its share of
the parts, so that two processes compute what one would.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from lightning_fabric import Fabric
from torch import Tensor, nn

from edge_asc.training.augment import Batch, hide_context
from edge_asc.training.checkpoint import Windows
from edge_asc.training.metrics import ConfusionMeter
from edge_asc.training.models import SceneNetwork
from edge_asc.training.optimization import (
    EarlyStopping,
    StateDict,
    WeightAverage,
    copy_weights,
    cut_batch,
    draw_batches,
    learning_rate_factor,
    make_optimizer,
)
from edge_asc.training.recipe import LoopRecipe, OptimizerRecipe
from edge_asc.training.training_state import TrainingState

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

PREDICTION_BATCH = 64
BN_MOMENTUM = 0.1
"""How much of a batch's statistics enters the running ones."""


@dataclass(frozen=True, slots=True)
class Task:
    """What is trained on what."""

    network: SceneNetwork
    """On the CPU."""
    train: Windows
    target: npt.NDArray[np.float32]
    """Probability of every scene, shape (N, num_scenes)."""
    weights: npt.NDArray[np.float64] | None
    """How often each window is drawn, shape (N,); None: each once an epoch."""
    augment: Callable[[Batch], Batch]
    validation: Windows | None
    """Truly labelled windows whose macro recall chooses the epoch and stops training; None: train
    for all epochs and keep the last one."""
    frozen: nn.Module | None = None
    """Part of the network that stays as it is, its batch statistics too."""


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


class Trainer:
    """Trains a network epoch by epoch; its whole state can be saved and restored."""

    def __init__(
        self, fabric: Fabric, task: Task, optimizer: OptimizerRecipe, loop: LoopRecipe
    ) -> None:
        self._fabric, self._task = fabric, task
        self._recipe, self._loop = optimizer, loop
        self._steps_per_epoch = max(1, len(task.train) // loop.batch_size)
        self._order = torch.Generator().manual_seed(loop.seed)
        self._stopping = EarlyStopping(loop.patience)
        self._best: StateDict = {}
        self.epoch = 0
        network = task.network
        if task.frozen is not None:
            task.frozen.requires_grad_(False)
        self._model, self._optimizer = fabric.setup(network, make_optimizer(optimizer, network))
        self._average = WeightAverage(network, loop.ema_decay) if loop.ema_decay > 0.0 else None
        self._examples = _to_device(task.train, fabric.device)
        self._target = torch.from_numpy(task.target).to(fabric.device)

    @property
    def is_finished(self) -> bool:
        """Whether there is no epoch left to run."""
        waited = self._task.validation is not None and self._stopping.should_stop(self.epoch)
        return self.epoch >= self._loop.epochs or (self.epoch > 0 and waited)

    def run_epoch(self) -> tuple[float, float | None]:
        """Train for one epoch; return its mean loss and, with validation, its macro recall."""
        self.epoch += 1
        loss = self._train()
        with self._averaged():
            value = self._validate()
            if value is None or self._stopping.is_best(self.epoch, value):
                self._best = copy_weights(self._task.network)
        return loss, value

    @property
    def best(self) -> StateDict:
        """Weights of the best epoch so far; of the last one where nothing validates."""
        return self._best

    @property
    def has_new_best(self) -> bool:
        """Whether the last epoch was the best; without validation, whether it was the final one."""
        if self._task.validation is None:
            return self.epoch == self._loop.epochs
        return self._stopping.best_epoch == self.epoch

    @property
    def learning_rate(self) -> float:
        """The one of the last step."""
        return float(self._optimizer.param_groups[0]["lr"])

    def fitted(self, seconds: float) -> Fitted:
        """What training gave so far."""
        validated = self._task.validation is not None
        return Fitted(
            state_dict=self._best,
            epoch=self._stopping.best_epoch if validated else self.epoch,
            epochs_run=self.epoch,
            validation_macro_recall=self._stopping.best_score if validated else None,
            seconds=seconds,
        )

    def state(self) -> TrainingState:
        """All that the next epoch depends on."""
        return TrainingState(
            epoch=self.epoch,
            best_epoch=self._stopping.best_epoch,
            best_score=self._stopping.best_score,
            network=copy_weights(self._task.network),
            best=self._best,
            average=None if self._average is None else self._average.values,
            optimizer=self._optimizer.state_dict()["state"],
            order=self._order.get_state(),
            random=torch.get_rng_state(),
        )

    def restore(self, state: TrainingState) -> None:
        """Go on as if training had never stopped."""
        self.epoch = state.epoch
        self._stopping.best_epoch, self._stopping.best_score = state.best_epoch, state.best_score
        self._best = state.best
        self._task.network.load_state_dict(state.network)
        if self._average is not None and state.average is not None:
            self._average.restore(state.average, self.epoch * self._steps_per_epoch)
        groups = self._optimizer.state_dict()["param_groups"]
        self._optimizer.load_state_dict({"state": state.optimizer, "param_groups": groups})
        self._order.set_state(state.order)
        torch.set_rng_state(state.random)

    def _train(self) -> float:
        self._model.train()
        if self._task.frozen is not None:
            self._task.frozen.eval()
        step = (self.epoch - 1) * self._steps_per_epoch
        losses = []
        for index in draw_batches(
            len(self._task.train), self._loop.batch_size, self._task.weights, self._order
        ):
            factor = learning_rate_factor(
                self._recipe, step, self._loop.epochs, self._steps_per_epoch
            )
            for group in self._optimizer.param_groups:
                group["lr"] = self._recipe.learning_rate * factor
            losses.append(self._step(self._task.augment(self._make_batch(index))))
            if self._average is not None:
                self._average.update(self._task.network)
            step += 1
        mean: Any = self._fabric.all_reduce(torch.stack(losses).mean(), reduce_op="mean")
        return float(mean)

    def _step(self, batch: Batch) -> Tensor:
        """One change of the weights; returns this process's part of the batch's loss."""
        world = self._fabric.world_size
        parts = cut_batch(len(batch.features), self._loop.micro_batch, world)
        mine = parts[self._fabric.global_rank :: world]
        total = torch.zeros((), device=batch.features.device)
        self._optimizer.zero_grad()
        for i, part in enumerate(mine):
            # One part alone moves the running statistics: the same one, whoever computes it.
            set_momentum(self._task.network, BN_MOMENTUM if i == 0 else 0.0)
            is_last = i == len(mine) - 1
            with self._fabric.no_backward_sync(self._model, enabled=world > 1 and not is_last):
                logits = self._forward(
                    batch.features[part], batch.city[part], batch.time[part], self._model
                )
                loss = F.cross_entropy(logits, batch.target[part], reduction="sum")
                loss = loss * (world / len(batch.features))
                self._fabric.backward(loss)
            total += loss.detach()
        self._optimizer.step()
        return total

    def _make_batch(self, index: Tensor) -> Batch:
        index = index.to(self._fabric.device)
        features, city, time_of_day = (values[index] for values in self._examples)
        smoothing = self._loop.label_smoothing
        target = self._target[index]
        target = target * (1.0 - smoothing) + smoothing / target.shape[1]
        batch = Batch(features.float(), city, time_of_day, target)
        return hide_context(batch, self._loop.unknown_city_share, self._loop.unknown_time_share)

    def _forward(
        self, features: Tensor, city: Tensor, time_of_day: Tensor, model: nn.Module
    ) -> Tensor:
        context = (city, time_of_day) if self._task.network.config.uses_context else ()
        logits: Tensor = model(features, *context)
        return logits

    def _validate(self) -> float | None:
        """Macro recall over true labels, counted afresh; one process decides for all."""
        windows = self._task.validation
        if windows is None:
            return None
        meter = ConfusionMeter(self._task.network.config.num_scenes)
        network = self._task.network
        predicted = predict(network, network, windows, self._fabric.device).argmax(dim=1)
        meter.update(windows.label, predicted.numpy())
        return float(self._fabric.broadcast(meter.macro_recall))

    @contextmanager
    def _averaged(self) -> Iterator[None]:
        """Put the averaged weights into the network, where they are kept, for a while."""
        if self._average is None:
            yield
            return
        live = copy_weights(self._task.network)
        self._task.network.load_state_dict(self._average.values)
        try:
            yield
        finally:
            self._task.network.load_state_dict(live)


def set_momentum(network: nn.Module, momentum: float) -> None:
    """Let batch normalisation learn its running statistics at this rate; 0 = not at all."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = momentum


def fit(
    trainer: Trainer,
    *,
    writer: SummaryWriter | None,
    on_epoch: Callable[[Trainer], None],
) -> Fitted:
    """Run `trainer` to its end; `on_epoch` is called after every epoch, to keep what matters.

    `writer` takes the curves; only the first process has one.
    """
    started = time.monotonic()
    while not trainer.is_finished:
        loss, value = trainer.run_epoch()
        _report(writer, trainer, loss, value, time.monotonic() - started)
        on_epoch(trainer)
    return trainer.fitted(time.monotonic() - started)


def make_writer(folder: Path) -> SummaryWriter:
    """Open a TensorBoard log in `folder`."""
    # This empty module is TensorBoard's own switch for "use no tensorflow": where tensorflow is
    # installed (for the export), it would be loaded for nothing, in five seconds.
    sys.modules.setdefault("tensorboard.compat.notf", ModuleType("notf"))
    from torch.utils.tensorboard import SummaryWriter

    return SummaryWriter(str(folder))


def one_hot(label: npt.NDArray[np.int64], num_scenes: int) -> npt.NDArray[np.float32]:
    """Targets, shape (N, num_scenes), of true labels, shape (N,)."""
    return np.eye(num_scenes, dtype=np.float32)[label]


def predict(
    model: nn.Module, network: SceneNetwork, windows: Windows, device: torch.device
) -> Tensor:
    """Return logits, shape (N, num_scenes), on the CPU; `model` is `network` or a wrapper of it."""
    model.eval()
    logits = []
    with torch.no_grad():
        for begin in range(0, len(windows), PREDICTION_BATCH):
            some = windows.take(np.arange(begin, min(begin + PREDICTION_BATCH, len(windows))))
            features, *context = _to_device(some, device)
            inputs = context if network.config.uses_context else []
            logits.append(model(features.float(), *inputs))
    return torch.cat(logits).float().cpu()


def _to_device(windows: Windows, device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    """Features (N, 1, T, M), city (N, C) and time (N, 8) as tensors."""
    return (
        torch.from_numpy(windows.features).unsqueeze(1).to(device),
        torch.from_numpy(windows.city).to(device),
        torch.from_numpy(windows.time).to(device),
    )


def _report(
    writer: SummaryWriter | None,
    trainer: Trainer,
    loss: float,
    value: float | None,
    seconds: float,
) -> None:
    """Write an epoch's figures to TensorBoard and stderr."""
    if writer is None:
        return
    epoch = trainer.epoch
    writer.add_scalar("train/loss", loss, epoch)
    writer.add_scalar("train/learning_rate", trainer.learning_rate, epoch)
    line = f"epoch {epoch}: loss {loss:.3f}"
    if value is not None:
        writer.add_scalar("validation/macro_recall", value, epoch)
        line += f", validation macro recall {100.0 * value:.1f} %"
    print(f"{line} ({seconds:.0f} s)", file=sys.stderr)
