"""Trained networks and their windows on disk, in safetensors files.

A safetensors file is a JSON header and raw tensors: reading one runs no code, unlike a pickle.
All that is not a tensor lies in the header under one key, `edge_asc`, as JSON.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file as save_numpy_file
from safetensors.torch import save_file as save_torch_file

from edge_asc.atomic import atomic_path
from edge_asc.errors import CheckpointError
from edge_asc.features import FeatureConfig
from edge_asc.training.models import NetworkConfig, SceneNetwork, build

SCHEMA_VERSION = 1
METADATA_KEY = "edge_asc"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A trained network with all that is needed to use, export and describe it."""

    state_dict: dict[str, torch.Tensor]
    network: NetworkConfig
    features: FeatureConfig
    scenes: tuple[str, ...]
    cities: tuple[str, ...]
    """Cities of the table's rows, without the last row, which stands for any other city."""
    trained_cities: tuple[str, ...]
    """Those that a training clip came from."""
    window_s: float
    mel_mean: tuple[float, ...]
    mel_std: tuple[float, ...]
    standardized_range: tuple[float, float]
    recipe: dict[str, Any]
    versions: dict[str, str]
    metrics: dict[str, Any]
    name: str
    licence: str
    temperature: float = 1.0
    """Logits are divided by it before the softmax, so that confidence means what it says."""

    def build_network(self) -> SceneNetwork:
        """Return the network with its weights, in evaluation mode."""
        network = build(self.network)
        network.load_state_dict(self.state_dict)
        return network.eval()


@dataclass(frozen=True, slots=True)
class Windows:
    """Windows as the network takes them."""

    features: npt.NDArray[np.floating[Any]]
    """Standardised log-mel, shape (N, T, M), float16 or float32."""
    city: npt.NDArray[np.float32]
    """One-hot, shape (N, num_cities + 1)."""
    time: npt.NDArray[np.float32]
    """shape (N, 8)"""
    label: npt.NDArray[np.int64]
    """Index of the scene, shape (N,); -1 where there is none."""
    group: list[str]
    """What the window was cut from (recording, visit), N names."""

    def __post_init__(self) -> None:
        lengths = {name: len(getattr(self, name)) for name in _WINDOW_PARTS}
        if len(set(lengths.values())) != 1:
            raise ValueError(f"all parts of Windows must have one length, got {lengths}")

    def __len__(self) -> int:
        return len(self.label)

    def take(self, indices: npt.NDArray[np.int64]) -> Windows:
        """Return the windows at `indices`."""
        return Windows(
            features=self.features[indices],
            city=self.city[indices],
            time=self.time[indices],
            label=self.label[indices],
            group=[self.group[i] for i in indices],
        )

    def join(self, other: Windows) -> Windows:
        """Return these windows, then the `other` ones."""
        return Windows(
            features=np.concatenate([self.features, other.features]),
            city=np.concatenate([self.city, other.city]),
            time=np.concatenate([self.time, other.time]),
            label=np.concatenate([self.label, other.label]),
            group=self.group + other.group,
        )


_WINDOW_PARTS = tuple(field.name for field in fields(Windows))


class WindowSets(NamedTuple):
    """What a training run keeps of its data for the export."""

    calibration: Windows
    """A seeded draw of training windows: they set the int8 ranges."""
    test: Windows
    """Windows that were not trained on: they judge the exported model."""


