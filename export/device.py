"""The network that is exported: the checkpoint's own where training bounded it, else made here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from edge_asc.errors import ExportError
from edge_asc.export.onnx import require_exportable
from edge_asc.training.checkpoint import Checkpoint, Windows
from edge_asc.training.models import DeviceNet
from edge_asc.training.models.calibration_inputs import calibration_inputs
from edge_asc.training.models.folding import all_but, fold
from edge_asc.training.models.weight_rounding import round_weights

CLIP_SHARE = 1e-4
"""For a network that was not bounded in training: then float does not cut off what int8 does, and
less may be cut off than the recipes' 1e-3 (docs/quantization.md)."""


@dataclass(frozen=True, slots=True)
class DeviceNetwork:
    """What is converted, and what to write about its ranges into the manifest."""

    network: DeviceNet
    is_checkpoint: bool
    """Whether it computes what the checkpoint does; else int8 has a network of its own"""
    facts: dict[str, Any]


def device_network(
    checkpoint: Checkpoint, calibration: Windows, *, integer: bool, seed: int
) -> DeviceNetwork:
    """The checkpoint's network as a DeviceNet: for integers bounded and rounded, else the same.

    `calibration` are training windows; a network that is bounded already needs none.

    Raises:
        ExportError: a network of this variant cannot be exported, or `calibration` is empty.
    """
    network = require_exportable(checkpoint.build_network())
    if isinstance(network, DeviceNet):
        share = checkpoint.recipe.get("int8", {}).get("clip_share")
        return DeviceNetwork(network, True, {"bounded_in": "training", "clip_share": share})
    if len(calibration) == 0:
        raise ExportError(
            "the training run kept no windows to calibrate by; train again, or with an [int8]"
            " section in the recipe, which bounds the network itself"
        )
    trained = [checkpoint.cities.index(name) for name in checkpoint.trained_cities]
    inputs = calibration_inputs(
        network.config, calibration.features, calibration.city, calibration.time, trained, seed
    )
    limits = checkpoint.standardized_range
    if not integer:
        return DeviceNetwork(fold(network, inputs, limits, None), True, {})
    device = fold(network, inputs, limits, all_but(CLIP_SHARE))
    round_weights(device, inputs, seed)
    facts = {
        "bounded_in": "export",
        "clip_share": CLIP_SHARE,
        "seed": seed,
        "windows": sum(len(features) for features, *_ in inputs),
        "of_training_windows": len(calibration),
        "groups": len(set(calibration.group)),
    }
    return DeviceNetwork(device, False, facts)
