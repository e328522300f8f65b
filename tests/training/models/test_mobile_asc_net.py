"""The network: sizes, streaming, context, gates."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from edge_asc.training.models import NetworkConfig, count_parameters
from edge_asc.training.models.fusion import GatedFusion, HighwayFusion
from edge_asc.training.models.mobile_asc_net import MobileASCNet

PAPER = NetworkConfig("paper", "gated", num_scenes=10, num_cities=22, num_frames=500)
EDGE = NetworkConfig("edge", "gated", num_scenes=10, num_cities=22, num_frames=500, cell_frames=50)
SMALL = replace(EDGE, num_frames=150)


def make(config: NetworkConfig, seed: int = 0) -> MobileASCNet:
    torch.manual_seed(seed)
    network = MobileASCNet(config)
    # Statistics as after training: those of a new BN would make it the identity.
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            assert module.running_mean is not None
            assert module.running_var is not None
            module.running_mean.normal_(0.0, 0.2)
            module.running_var.uniform_(0.5, 2.0)
    return network.eval()


def draw_inputs(config: NetworkConfig, size: int = 3) -> tuple[torch.Tensor, ...]:
    generator = torch.Generator().manual_seed(1)
    features = torch.randn(size, 1, config.num_frames, config.num_mels, generator=generator)
    cities = torch.randint(config.num_cities, (size,), generator=generator)
    city = torch.nn.functional.one_hot(cities, config.num_cities).float()
    return features, city, torch.randn(size, 8, generator=generator)


# Counts worked out by hand from the table of layers: convolutions 1,632 + 25,152 + 99,456 (paper)
# or 1,824 + 37,440 + 99,456 (edge), nine BNs 1,344, GRU 209,280, context 22 * 16 + 9 * 16 = 496,
# then fusion and head.
@pytest.mark.parametrize(
    ("variant", "fusion", "num_cities", "expected"),
    [
        ("paper", "gated", 22, 366_266),
        ("paper", "early", 22, 367_578),
        ("paper", "none", 22, 337_514),
        ("edge", "gated", 22, 369_434),
        ("edge", "gated", 23, 369_434 + 16),
        ("edge", "none", 22, 349_994),
    ],
)
def test_parameter_count(variant, fusion, num_cities, expected):
    config = replace(EDGE, variant=variant, fusion=fusion, num_cities=num_cities)
    assert count_parameters(MobileASCNet(config)) == expected


def test_audio_only_leaves_out_the_context_tables():
    audio_only = count_parameters(MobileASCNet(replace(PAPER, fusion="none")))
    context = count_parameters(MobileASCNet(PAPER).context)
    assert (audio_only, context, audio_only + context) == (337_514, 496, 338_010)


@pytest.mark.parametrize(
    ("config", "num_steps", "steps_per_cell"), [(PAPER, 63, 63), (EDGE, 20, 2)]
)
def test_steps_of_ten_seconds(config, num_steps, steps_per_cell):
    assert (config.num_steps, config.steps_per_cell, config.step_size) == (
        num_steps,
        steps_per_cell,
        1024,
    )
    features = draw_inputs(config, size=1)[0]
    assert make(config).encode(features).shape == (1, num_steps, 1024)


@pytest.mark.parametrize("fusion", ["none", "early", "gated"])
@pytest.mark.parametrize("variant", ["paper", "edge"])
def test_logits_shape(variant, fusion):
    config = replace(SMALL, variant=variant, fusion=fusion, num_scenes=7)
    features, city, time = draw_inputs(config)
    context = () if fusion == "none" else (city, time)
    assert make(config)(features, *context).shape == (3, 7)


def test_cell_by_cell_equals_the_whole_window():
    network = make(SMALL)
    features, city, time = draw_inputs(SMALL)
    with torch.no_grad():
        whole = network(features, city, time)
        cells = [network.encode_cells(cell) for cell in features.split(50, dim=2)]
        streamed = network.classify(torch.cat(cells, dim=1), city, time)
    torch.testing.assert_close(streamed, whole, rtol=0.0, atol=1e-5)


def test_full_context_is_another_function_of_the_same_weights():
    cells = make(SMALL)
    full = make(replace(SMALL, cell_frames=None))
    full.load_state_dict(cells.state_dict())
    features = draw_inputs(SMALL)[0]
    with torch.no_grad():
        assert (cells.encode(features) - full.encode(features)).abs().max() > 1e-2


def test_a_cell_does_not_hear_its_neighbours():
    network = make(SMALL)
    features = draw_inputs(SMALL, size=1)[0]
    changed = features.clone()
    changed[:, :, 50:100] += 1.0
    with torch.no_grad():
        difference = (network.encode(changed) - network.encode(features)).abs().amax(dim=(0, 2))
    assert difference[[0, 1, 4, 5]].max() == 0.0
    assert difference[[2, 3]].min() > 0.0


@pytest.mark.parametrize("fusion", ["none", "early", "gated"])
@pytest.mark.parametrize("variant", ["paper", "edge"])
def test_gradients_reach_every_parameter(variant, fusion):
    config = replace(SMALL, variant=variant, fusion=fusion, num_cities=3)
    network = make(config).train()
    features, _, time = draw_inputs(config)
    context = () if fusion == "none" else (torch.eye(3), time)  # every city occurs
    network(features, *context).square().sum().backward()
    without = [name for name, p in network.named_parameters() if p.grad is None or not p.grad.any()]
    assert without == []


def test_city_and_time_change_the_answer_and_nothing_else_does():
    network = make(SMALL)
    features, city, time = draw_inputs(SMALL)
    unknown = torch.zeros_like(city)
    unknown[:, -1] = 1.0
    with torch.no_grad():
        known_logits = network(features, city, time)
        assert (network(features, unknown, time) - known_logits).abs().max() > 1e-4
        assert (network(features, city, torch.ones_like(time)) - known_logits).abs().max() > 1e-4
        # The row of "unknown" belongs to it alone.
        network.context.city_table[-1] += 1.0
        torch.testing.assert_close(network(features, city, time), known_logits)


def test_one_hot_city_reads_its_row_of_the_table():
    network = make(SMALL)
    embedded = network.context(torch.eye(22)[[4]], torch.zeros(1, 8))
    torch.testing.assert_close(embedded[0, :16], network.context.city_table[4])


def test_the_edge_gate_is_a_highway_and_the_papers_is_not():
    """With a gate stuck open the highway gives its candidate; the paper's gates are independent."""
    v = torch.randn(2, 96, generator=torch.Generator().manual_seed(0))
    highway, gated = make(EDGE).fusion, make(PAPER).fusion
    assert isinstance(highway, HighwayFusion)
    assert isinstance(gated, GatedFusion)
    with torch.no_grad():
        highway.gate.bias.fill_(100.0)
        torch.testing.assert_close(highway(v), highway.candidate(v))
        gated.drop_gate.bias.fill_(-100.0)
        gated.take_gate.bias.fill_(100.0)
        torch.testing.assert_close(gated(v), v + gated.candidate(v))


def test_context_must_be_given_exactly_when_it_is_used():
    features, city, time = draw_inputs(SMALL)
    with pytest.raises(ValueError, match="give city and time"):
        make(SMALL)(features)
    with pytest.raises(ValueError, match="takes no city"):
        make(replace(SMALL, fusion="none"))(features, city, time)
