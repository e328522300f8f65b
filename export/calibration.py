"""Which inputs set the ranges of an int8 network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from edge_asc.context import SceneContext
from edge_asc.export.onnx import require_exportable
from edge_asc.training.checkpoint import Checkpoint, Windows

Array = npt.NDArray[np.float32]

NUM_WINDOWS = 256
"""Too few miss rare peaks: 200 random cells gave an encoder range of 13.6 where others reach
19.9."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """Inputs for each part in TFLite's layout, and what to write about them into the manifest."""

    inputs: dict[str, dict[str, Array]]
    facts: dict[str, Any]


def draw_calibration(checkpoint: Checkpoint, windows: Windows, seed: int) -> Calibration:
    """Draw up to 256 of the training `windows`, seeded; the float encoder gives the head's inputs.

    Half of them keep their own city and time; the others draw these anew, so that every context
    that a device can meet lies within the calibrated range: ranges from one hour of the day break
    at the next.
    """
    random = np.random.default_rng(seed)
    chosen = np.sort(random.permutation(len(windows))[:NUM_WINDOWS])
    drawn = windows.take(chosen)
    network = require_exportable(checkpoint.build_network())
    features = drawn.features[:, None]
    with torch.no_grad():
        steps = network.encode(torch.from_numpy(features)).numpy()
    context = _spread_context(checkpoint, drawn, random) if network.config.uses_context else {}
    whole = {"features": drawn.features[..., None], **context}
    inputs = {"whole": whole}
    if network.config.cell_frames is not None:
        cells = drawn.features.reshape(-1, network.config.cell_frames, network.config.num_mels, 1)
        inputs |= {"encoder": {"features": cells}, "head": {"steps": steps, **context}}
    facts = {
        "seed": seed,
        "windows": len(drawn),
        "of_training_windows": len(windows),
        "groups": len(set(drawn.group)),
        "method": "min/max",
        "feature_range": [float(drawn.features.min()), float(drawn.features.max())],
    }
    return Calibration(inputs, facts)


def _spread_context(
    checkpoint: Checkpoint, windows: Windows, random: np.random.Generator
) -> dict[str, Array]:
    city, time = windows.city.copy(), windows.time.copy()
    known = [checkpoint.cities.index(name) for name in checkpoint.trained_cities]
    rows = np.array([*known, len(checkpoint.cities)])
    anew = np.arange(len(windows)) % 2 == 1
    city[anew] = np.eye(len(checkpoint.cities) + 1, dtype=np.float32)[
        random.choice(rows, anew.sum())
    ]
    angles = random.uniform(0, 2 * np.pi, (int(anew.sum()), time.shape[1] // 2))
    time[anew] = np.stack([np.sin(angles), np.cos(angles)], axis=-1).reshape(len(angles), -1)
    time[1] = SceneContext().encode_time()
    return {"city": city, "time": time}
