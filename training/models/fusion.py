"""Ways to join what was heard with where and when it was heard.

```
sound (B, 64) ----------------------.
city one-hot (B, C) @ table (C, 16) -+- concatenate -> v (B, 96) -> fusion -> (B, 96 or 128)
time (B, 8) -> Linear -> ReLU (16) -'
```
The city is a one-hot row times the embedding table rather than a look-up by index: the same
numbers, but a plain matrix product that survives int8 conversion and needs no gather on a
microcontroller. Figure 1 of the paper draws an embedding for the time and a linear layer for the
city; an index and eight real numbers only make sense the other way round, as here.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from edge_asc.context import TIME_FEATURES
from edge_asc.training.models.config import Fusion, Variant

EMBEDDING_SIZE = 16
"""Width of the city's and of the time's embedding (each)."""

EARLY_FUSION_SIZE = 128
"""Width of both layers of early fusion."""


class ContextEmbedding(nn.Module):
    """City and time as one vector of 2 x `EMBEDDING_SIZE` numbers."""

    def __init__(self, num_cities: int) -> None:
        super().__init__()
        # Normal(0, 1) like nn.Embedding, which this table replaces.
        self.city_table = nn.Parameter(torch.randn(num_cities, EMBEDDING_SIZE))
        self.time_layer = nn.Linear(TIME_FEATURES, EMBEDDING_SIZE)

    def forward(self, city: Tensor, time: Tensor) -> Tensor:
        """Embed `city`, shape (B, num_cities), and `time`, shape (B, 8); returns (B, 32)."""
        return torch.cat((city @ self.city_table, torch.relu(self.time_layer(time))), dim=1)


class EarlyFusion(nn.Module):
    """Linear - ReLU - Linear - ReLU on the concatenation."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.output_size = EARLY_FUSION_SIZE
        self.layers = nn.Sequential(
            nn.Linear(size, EARLY_FUSION_SIZE),
            nn.ReLU(),
            nn.Linear(EARLY_FUSION_SIZE, EARLY_FUSION_SIZE),
            nn.ReLU(),
        )

    def forward(self, joined: Tensor) -> Tensor:
        """Map `joined`, shape (B, size), to (B, 128)."""
        mapped: Tensor = self.layers(joined)
        return mapped


class GatedFusion(nn.Module):
    """`v * (1 - sigmoid(FC1 v)) + FC2(v) * sigmoid(FC3 v)`: the paper's fusion, two gates."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.output_size = size
        self.drop_gate = nn.Linear(size, size)
        self.candidate = nn.Linear(size, size)
        self.take_gate = nn.Linear(size, size)

    def forward(self, joined: Tensor) -> Tensor:
        """Map `joined`, shape (B, size), to (B, size)."""
        dropped = torch.sigmoid(self.drop_gate(joined))
        taken = torch.sigmoid(self.take_gate(joined))
        candidate: Tensor = self.candidate(joined)
        return joined * (1.0 - dropped) + candidate * taken


class HighwayFusion(nn.Module):
    """`v * (1 - g) + FC2(v) * g` with `g = sigmoid(FC1 v)`: what is dropped is what is taken."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.output_size = size
        self.gate = nn.Linear(size, size)
        self.candidate = nn.Linear(size, size)

    def forward(self, joined: Tensor) -> Tensor:
        """Map `joined`, shape (B, size), to (B, size)."""
        gate = torch.sigmoid(self.gate(joined))
        candidate: Tensor = self.candidate(joined)
        return joined * (1.0 - gate) + candidate * gate


def make_fusion(
    fusion: Fusion, variant: Variant, size: int
) -> EarlyFusion | GatedFusion | HighwayFusion:
    """Build the fusion layer for vectors of `size` numbers; its `output_size` says what it returns.

    Raises:
        ValueError: `fusion` is "none" (nothing to join) or no known kind.
    """
    if fusion == "early":
        return EarlyFusion(size)
    if fusion == "gated":
        return HighwayFusion(size) if variant == "edge" else GatedFusion(size)
    raise ValueError(f"fusion must be 'early' or 'gated' to build a fusion layer, got {fusion!r}")
