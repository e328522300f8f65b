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

from dataclasses import asdict, dataclass
from typing import Any, get_args

import torch
from torch import Tensor, nn

from edge_asc.training.models.fusion import (
    EMBEDDING_SIZE,
    ContextEmbedding,
    Fusion,
    Variant,
    make_fusion,
)

GRU_SIZE = 64
BLOCK_CHANNELS = (32, 64, 128)


@dataclass(frozen=True, slots=True)
class BlockSpec:
    """Geometry of one residual block; pairs are (time, mel)."""

    kernel: tuple[int, int]
    stride: tuple[int, int]
    padding: tuple[int, int]
    pooled_shortcut: bool
    """True: average-pool by `stride`, then 1x1. False: 1x1 with that stride, which skips input."""

    def output_length(self, length: int, axis: int) -> int:
        """Number of outputs from `length` inputs along `axis` (0 = time, 1 = mel)."""
        return (length + 2 * self.padding[axis] - self.kernel[axis]) // self.stride[axis] + 1


_PAPER_BLOCK = BlockSpec((3, 3), (2, 2), (1, 1), pooled_shortcut=False)

BLOCKS: dict[Variant, tuple[BlockSpec, BlockSpec, BlockSpec]] = {
    "paper": (_PAPER_BLOCK, _PAPER_BLOCK, _PAPER_BLOCK),
    "edge": (
        BlockSpec((5, 3), (5, 2), (0, 1), pooled_shortcut=True),
        BlockSpec((5, 3), (5, 2), (0, 1), pooled_shortcut=True),
        BlockSpec((3, 3), (1, 2), (1, 1), pooled_shortcut=True),
    ),
}


@dataclass(frozen=True, slots=True)
class NetworkConfig:
    """Everything that fixes the network's graph and the shapes of its weights."""

    variant: Variant
    fusion: Fusion
    num_scenes: int
    num_cities: int
    """Rows of the city table, the last one for an unknown city."""
    num_frames: int
    """Frames in a window: 500 for 10 s."""
    num_mels: int = 64
    cell_frames: int | None = None
    """Frames in an independent cell (50 = one second); None = the blocks see the whole window."""

    def __post_init__(self) -> None:
        if self.variant not in get_args(Variant):
            raise ValueError(f"variant must be one of {get_args(Variant)}, got {self.variant!r}")
        if self.fusion not in get_args(Fusion):
            raise ValueError(f"fusion must be one of {get_args(Fusion)}, got {self.fusion!r}")
        if self.num_scenes < 2:
            raise ValueError(f"num_scenes must be at least 2, got {self.num_scenes}")
        if self.num_frames % self.frames_per_cell != 0:
            raise ValueError(
                f"num_frames must be a multiple of cell_frames={self.cell_frames}, "
                f"got {self.num_frames}"
            )
        if self.steps_per_cell < 1 or self.step_size < BLOCK_CHANNELS[-1]:
            raise ValueError(
                f"a cell of {self.frames_per_cell} frames x {self.num_mels} mels is too small"
            )

    @property
    def uses_context(self) -> bool:
        """Whether the network takes city and time."""
        return self.fusion != "none"

    @property
    def frames_per_cell(self) -> int:
        """Frames that the blocks see at once."""
        return self.num_frames if self.cell_frames is None else self.cell_frames

    @property
    def steps_per_cell(self) -> int:
        """GRU steps from one cell (2 for `edge` and 50 frames)."""
        return self._output_length(self.frames_per_cell, axis=0)

    @property
    def num_steps(self) -> int:
        """GRU steps in a window."""
        return self.num_frames // self.frames_per_cell * self.steps_per_cell

    @property
    def step_size(self) -> int:
        """Numbers in one GRU step: remaining mels x channels (1024 for 64 mels)."""
        return self._output_length(self.num_mels, axis=1) * BLOCK_CHANNELS[-1]

    def _output_length(self, length: int, axis: int) -> int:
        for block in BLOCKS[self.variant]:
            length = block.output_length(length, axis)
        return length

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as JSON types."""
        return asdict(self)


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


class MobileASCNet(nn.Module):
    """Acoustic scenes from standardised log-mel windows, with or without context."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.config = config
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
            if city is not None or time is not None:
                raise ValueError("this network has fusion='none': it takes no city and no time")
            return self._logits(sound)
        if city is None or time is None:
            raise ValueError(f"this network has fusion={self.config.fusion!r}: give city and time")
        joined = torch.cat((sound, self.context(city, time)), dim=1)  # (B, 96)
        return self._logits(self.fusion(joined))

    def _logits(self, joined: Tensor) -> Tensor:
        logits: Tensor = self.head(joined)
        return logits

    def forward(
        self, features: Tensor, city: Tensor | None = None, time: Tensor | None = None
    ) -> Tensor:
        """Map windows (B, 1, num_frames, M) and their context to logits (B, num_scenes)."""
        return self.classify(self.encode(features), city, time)


def count_parameters(network: nn.Module) -> int:
    """Number of trainable weights (running BN statistics are not counted)."""
    return sum(parameter.numel() for parameter in network.parameters())
