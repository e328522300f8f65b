"""Where a training run stands after an epoch, on disk, so that `--resume` goes on from there.

A safetensors file like a checkpoint. It remembers what the run was about (`identity`): another
recipe or other data are refused, with the difference.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from edge_asc.errors import CheckpointError
from edge_asc.training.checkpoint import read_file, write_file

KIND = "training state"
_MAX_DIFFERENCES = 5

Named = dict[str, Tensor]


@dataclass(frozen=True, slots=True)
class TrainingState:
    """All that the next epoch depends on."""

    epoch: int
    best_epoch: int
    best_score: float
    network: Named
    best: Named
    average: Named | None
    """The weights' moving average, where the recipe keeps one."""
    optimizer: dict[int, Named]
    order: Tensor
    """State of the generator that shuffles."""
    random: Tensor
    """State of torch's global generator: augmentation and dropout."""


def save_state(path: Path, state: TrainingState, identity: Mapping[str, Any]) -> None:
    """Write `state` to `path`, whole or not at all; `identity` is what the run is about (JSON)."""
    tensors = {"order": state.order, "random": state.random}
    tensors |= {f"network/{name}": value for name, value in state.network.items()}
    tensors |= {f"best/{name}": value for name, value in state.best.items()}
    tensors |= {f"average/{name}": value for name, value in (state.average or {}).items()}
    for index, values in state.optimizer.items():
        tensors |= {f"optimizer/{index}/{name}": value for name, value in values.items()}
    facts = {
        "epoch": state.epoch,
        "best_epoch": state.best_epoch,
        "best_score": state.best_score,
        "identity": dict(identity),
    }
    write_file(path, KIND, facts, tensors)


def load_state(path: Path, identity: Mapping[str, Any]) -> TrainingState:
    """Read the state of a run about the same thing.

    Raises:
        CheckpointError: no such file, damaged, or of another recipe, split or data.
    """
    facts, tensors = read_file(path, KIND)
    require_same(path, facts["identity"], identity)
    optimizer: dict[int, Named] = {}
    for key, value in _under("optimizer/", tensors):
        index, name = key.split("/", 1)
        optimizer.setdefault(int(index), {})[name] = value
    return TrainingState(
        epoch=facts["epoch"],
        best_epoch=facts["best_epoch"],
        best_score=facts["best_score"],
        network=dict(_under("network/", tensors)),
        best=dict(_under("best/", tensors)),
        average=dict(_under("average/", tensors)) or None,
        optimizer=optimizer,
        order=tensors["order"],
        random=tensors["random"],
    )


def require_same(path: Path, saved: object, wanted: object) -> None:
    """Raise CheckpointError, naming the differences, if `path` is about something else."""
    differences = list(_differences(saved, wanted))
    if differences:
        more = len(differences) - _MAX_DIFFERENCES
        raise CheckpointError(
            f"{path} is of another run and cannot be resumed as this one: "
            + "; ".join(differences[:_MAX_DIFFERENCES])
            + (f"; and {more} more" if more > 0 else "")
            + ". Give the same recipe, data and options, or another --out"
        )


def _under(prefix: str, tensors: Mapping[str, Tensor]) -> Iterator[tuple[str, Tensor]]:
    return (
        (name.removeprefix(prefix), value)
        for name, value in tensors.items()
        if name.startswith(prefix)
    )


def _differences(saved: object, wanted: object, where: str = "") -> Iterator[str]:
    """Where two trees of JSON values differ, as "loop.epochs: 60 there, 30 here"."""
    if isinstance(saved, Mapping) and isinstance(wanted, Mapping):
        for key in sorted(saved.keys() | wanted.keys()):
            inner = f"{where}.{key}" if where else str(key)
            yield from _differences(saved.get(key), wanted.get(key), inner)
    elif _plain(saved) != _plain(wanted):
        yield f"{where}: {saved!r} there, {wanted!r} here"


def _plain(value: object) -> object:
    """JSON has no tuples."""
    return [_plain(item) for item in value] if isinstance(value, (list, tuple)) else value
