"""The paper's three stages: train on the labelled clips, label the others, train on both.

```
labelled windows -------------------> stage 1 -> network
unlabelled windows -> network -> soft targets (stage 2) -.
labelled windows -> one-hot targets ---------------------+-> stage 3 -> network
```
Unlabelled windows come from the training side of the split alone, and never from a group that
validates. Validation counts true labels only, in every stage.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch
from lightning_fabric import Fabric
from torch import nn

from edge_asc.errors import DataError
from edge_asc.training.augment import Batch
from edge_asc.training.checkpoint import Windows
from edge_asc.training.loop import Fitted, Task, Trainer, fit, one_hot, predict
from edge_asc.training.models import SceneNetwork, build
from edge_asc.training.optimization import StateDict
from edge_asc.training.recipe import Recipe, SemiRecipe
from edge_asc.training.training_state import load_state, save_state

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

Array = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class StageData:
    """What the stages of one split train on."""

    train: Windows
    weights: npt.NDArray[np.float64] | None
    validation: Windows | None
    augment: Callable[[Batch], Batch]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a stage keeps what it makes, and what its state is about."""

    folder: Path
    stage: int
    run: Mapping[str, Any]
    """Recipe, split and data: what a resumed run must share."""
    resume: bool
    writer: SummaryWriter | None

    @property
    def identity(self) -> dict[str, Any]:
        """The run and the stage."""
        return {**self.run, "stage": self.stage}

    @property
    def state_path(self) -> Path:
        """The state after the last epoch, for `--resume`."""
        return self.folder / f"last-stage{self.stage}.safetensors"


def run_stage(
    fabric: Fabric,
    task: Task,
    recipe: Recipe,
    place: Place,
    on_best: Callable[[StateDict, int], None],
) -> Fitted:
    """Train `task` to its end, from where it was interrupted if there is a state to resume."""
    # All processes draw alike: they augment the same batches and share out their parts.
    torch.manual_seed(recipe.loop.seed + place.stage)
    trainer = Trainer(fabric, task, recipe.optimizer, recipe.loop)
    if place.resume and place.state_path.is_file():
        trainer.restore(load_state(place.state_path, place.identity))

    def keep(trainer: Trainer) -> None:
        if fabric.is_global_zero:
            if trainer.has_new_best:
                on_best(trainer.best, trainer.epoch)
            save_state(place.state_path, trainer.state(), place.identity)

    return fit(trainer, writer=place.writer, on_epoch=keep)


def resume_random(place: Place) -> None:
    """Set torch's generator to where it stood when the finished stage at `place` ended.

    Raises:
        CheckpointError: its state is gone, or of another run.
    """
    torch.set_rng_state(load_state(place.state_path, place.identity).random)


def first_stage(network: SceneNetwork, data: StageData, frozen: nn.Module | None) -> Task:
    """Stage 1: the labelled windows."""
    return Task(
        network=network,
        train=data.train,
        target=one_hot(data.train.label, network.config.num_scenes),
        weights=data.weights,
        augment=data.augment,
        validation=data.validation,
        frozen=frozen,
    )


def pseudo_label(
    fabric: Fabric, network: SceneNetwork, unlabelled: Windows, semi: SemiRecipe
) -> tuple[Windows, Array]:
    """Stage 2: what `network` makes of the unlabelled windows, as soft targets (N, num_scenes).

    Windows that it is less sure of than `semi.threshold` are left out.

    Raises:
        DataError: none is left.
    """
    logits = predict(network, network, unlabelled, fabric.device)
    target = np.asarray(torch.softmax(logits, dim=1).numpy(), np.float32)
    sure = np.flatnonzero(target.max(axis=1) >= semi.threshold)
    if len(sure) == 0:
        raise DataError(
            f"of no unlabelled window the network is as sure as semi.threshold = "
            f"{semi.threshold:g}; the surest has {target.max():.2f}: lower the threshold"
        )
    return unlabelled.take(sure), target[sure]


def joint_stage(
    network: SceneNetwork,
    data: StageData,
    pseudo: Windows,
    target: Array,
    semi: SemiRecipe,
    frozen: nn.Module | None,
) -> Task:
    """Stage 3: labelled and pseudo-labelled windows together."""
    num_scenes = network.config.num_scenes
    if semi.restart:
        network.load_state_dict(build(network.config).state_dict())
    return Task(
        network=network,
        train=data.train.join(pseudo),
        target=np.concatenate([one_hot(data.train.label, num_scenes), target]),
        weights=joint_weights(data.weights, len(data.train), target, semi),
        augment=data.augment,
        validation=data.validation,
        frozen=frozen,
    )


def joint_weights(
    weights: npt.NDArray[np.float64] | None, num_labelled: int, target: Array, semi: SemiRecipe
) -> npt.NDArray[np.float64] | None:
    """How often stage 3 draws each window, labelled ones first; None: each once an epoch."""
    if weights is None and not semi.balance and semi.labelled_share == 0.0:
        return None
    own = np.full(num_labelled, 1.0) if weights is None else weights * num_labelled
    given = target.argmax(axis=1)
    others = np.ones(len(target))
    if semi.balance:
        counts = np.bincount(given, minlength=target.shape[1])
        others = len(target) / (np.count_nonzero(counts) * counts[given])
    share = semi.labelled_share or num_labelled / (num_labelled + len(target))
    parts = own / own.sum() * share, others / others.sum() * (1.0 - share)
    joined: npt.NDArray[np.float64] = np.concatenate(parts)
    return joined


def third_stage_recipe(recipe: Recipe) -> Recipe:
    """The recipe as stage 3 runs it: its own length and learning rate."""
    return replace(
        recipe,
        loop=replace(recipe.loop, epochs=recipe.semi.epochs),
        optimizer=replace(recipe.optimizer, learning_rate=recipe.semi.learning_rate),
    )
