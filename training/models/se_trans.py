"""SE-Trans, the baseline of the APSIPA 2025 challenge, to compare with.

```
features (B, 1, T, 64)
  |  bn0 over the mel bands
  v
SE block 1 -> 64 -> SE block 64 -> 128    twice (Conv 3x3 - BN - SE - ReLU), then AvgPool 2x2
  v
adaptive average pooling to 16 x 1 -> 16 steps of 128
  v
one transformer layer (8 heads, feed-forward 32) -> max over the steps (B, 128)
  v
with city and time (32): Linear(160, 128) - ReLU -> Linear -> logits
```
After Bai et al., IEEE TCDS 15 (3), 2023, with the sizes of the challenge's baseline. The published
436,858 parameters (22 cities, 10 scenes; 415,754 for sound alone) include one transformer layer of
74,912 weights that takes no part in any result: the official module keeps the layer that it hands
to `nn.TransformerEncoder`, which computes with copies of it. The network that computes has 361,946
(340,842), and so has this one.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from edge_asc.training.models.config import NetworkConfig
from edge_asc.training.models.fusion import EMBEDDING_SIZE, ContextEmbedding
from edge_asc.training.models.scene_network import SceneNetwork

SE_CHANNELS = (64, 128)
SQUEEZE = 16
"""Times narrower that the middle of squeeze-and-excitation is than its channels."""

NUM_STEPS = 16
NUM_HEADS = 8
FEEDFORWARD_SIZE = 32
DROPOUT = 0.1


class MelNorm(nn.Module):
    """Batch normalisation of each mel band over clips and time."""

    def __init__(self, num_mels: int) -> None:
        super().__init__()
        self.bn0 = nn.BatchNorm2d(num_mels)

    def forward(self, features: Tensor) -> Tensor:
        """Map (B, 1, T, M) to the same shape."""
        normalised: Tensor = self.bn0(features.transpose(1, 3)).transpose(1, 3)
        return normalised


class SqueezeExcitation(nn.Module):
    """Weighs each channel by what all channels are on average."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(channels, channels // SQUEEZE, bias=False),
            nn.ReLU(),
            nn.Linear(channels // SQUEEZE, channels, bias=False),
            nn.Sigmoid(),
        )

    def forward(self, maps: Tensor) -> Tensor:
        """Map (B, C, T, M) to the same shape."""
        weights: Tensor = self.layers(maps.mean(dim=(2, 3)))  # (B, C)
        return maps * weights[:, :, None, None]


class SEBlock(nn.Sequential):
    """Twice convolution, BN, squeeze-and-excitation and ReLU; then half the frames and mels."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        layers: list[nn.Module] = []
        for inputs in (in_channels, out_channels):
            convolution = nn.Conv2d(inputs, out_channels, 3, padding=1, bias=False)
            nn.init.xavier_uniform_(convolution.weight)
            squeeze = SqueezeExcitation(out_channels)
            layers += [convolution, nn.BatchNorm2d(out_channels), squeeze, nn.ReLU()]
        super().__init__(*layers, nn.AvgPool2d(2))


class SETrans(SceneNetwork):
    """The challenge's baseline: squeeze-and-excitation convolutions and one transformer layer."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__(config)
        size = SE_CHANNELS[-1]
        self.blocks = nn.Sequential(
            MelNorm(config.num_mels), SEBlock(1, SE_CHANNELS[0]), SEBlock(*SE_CHANNELS)
        )
        self.pool = nn.AdaptiveAvgPool2d((NUM_STEPS, 1))
        layer = nn.TransformerEncoderLayer(
            size, NUM_HEADS, FEEDFORWARD_SIZE, DROPOUT, batch_first=True
        )
        self.encoder = nn.TransformerEncoder(layer, num_layers=1, enable_nested_tensor=False)
        if config.uses_context:
            self.context = ContextEmbedding(config.num_cities)
            self.fusion = _linear(size + 2 * EMBEDDING_SIZE, size)
            _start_as_xavier(self.context.time_layer)
        self.head = _linear(size, config.num_scenes)

    def forward(
        self, features: Tensor, city: Tensor | None = None, time: Tensor | None = None
    ) -> Tensor:
        """Map windows (B, 1, T, M) and their context to logits (B, num_scenes).

        Raises:
            ValueError: context is missing, or was given to a network without context.
        """
        maps = self.pool(self.blocks(features))  # (B, 128, 16, 1)
        steps = maps.flatten(2).transpose(1, 2)  # (B, 16, 128)
        vector = self.encoder(steps).amax(dim=1)  # (B, 128)
        if self.config.uses_context:
            context = self.context(*self.require_context(city, time))  # (B, 32)
            vector = torch.relu(self.fusion(torch.cat((vector, context), dim=1)))
        else:
            self.refuse_context(city, time)
        logits: Tensor = self.head(vector)
        return logits


def _linear(in_size: int, out_size: int) -> nn.Linear:
    layer = nn.Linear(in_size, out_size)
    _start_as_xavier(layer)
    return layer


def _start_as_xavier(layer: nn.Linear) -> None:
    nn.init.xavier_uniform_(layer.weight)
    nn.init.zeros_(layer.bias)
