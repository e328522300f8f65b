"""What fixes a network's graph: its variant, its fusion with the context, its sizes. No torch."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

Variant = Literal["edge", "paper", "se_trans", "linear"]
Fusion = Literal["none", "early", "gated"]
Form = Literal["plain", "folded", "bounded"]
"""How `edge` and `paper` are written down: as they are trained, or as int8 computes them."""

BLOCK_CHANNELS = (32, 64, 128)
"""Channels that the three residual blocks of `edge` and `paper` give."""

FUSIONS: dict[Variant, tuple[Fusion, ...]] = {
    "edge": ("none", "early", "gated"),
    "paper": ("none", "early", "gated"),
    "se_trans": ("none", "early"),
    "linear": ("none",),
}
"""How each variant can join sound and context; "none" hears the sound alone."""

_MIN_SE_TRANS_FRAMES = 4
"""Two poolings by two must leave something, in frames and in mels."""


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
"""Blocks of the variants that have some."""


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
    """Frames in an independent cell (50 = one second); None = the network sees the whole window.
    Only `edge` and `paper` can work in cells."""
    form: Form = "plain"
    """"bounded": rearranged and bounded as int8 computes it; "folded": rearranged alone. `edge` and
    `paper` only (`device_net.py`)."""

    def __post_init__(self) -> None:
        if self.variant not in get_args(Variant):
            raise ValueError(f"variant must be one of {get_args(Variant)}, got {self.variant!r}")
        allowed = FUSIONS[self.variant]
        if self.fusion not in allowed:
            raise ValueError(
                f"fusion must be one of {allowed} for variant {self.variant!r}, got {self.fusion!r}"
            )
        if self.num_scenes < 2:
            raise ValueError(f"num_scenes must be at least 2, got {self.num_scenes}")
        if self.form not in get_args(Form):
            raise ValueError(f"form must be one of {get_args(Form)}, got {self.form!r}")
        if self.variant in BLOCKS:
            self._check_cells()
            return
        if self.form != "plain":
            raise ValueError(
                f"form must be 'plain' for variant {self.variant!r}, got {self.form!r}"
            )
        if self.cell_frames is not None:
            raise ValueError(
                f"cell_frames must be None for variant {self.variant!r}, got {self.cell_frames}"
            )
        if self.variant == "se_trans" and (
            min(self.num_frames, self.num_mels) < _MIN_SE_TRANS_FRAMES
        ):
            raise ValueError(
                f"a window of {self.num_frames} frames x {self.num_mels} mels is too small"
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
        """GRU steps from one cell (2 for `edge` and 50 frames). `edge` and `paper` only."""
        return self._output_length(self.frames_per_cell, axis=0)

    @property
    def num_steps(self) -> int:
        """GRU steps in a window. `edge` and `paper` only."""
        return self.num_frames // self.frames_per_cell * self.steps_per_cell

    @property
    def step_size(self) -> int:
        """Numbers in one GRU step: remaining mels x channels (1024 for 64 mels)."""
        return self._output_length(self.num_mels, axis=1) * BLOCK_CHANNELS[-1]

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as JSON types."""
        return asdict(self)

    def _check_cells(self) -> None:
        if self.num_frames % self.frames_per_cell != 0:
            raise ValueError(
                f"num_frames must be a multiple of cell_frames={self.cell_frames}, "
                f"got {self.num_frames}"
            )
        if self.steps_per_cell < 1 or self.step_size < BLOCK_CHANNELS[-1]:
            raise ValueError(
                f"a cell of {self.frames_per_cell} frames x {self.num_mels} mels is too small"
            )

    def _output_length(self, length: int, axis: int) -> int:
        for block in BLOCKS[self.variant]:
            length = block.output_length(length, axis)
        return length
