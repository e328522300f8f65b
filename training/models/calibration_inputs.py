"""Which windows set the ranges of an int8 network, and in which context."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from edge_asc.context import SceneContext
from edge_asc.training.models.config import NetworkConfig
from edge_asc.training.models.folding import Inputs

NUM_WINDOWS = 512
"""Too few miss rare peaks: 200 random cells gave an encoder range of 13.6 where others reach
19.9."""

BATCH = 64

Array = npt.NDArray[np.float32]


def calibration_inputs(
    config: NetworkConfig,
    features: npt.NDArray[np.floating[Any]],
    city: Array,
    time: Array,
    trained_cities: list[int],
    seed: int,
) -> list[Inputs]:
    """Draw up to 512 windows, seeded, in batches as the network of `config` takes them.

    `features` has shape (N, T, M), `city` (N, C), `time` (N, 8); `trained_cities` are the columns
    of `city` that a training clip set. Every second window gets a context anew: every city in turn,
    any time, both also unknown. So every context that a device can meet lies within the ranges:
    ranges from one hour of the day break at the next.
    """
    random = np.random.default_rng(seed)
    chosen = np.sort(random.permutation(len(features))[:NUM_WINDOWS])
    windows = torch.from_numpy(features[chosen].astype(np.float32)).unsqueeze(1)
    parts = [windows]
    if config.uses_context:
        spread = _spread_context(city[chosen], time[chosen], trained_cities, random)
        parts += [torch.from_numpy(values) for values in spread]
    return [
        tuple(part[begin : begin + BATCH] for part in parts)
        for begin in range(0, len(windows), BATCH)
    ]


def _spread_context(
    city: Array, time: Array, trained_cities: list[int], random: np.random.Generator
) -> tuple[Array, Array]:
    count, unknown = len(city[1::2]), city.shape[1] - 1
    columns = random.permutation(np.resize([*trained_cities, unknown], count))
    city[1::2] = np.eye(city.shape[1], dtype=np.float32)[columns]
    angles = random.uniform(0, 2 * np.pi, (count, time.shape[1] // 2))
    time[1::2] = np.stack([np.sin(angles), np.cos(angles)], axis=-1).reshape(count, time.shape[1])
    time[1:2] = SceneContext().encode_time()
    return city, time
