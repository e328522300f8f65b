"""The parts of SE-Trans that its counts do not show."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from edge_asc.training.models import NetworkConfig
from edge_asc.training.models.se_trans import MelNorm, SEBlock, SETrans, SqueezeExcitation

CONFIG = NetworkConfig("se_trans", "early", num_scenes=10, num_cities=23, num_frames=100)


@pytest.fixture
def network() -> SETrans:
    torch.manual_seed(0)
    return SETrans(CONFIG).eval()


def draw(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(2))


def test_mel_bands_are_normalised_one_by_one():
    loudness = torch.linspace(-30.0, 30.0, 64)
    normalised = MelNorm(64).train()(draw(4, 1, 50, 64) + loudness)
    torch.testing.assert_close(normalised.mean(dim=(0, 1, 2)), torch.zeros(64), rtol=0, atol=1e-4)
    deviation = normalised.std(dim=(0, 1, 2), correction=0)
    torch.testing.assert_close(deviation, torch.ones(64), rtol=0, atol=1e-3)


def test_squeeze_and_excitation_halves_what_it_knows_nothing_about():
    squeeze = SqueezeExcitation(32)
    for weight in squeeze.parameters():
        torch.nn.init.zeros_(weight)  # sigmoid(0) = 1/2
    maps = draw(2, 32, 5, 4)
    torch.testing.assert_close(squeeze(maps), maps / 2.0)


def test_a_block_halves_frames_and_mels():
    assert SEBlock(1, 64)(draw(2, 1, 101, 64)).shape == (2, 64, 50, 32)


# 500 frames are 125 after the blocks, 12 frames 3: both become 16 steps.
@pytest.mark.parametrize("num_frames", [500, 12])
def test_any_window_becomes_sixteen_steps(network, num_frames):
    with torch.no_grad():
        assert network.pool(network.blocks(draw(1, 1, num_frames, 64))).shape == (1, 128, 16, 1)


def test_weights_start_as_the_baselines(network):
    """Xavier's bound is sqrt(6 / (inputs + outputs)); biases start at zero."""
    for layer in (network.head, network.fusion, network.context.time_layer):
        bound = (6.0 / sum(layer.weight.shape)) ** 0.5
        assert 0.9 * bound < float(layer.weight.detach().abs().max()) <= bound
        assert not layer.bias.any()
    for layer in network.blocks.modules():
        if isinstance(layer, torch.nn.Conv2d):
            bound = (6.0 / (9 * (layer.in_channels + layer.out_channels))) ** 0.5
            assert 0.9 * bound < float(layer.weight.detach().abs().max()) <= bound


def test_the_network_computes_what_its_description_says(network):
    """The same forward pass once more, in plain functions and from the weights alone."""
    for module in network.modules():  # Statistics as after training: new ones change nothing.
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.normal_(module.bias, 0.0, 0.3)
    weights = list(network.blocks.parameters())
    bn0, layers = weights[:2], [weights[i : i + 5] for i in range(2, len(weights), 5)]
    features, city, time = draw(2, 1, 100, 64), torch.eye(23)[[3, 22]], draw(2, 8)

    x = normalise(features.transpose(1, 3), *bn0).transpose(1, 3)
    for index, (convolution, scale, shift, squeeze, excite) in enumerate(layers):
        x = normalise(F.conv2d(x, convolution, padding=1), scale, shift)
        gate = torch.sigmoid(torch.relu(x.mean((2, 3)) @ squeeze.T) @ excite.T)
        x = torch.relu(x * gate[:, :, None, None])
        x = F.avg_pool2d(x, 2) if index % 2 else x
    steps = F.adaptive_avg_pool2d(x, (16, 1))[..., 0].permute(0, 2, 1)
    sound = network.encoder(steps).max(dim=1).values
    context = torch.cat((city @ network.context.city_table, network.context.time_layer(time)), 1)
    context[:, 16:].relu_()
    joined = torch.relu(network.fusion(torch.cat((sound, context), 1)))
    torch.testing.assert_close(network(features, city, time), network.head(joined))


def normalise(x: torch.Tensor, scale: torch.Tensor, shift: torch.Tensor) -> torch.Tensor:
    """Batch normalisation whose running mean is 0 and variance 1."""
    size = (1, -1, 1, 1)
    return x / (1.0 + 1e-5) ** 0.5 * scale.reshape(size) + shift.reshape(size)


def test_city_and_time_change_the_answer(network):
    features = draw(1, 1, 100, 64)
    city, other_city = torch.eye(23)[[3]], torch.eye(23)[[22]]
    with torch.no_grad():
        logits = network(features, city, torch.zeros(1, 8))
        assert (network(features, other_city, torch.zeros(1, 8)) - logits).abs().max() > 1e-3
        assert (network(features, city, torch.ones(1, 8)) - logits).abs().max() > 1e-3


def test_a_clip_is_heard_alone(network):
    """No statistics over the batch in evaluation mode."""
    features, city, time = draw(3, 1, 100, 64), torch.eye(23)[:3], draw(3, 8)
    with torch.no_grad():
        together = network(features, city, time)
        alone = network(features[1:2], city[1:2], time[1:2])
    torch.testing.assert_close(alone[0], together[1], rtol=1e-4, atol=1e-5)
