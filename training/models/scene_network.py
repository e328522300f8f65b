"""What every network that tells scenes has in common."""

from __future__ import annotations

from torch import Tensor, nn

from edge_asc.training.models.config import NetworkConfig


class SceneNetwork(nn.Module):
    """Log-mel windows, and context where `config.uses_context`, to logits."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.config = config

    def forward(
        self, features: Tensor, city: Tensor | None = None, time: Tensor | None = None
    ) -> Tensor:
        """Map windows (B, 1, T, M), one-hot city (B, num_cities) and time (B, 8) to logits.

        Returns:
            shape (B, num_scenes)

        Raises:
            ValueError: context is missing, or was given to a network without context.
        """
        raise NotImplementedError

    def require_context(self, city: Tensor | None, time: Tensor | None) -> tuple[Tensor, Tensor]:
        """Return `city` and `time`; raise ValueError where either is missing."""
        if city is None or time is None:
            raise ValueError(f"this network has fusion={self.config.fusion!r}: give city and time")
        return city, time

    def refuse_context(self, city: Tensor | None, time: Tensor | None) -> None:
        """Raise ValueError where this network without context is given some."""
        if city is not None or time is not None:
            raise ValueError("this network has fusion='none': it takes no city and no time")


def count_parameters(network: nn.Module) -> int:
    """Number of trainable weights (running BN statistics are not counted)."""
    return sum(parameter.numel() for parameter in network.parameters())
