"""What holds for every network: sizes, cost, shapes, gradients, backbone."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_asc.errors import DataError
from edge_asc.training.models import NetworkConfig, backbone, build, count_parameters
from edge_asc.training.models.complexity import count_macs, estimate_bytes
from edge_asc.training.models.linear_control import LinearControl

EDGE = NetworkConfig("edge", "gated", num_scenes=10, num_cities=22, num_frames=500, cell_frames=50)
PAPER = replace(EDGE, variant="paper", cell_frames=None)
SE_TRANS = replace(PAPER, variant="se_trans", fusion="early")
SE_TRANS_SOUND = replace(SE_TRANS, fusion="none")
LINEAR = replace(SE_TRANS, variant="linear", fusion="none")
ALL = [EDGE, PAPER, SE_TRANS, SE_TRANS_SOUND, LINEAR]


def draw_inputs(config: NetworkConfig, size: int = 3) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    features = torch.randn(size, 1, config.num_frames, config.num_mels, generator=generator)
    if not config.uses_context:
        return [features]
    city = torch.eye(config.num_cities)[torch.arange(size) % config.num_cities]
    return [features, city, torch.randn(size, 8, generator=generator)]


def transformer_template() -> int:
    """Weights of the layer that the official module keeps and never uses."""
    return count_parameters(torch.nn.TransformerEncoderLayer(128, 8, 32, 0.1))


# 436,858 and 415,754: read off the official baseline's own module with 22 cities and 10 scenes.
@pytest.mark.parametrize(("config", "official"), [(SE_TRANS, 436_858), (SE_TRANS_SOUND, 415_754)])
def test_se_trans_has_the_official_weights_without_the_idle_layer(config, official):
    assert transformer_template() == 74_912
    assert count_parameters(build(config)) + transformer_template() == official


def test_linear_control_has_two_numbers_a_band_and_a_bias():
    assert count_parameters(build(LINEAR)) == (2 * 64 + 1) * 10


# Weights of each layer times the positions it works at, by hand from the tables of layers; the
# comments give the figures published with these tables, in millions.
EDGE_MACS = (
    1_824 * 100 * 32  # block 1: 5x3, depthwise, pointwise, shortcut
    + 37_440 * 20 * 16
    + 99_456 * 20 * 8
    + 3 * 64 * (1024 + 64) * 20  # GRU
    + 8 * 16 + 2 * 96 * 96 + 96 * 10  # time, gate, head
)  # fmt: skip
PAPER_MACS = (
    1_632 * 250 * 32
    + 25_152 * 125 * 16
    + 99_456 * 63 * 8
    + 3 * 64 * (1024 + 64) * 63
    + 8 * 16 + 3 * 96 * 96 + 96 * 10
)  # fmt: skip
SE_TRANS_MACS = (
    (9 * 64 + 9 * 64 * 64) * 500 * 64
    + (9 * 64 * 128 + 9 * 128 * 128) * 250 * 32
    + 2 * 2 * 64 * 4 + 2 * 2 * 128 * 8  # squeeze-and-excitation
    + 16 * 4 * 128 * 128 + 2 * 16 * 16 * 128  # attention
    + 16 * 2 * 128 * 32  # feed-forward
    + 8 * 16 + 160 * 128 + 128 * 10
)  # fmt: skip


@pytest.mark.parametrize(
    ("config", "exact", "published_millions"),
    [
        (EDGE, EDGE_MACS, 37.9),
        (replace(EDGE, cell_frames=None), EDGE_MACS, 37.9),
        (PAPER, PAPER_MACS, 126.7),
        (SE_TRANS, SE_TRANS_MACS, 2_969.0),
        (LINEAR, 1_280, 0.00128),
    ],
)
def test_multiply_accumulates(config, exact, published_millions):
    counted = count_macs(build(config))
    assert counted == exact
    assert counted / 1e6 == pytest.approx(published_millions, rel=0.01)


def test_counting_leaves_the_network_as_it_was():
    network = build(replace(SE_TRANS, num_frames=50))
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    assert count_macs(network.train()) == count_macs(build(network.config))
    was_training = network.training
    count_macs(network.eval())
    assert (was_training, network.training) == (True, False)
    for name, tensor in network.state_dict().items():
        assert torch.equal(tensor, before[name])
    assert not any(module._forward_hooks for module in network.modules())


def test_bytes_are_four_or_one_a_weight():
    assert estimate_bytes(build(EDGE)) == {"float32": 4 * 369_434, "int8": 369_434}


@pytest.mark.parametrize("config", ALL)
def test_logits_shape(config):
    config = replace(config, num_frames=100, num_scenes=7)
    assert build(config).eval()(*draw_inputs(config)).shape == (3, 7)


@pytest.mark.parametrize("config", [SE_TRANS, SE_TRANS_SOUND, LINEAR])
def test_gradients_reach_every_parameter(config):
    torch.manual_seed(0)
    config = replace(config, num_frames=100, num_cities=3)
    network = build(config)
    network(*draw_inputs(config)).square().sum().backward()
    without = [name for name, p in network.named_parameters() if p.grad is None or not p.grad.any()]
    assert without == []


def test_context_must_be_given_exactly_when_it_is_used():
    config = replace(SE_TRANS, num_frames=50)
    features, city, time = draw_inputs(config)
    with pytest.raises(ValueError, match="fusion='early': give city and time"):
        build(config)(features, city)
    for sound_only in (replace(config, fusion="none"), replace(LINEAR, num_frames=50)):
        with pytest.raises(ValueError, match="takes no city"):
            build(sound_only)(features, city, time)


def test_the_backbone_is_what_hears_and_nothing_else():
    """Convolutions and their normalisation; for SE-Trans with the normalisation of the mels."""
    assert count_parameters(backbone(build(EDGE))) == 1_824 + 37_440 + 99_456 + 1_344
    se_blocks = 9 * (64 + 64 * 64 + 64 * 128 + 128 * 128) + 2 * 2 * (64 + 128) + 1_024 + 4_096
    assert count_parameters(backbone(build(SE_TRANS))) == se_blocks + 2 * 64
    with pytest.raises(DataError, match=r"'linear' network has no backbone.*'se_trans'"):
        backbone(build(LINEAR))


@settings(max_examples=10, deadline=None)
@given(order=st.permutations(range(20)))
def test_the_linear_control_does_not_hear_order(order):
    torch.manual_seed(0)
    config = replace(LINEAR, num_frames=20)
    network = build(config).eval()
    (features,) = draw_inputs(config)
    with torch.no_grad():
        torch.testing.assert_close(network(features[:, :, list(order)]), network(features))


def test_the_linear_control_reads_mean_and_deviation_of_its_band():
    network = LinearControl(replace(LINEAR, num_frames=4, num_mels=4)).eval()
    band = torch.tensor([1.0, 3.0, 1.0, 3.0])  # mean 2, standard deviation 1
    features = torch.zeros(1, 1, 4, 4)
    features[0, 0, :, 1] = band
    with torch.no_grad():
        network.head.bias.zero_()
        expected = 2.0 * network.head.weight[:, 1] + 1.0 * network.head.weight[:, 4 + 1]
        torch.testing.assert_close(network(features)[0], expected)
