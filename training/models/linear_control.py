"""A control that hears only how loud and how unsteady each mel band is."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from edge_asc.training.models.config import NetworkConfig
from edge_asc.training.models.scene_network import SceneNetwork


class LinearControl(SceneNetwork):
    """Logistic regression on mean and standard deviation over time of each mel band.

    Whatever a network reaches above it is worth having heard in order; what it reaches itself may
    be no more than a recorder's frequency response.
    """

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__(config)
        self.head = nn.Linear(2 * config.num_mels, config.num_scenes)

    def forward(
        self, features: Tensor, city: Tensor | None = None, time: Tensor | None = None
    ) -> Tensor:
        """Map windows (B, 1, T, M) to logits (B, num_scenes); `city` and `time` must be None."""
        self.refuse_context(city, time)
        bands = features[:, 0]  # (B, T, M)
        statistics = torch.cat((bands.mean(dim=1), bands.std(dim=1, correction=0)), dim=1)
        logits: Tensor = self.head(statistics)  # (B, 2 M) -> (B, num_scenes)
        return logits