def save_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Write `checkpoint` to `path` (`.safetensors`), whole or not at all."""
    facts = {
        name: getattr(checkpoint, name)
        for name in (field.name for field in fields(Checkpoint))
        if name not in ("state_dict", "network", "features")
    }
    facts["network"] = checkpoint.network.to_dict()
    facts["features"] = checkpoint.features.to_dict()
    write_file(path, "checkpoint", facts, checkpoint.state_dict)


def load_checkpoint(path: Path) -> Checkpoint:
    """Read a checkpoint and check that its weights fit the network that it describes.

    Raises:
        CheckpointError: missing, truncated, not a checkpoint, written by a later version, or
            its weights belong to another architecture.
    """
    facts, tensors = read_file(path, "checkpoint")
    try:
        checkpoint = Checkpoint(
            state_dict=tensors,
            network=NetworkConfig(**facts.pop("network")),
            features=FeatureConfig.from_dict(facts.pop("features")),
            **_with_tuples(facts),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise CheckpointError(
            f"{path}: the checkpoint's description is damaged: {error}"
        ) from error
    _check_architecture(path, checkpoint)
    return checkpoint


def save_windows(path: Path, *, calibration: Windows, test: Windows) -> None:
    """Write both sets to `path` (`.safetensors`), features as float16 to halve the file."""
    tensors: dict[str, npt.NDArray[Any]] = {}
    groups = {}
    for set_name, windows in (("calibration", calibration), ("test", test)):
        groups[set_name] = windows.group
        tensors[f"{set_name}.features"] = windows.features.astype(np.float16)
        for part in ("city", "time", "label"):
            tensors[f"{set_name}.{part}"] = np.ascontiguousarray(getattr(windows, part))
    with atomic_path(path) as temporary:
        save_numpy_file(tensors, temporary, metadata=_header("windows", {"groups": groups}))


def load_windows(path: Path) -> WindowSets:
    """Read what `save_windows` wrote; features come back as float32.

    Raises:
        CheckpointError: missing, truncated, no windows file, or written by a later version.
    """
    facts, tensors = read_file(path, "windows", framework="np")
    try:
        sets = {
            name: Windows(
                features=tensors[f"{name}.features"].astype(np.float32),
                city=tensors[f"{name}.city"],
                time=tensors[f"{name}.time"],
                label=tensors[f"{name}.label"],
                group=list(facts["groups"][name]),
            )
            for name in WindowSets._fields
        }
    except (KeyError, ValueError) as error:
        raise CheckpointError(f"{path}: the windows file is incomplete: {error}") from error
    return WindowSets(**sets)


def _with_tuples(facts: Mapping[str, Any]) -> dict[str, Any]:
    """JSON has no tuples; all lists at the top of a checkpoint's facts were tuples."""
    return {name: tuple(v) if isinstance(v, list) else v for name, v in facts.items()}


def _header(kind: str, facts: Mapping[str, Any]) -> dict[str, str]:
    description = {"kind": kind, "schema_version": SCHEMA_VERSION, **facts}
    return {METADATA_KEY: json.dumps(description, sort_keys=True)}


def write_file(
    path: Path, kind: str, facts: Mapping[str, Any], tensors: Mapping[str, torch.Tensor]
) -> None:
    """Write a safetensors file of this `kind`, whole or not at all; `facts` are JSON values."""
    contiguous = {name: tensor.cpu().contiguous() for name, tensor in tensors.items()}
    with atomic_path(path) as temporary:
        save_torch_file(contiguous, temporary, metadata=_header(kind, facts))


def read_file(
    path: Path, kind: str, framework: str = "pt"
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Read the facts and the tensors of a safetensors file of this `kind`.

    Raises:
        CheckpointError: missing, truncated, of another kind, or written by a later version.
    """
    if not path.is_file():
        raise CheckpointError(
            f"{path}: no such file; give a {kind} file (.safetensors) of a training run"
        )
    try:
        with safe_open(path, framework=framework) as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except SafetensorError as error:
        raise CheckpointError(
            f"{path}: not a whole safetensors file ({error}); it may be truncated: copy it again"
        ) from error
    return _check_header(path, kind, metadata), tensors


def _check_header(path: Path, kind: str, metadata: Mapping[str, str]) -> dict[str, Any]:
    if METADATA_KEY not in metadata:
        raise CheckpointError(f"{path}: a safetensors file, but not written by edge-asc train")
    facts: dict[str, Any] = json.loads(metadata[METADATA_KEY])
    version = facts.pop("schema_version")
    if version > SCHEMA_VERSION:
        raise CheckpointError(
            f"{path}: has schema version {version}, this edge-asc reads up to {SCHEMA_VERSION}: "
            "install a newer edge-asc"
        )
    found = facts.pop("kind")
    if found != kind:
        raise CheckpointError(f"{path}: holds {found!r}, expected {kind!r}")
    return facts


def _check_architecture(path: Path, checkpoint: Checkpoint) -> None:
    with torch.device("meta"):
        expected = {n: tuple(t.shape) for n, t in build(checkpoint.network).state_dict().items()}
    found = {name: tuple(tensor.shape) for name, tensor in checkpoint.state_dict.items()}
    if found == expected:
        return
    different = sorted(n for n in expected | found if expected.get(n) != found.get(n))
    examples = "; ".join(
        f"{n}: expected {expected.get(n, 'none')}, found {found.get(n, 'none')}"
        for n in different[:3]
    )
    raise CheckpointError(
        f"{path}: the weights belong to another architecture than the described "
        f"{checkpoint.network.variant!r} network with fusion {checkpoint.network.fusion!r}: "
        f"{len(different)} tensors differ ({examples})"
    )
