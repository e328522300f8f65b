"""Networks that can be trained: `build` makes each of them from its `NetworkConfig`."""

from __future__ import annotations

from torch import nn

from edge_asc.errors import DataError
from edge_asc.training.models.config import NetworkConfig
from edge_asc.training.models.device_net import DeviceNet
from edge_asc.training.models.linear_control import LinearControl
from edge_asc.training.models.mobile_asc_net import MobileASCNet
from edge_asc.training.models.scene_network import SceneNetwork, count_parameters
from edge_asc.training.models.se_trans import SETrans

__all__ = ["DeviceNet", "NetworkConfig", "SceneNetwork", "backbone", "build", "count_parameters"]


def build(config: NetworkConfig) -> SceneNetwork:
    """Return the network that `config` describes, with fresh weights, in training mode."""
    if config.variant == "se_trans":
        return SETrans(config)
    if config.variant == "linear":
        return LinearControl(config)
    if config.form != "plain":
        return DeviceNet(config)
    return MobileASCNet(config)


def backbone(network: SceneNetwork) -> nn.Sequential:
    """Return the convolutional part: what pretraining keeps and what freezing freezes.

    Raises:
        DataError: the network has none.
    """
    if isinstance(network, (MobileASCNet, SETrans)):
        return network.blocks
    raise DataError(
        f"a {network.config.variant!r} network has no backbone to pretrain or to freeze;"
        " choose 'edge', 'paper' or 'se_trans'"
    )
