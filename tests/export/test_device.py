"""Which network is exported: the checkpoint's own where it was bounded, else one made of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from edge_asc.errors import ExportError
from edge_asc.export.device import CLIP_SHARE, DeviceNetwork, device_network
from edge_asc.export.quantizer import weight_grid
from edge_asc.training.checkpoint import Checkpoint, Windows, load_checkpoint, load_windows
from edge_asc.training.models import DeviceNet, SceneNetwork, build
from edge_asc.training.models.device_layers import Tap


@pytest.fixture(scope="module")
def checkpoint(trained_run: Path) -> Checkpoint:
    return load_checkpoint(trained_run / "checkpoint.safetensors")


@pytest.fixture(scope="module")
def calibration(trained_run: Path) -> Windows:
    return load_windows(trained_run / "windows.safetensors").calibration


@pytest.fixture(scope="module")
def test(trained_run: Path) -> Windows:
    return load_windows(trained_run / "windows.safetensors").test


@pytest.fixture(scope="module")
def integer(checkpoint: Checkpoint, calibration: Windows) -> DeviceNetwork:
    return device_network(checkpoint, calibration, integer=True, seed=3)


def logits(network: SceneNetwork, windows: Windows) -> np.ndarray:
    inputs = (windows.features[:, None], windows.city, windows.time)
    with torch.no_grad():
        return network(*(torch.from_numpy(values) for values in inputs)).numpy()


def test_for_integers_a_plain_network_is_bounded_and_its_weights_lie_on_the_grid(
    integer: DeviceNetwork,
) -> None:
    assert integer.network.config.form == "bounded"
    assert not integer.is_checkpoint
    layers = [m for m in integer.network.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    assert len(layers) == 19
    for layer in layers:
        weight = layer.weight.detach().numpy()
        rows = weight.reshape(len(weight) if isinstance(layer, nn.Conv2d) else 1, -1)
        steps = rows / weight_grid(rows)[:, None]
        np.testing.assert_allclose(steps, np.rint(steps), atol=2e-3)
    assert all(m.is_set for m in integer.network.modules() if isinstance(m, Tap))


def test_it_still_names_the_scenes_of_the_checkpoint(
    checkpoint: Checkpoint, integer: DeviceNetwork, test: Windows
) -> None:
    wanted, found = logits(checkpoint.build_network(), test), logits(integer.network, test)
    assert (found.argmax(axis=1) == wanted.argmax(axis=1)).all()
    assert 0.0 < np.abs(found - wanted).max() < 0.1  # logits reach 12; the bound cuts off a little


def test_the_manifest_gets_to_know_how_it_was_bounded(integer: DeviceNetwork) -> None:
    assert integer.facts == {
        "bounded_in": "export",
        "clip_share": CLIP_SHARE,
        "seed": 3,
        "windows": 60,
        "of_training_windows": 60,
        "groups": 10,
    }


def test_the_same_seed_gives_the_same_network(
    checkpoint: Checkpoint, calibration: Windows, integer: DeviceNetwork
) -> None:
    again, other = (
        device_network(checkpoint, calibration, integer=True, seed=seed).network.state_dict()
        for seed in (3, 4)
    )
    first = integer.network.state_dict()
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not all(torch.equal(first[name], other[name]) for name in first)


def test_for_float_a_plain_network_computes_what_it_did(
    checkpoint: Checkpoint, calibration: Windows, test: Windows
) -> None:
    device = device_network(checkpoint, calibration, integer=False, seed=0)
    assert (device.network.config.form, device.is_checkpoint, device.facts) == ("folded", True, {})
    wanted = logits(checkpoint.build_network(), test)
    np.testing.assert_allclose(logits(device.network, test), wanted, atol=1e-5)


@pytest.mark.parametrize("integer_wanted", [True, False])
def test_a_bounded_network_is_taken_as_it_is(bounded_run: Path, integer_wanted: bool) -> None:
    checkpoint = load_checkpoint(bounded_run / "checkpoint.safetensors")
    windows = load_windows(bounded_run / "windows.safetensors")
    nothing = windows.calibration.take(np.array([], np.int64))
    device = device_network(checkpoint, nothing, integer=integer_wanted, seed=0)
    assert device.is_checkpoint
    assert device.facts == {"bounded_in": "training", "clip_share": 1e-3}
    assert isinstance(device.network, DeviceNet)
    own = logits(checkpoint.build_network(), windows.test)
    np.testing.assert_array_equal(logits(device.network, windows.test), own)


def test_without_windows_a_plain_network_cannot_be_bounded(
    checkpoint: Checkpoint, calibration: Windows
) -> None:
    nothing = calibration.take(np.array([], np.int64))
    with pytest.raises(ExportError, match=r"kept no windows to calibrate by; train again"):
        device_network(checkpoint, nothing, integer=True, seed=0)


def test_a_network_that_serves_to_compare_with_is_refused(
    checkpoint: Checkpoint, calibration: Windows
) -> None:
    config = replace(checkpoint.network, variant="linear", fusion="none", cell_frames=None)
    linear = replace(checkpoint, network=config, state_dict=build(config).state_dict())
    with pytest.raises(ExportError, match="'linear' serves to compare with"):
        device_network(linear, calibration, integer=True, seed=0)
