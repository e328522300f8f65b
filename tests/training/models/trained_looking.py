"""Networks with weights and statistics as after training, and windows in every context."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from edge_asc.context import SceneContext
from edge_asc.training.models.config import Fusion, NetworkConfig, Variant
from edge_asc.training.models.folding import Inputs
from edge_asc.training.models.mobile_asc_net import MobileASCNet

FEATURE_RANGE = (-3.0, 2.5)
NUM_CITIES = 5


def make_config(variant: Variant, fusion: Fusion, num_frames: int = 100) -> NetworkConfig:
    """`edge` works in cells of a second, `paper` on the whole window."""
    cell_frames = 50 if variant == "edge" else None
    return NetworkConfig(variant, fusion, 4, NUM_CITIES, num_frames, cell_frames=cell_frames)


def make_network(config: NetworkConfig, inputs: list[Inputs], seed: int = 0) -> MobileASCNet:
    """Norms have gains, offsets and the statistics of `inputs`, those in the first batch twice."""
    torch.manual_seed(seed)
    network = MobileASCNet(config).train()
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.weight.uniform_(0.5, 1.5)
                module.bias.normal_(0.0, 0.3)
        for batch in [inputs[0], *inputs]:
            network(*batch)
    return network.eval()


def draw_inputs(config: NetworkConfig, batches: int = 3, seed: int = 1) -> list[Inputs]:
    """Batches of 8 windows with a mean and a slope over the mels; city and time any or unknown."""
    random = np.random.default_rng(seed)

    def batch() -> Inputs:
        noise = random.standard_normal((8, 1, config.num_frames, config.num_mels))
        level = random.normal(0.0, 0.5, (8, 1, 1, 1)) + np.linspace(0.8, -0.8, config.num_mels)
        features = as_tensor((noise + level).clip(*FEATURE_RANGE))
        if not config.uses_context:
            return (features,)
        city = np.eye(config.num_cities)[random.integers(0, config.num_cities, 8)]
        angles = random.uniform(0.0, 2 * np.pi, (8, 4))
        time = np.stack([np.sin(angles), np.cos(angles)], axis=-1).reshape(8, 8)
        time[0] = SceneContext().encode_time()
        return features, as_tensor(city), as_tensor(time)

    return [batch() for _ in range(batches)]


def as_tensor(values: np.ndarray) -> Tensor:
    return torch.from_numpy(values.astype(np.float32))
