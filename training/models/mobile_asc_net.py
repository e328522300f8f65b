"""MobileASCNet: three residual blocks, a GRU, context, one scene.

```
features (B, 1, T, 64)   standardised log-mel
  |  cell mode: T frames -> T / 50 independent cells of one second
  v
block 1 -> block 2 -> block 3    x -> Conv - BN - ReLU - depthwise 3x3 - 1x1 - BN -(+)- ReLU
  v                                `-> shortcut: (AvgPool) - 1x1 - BN -------------'
steps (B, S, 8 mels * 128 channels)
  v
GRU 1024 -> 64, mean over the S steps -> fusion with city and time -> Linear -> logits
```
`paper` is a reconstruction consistent with the facts published in Li et al., PMLR v312 (2026),
figure 1 and table 3: widths, kernels, strides and GRU size are not published, so it is not the
authors' code. `edge` divides time by 25, exactly two GRU steps a second: a hop of one second is
a whole number of steps, and in cell mode a stream and a whole window give the same numbers.

The graph holds only Conv, BN, ReLU, AvgPool, Add, Mul, FC, Sigmoid, GRU, mean and reshapes that
read no tensor's shape, so that it converts to full int8.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from edge_asc.training.models.config import BLOCK_CHANNELS, BLOCKS, BlockSpec, NetworkConfig
from edge_asc.training.models.fusion import EMBEDDING_SIZE, ContextEmbedding, make_fusion
from edge_asc.training.models.scene_network import SceneNetwork

GRU_SIZE = 64


class ResidualBlock(nn.Module):
    """One residual block; convolutions have no bias because a BN follows."""

    def __init__(self, spec: BlockSpec, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(
                in_channels, out_channels, spec.kernel, spec.stride, spec.padding, bias=False
            ),
            nn.BatchNorm2d(out_channels),
            nn.ReLU(),
            nn.Conv2d(out_channels, out_channels, 3, padding=1, groups=out_channels, bias=False),
            nn.Conv2d(out_channels, out_channels, 1, bias=False),
            nn.BatchNorm2d(out_channels),
        )
        pool = nn.AvgPool2d(spec.stride) if spec.pooled_shortcut else nn.Identity()
        stride = (1, 1) if spec.pooled_shortcut else spec.stride
        self.shortcut = nn.Sequential(
            pool,
            nn.Conv2d(in_channels, out_channels, 1, stride, bias=False),
            nn.BatchNorm2d(out_channels),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, in_channels, T, M) to (N, out_channels, T', M')."""
        return torch.relu(self.body(x) + self.shortcut(x))


class MobileASCNet(SceneNetwork):
    """Acoustic scenes from standardised log-mel windows, with or without context."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__(config)
        channels = (1, *BLOCK_CHANNELS)
        self.blocks = nn.Sequential(
            *(
                ResidualBlock(spec, channels[i], channels[i + 1])
                for i, spec in enumerate(BLOCKS[config.variant])
            )
        )
        self.gru = nn.GRU(config.step_size, GRU_SIZE, batch_first=True)
        head_size = GRU_SIZE
        if config.uses_context:
            self.context = ContextEmbedding(config.num_cities)
            self.fusion = make_fusion(config.fusion, config.variant, GRU_SIZE + 2 * EMBEDDING_SIZE)
            head_size = self.fusion.output_size
        self.head = nn.Linear(head_size, config.num_scenes)

    def encode_cells(self, cells: Tensor) -> Tensor:
        """Map independent cells, shape (N, 1, frames_per_cell, M), to (N, steps_per_cell, 1024)."""
        maps: Tensor = self.blocks(cells)  # (N, 128, steps, 8)
        # Mel outside, channel inside: the layout of TFLite, where this reshape then costs nothing.
        return maps.permute(0, 2, 3, 1).reshape(
            -1, self.config.steps_per_cell, self.config.step_size
        )

    def encode(self, features: Tensor) -> Tensor:
        """Map windows, shape (B, 1, num_frames, M), to GRU steps, shape (B, num_steps, 1024)."""
        cells = features.reshape(-1, 1, self.config.frames_per_cell, self.config.num_mels)
        return self.encode_cells(cells).reshape(-1, self.config.num_steps, self.config.step_size)

    def classify(
        self, steps: Tensor, city: Tensor | None = None, time: Tensor | None = None
    ) -> Tensor:
        """Map steps (B, S, 1024), one-hot city (B, num_cities) and time (B, 8) to logits.

        Raises:
            ValueError: context is missing, or was given to a network without context.
        """
        sound = self.gru(steps)[0].mean(dim=1)  # (B, 64)
        if not self.config.uses_context:
            self.refuse_context(city, time)
            return self._logits(sound)
        context = self.context(*self.require_context(city, time))
        joined = torch.cat((sound, context), dim=1)  # (B, 96)
        return self._logits(self.fusion(joined))

    def _logits(self, joined: Tensor) -> Tensor:
        logits: Tensor = self.head(joined)
        return logits

    def forward(
        self, features: Tensor, city: Tensor | None = None, time: Tensor | None = None
    ) -> Tensor:
        """Map windows (B, 1, num_frames, M) and their context to logits (B, num_scenes)."""
        return self.classify(self.encode(features), city, time)
