"""A small trained run to export: two-second windows of three made-up scenes, told apart by band."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from edge_asc.context import SceneContext
from edge_asc.features import FeatureConfig
from edge_asc.scenes import CITIES
from edge_asc.training.checkpoint import Checkpoint, Windows, save_checkpoint, save_windows
from edge_asc.training.models import NetworkConfig
from edge_asc.training.models.mobile_asc_net import MobileASCNet

SCENES = ("low", "middle", "high")
CONFIG = NetworkConfig(
    variant="edge",
    fusion="gated",
    num_scenes=len(SCENES),
    num_cities=len(CITIES) + 1,
    num_frames=100,
    cell_frames=50,
)


def make_windows(count: int, seed: int) -> Windows:
    """Noise with a third of the bands raised: which third is the scene."""
    rng = np.random.default_rng(seed)
    label = np.arange(count) % len(SCENES)
    features = rng.standard_normal((count, CONFIG.num_frames, CONFIG.num_mels)).astype(np.float32)
    for index, scene in enumerate(label):
        features[index, :, 21 * scene : 21 * scene + 21] += 1.0
    city = np.eye(CONFIG.num_cities, dtype=np.float32)[rng.integers(0, CONFIG.num_cities, count)]
    time = np.tile(SceneContext().encode_time(), (count, 1))
    groups = [f"group {index % 10}" for index in range(count)]
    return Windows(features.clip(-4.5, 4.5), city, time, label, groups)


def train_network(config: NetworkConfig, windows: Windows) -> MobileASCNet:
    """A few steps are enough to tell raised bands apart for certain."""
    torch.manual_seed(0)
    network = MobileASCNet(config).train()
    optimizer = torch.optim.Adam(network.parameters(), 2e-3)
    inputs = (windows.features[:, None], windows.city, windows.time)
    for _ in range(30):
        logits = network(*(torch.from_numpy(values) for values in inputs))
        loss = torch.nn.functional.cross_entropy(logits, torch.from_numpy(windows.label))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return network.eval()


def make_run(folder: Path, config: NetworkConfig) -> Path:
    """Train, and leave in `folder` what a training run leaves for the export."""
    calibration, test = make_windows(60, seed=1), make_windows(30, seed=2)
    checkpoint = Checkpoint(
        state_dict=train_network(config, calibration).state_dict(),
        network=config,
        features=FeatureConfig(),
        scenes=SCENES,
        cities=CITIES,
        trained_cities=("Jinan", "Xi'an"),
        window_s=2.0,
        mel_mean=(-20.0,) * config.num_mels,
        mel_std=(5.0,) * config.num_mels,
        standardized_range=(-4.5, 4.5),
        recipe={"name": "bands"},
        versions={},
        metrics={"test_clips": {"made-up bands": 30}},
        name="bands",
        licence="MIT",
        temperature=1.25,
    )
    save_checkpoint(folder / "checkpoint.safetensors", checkpoint)
    save_windows(folder / "windows.safetensors", calibration=calibration, test=test)
    return folder


@pytest.fixture(scope="session")
def trained_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of the `edge` variant, whose cells are independent seconds."""
    return make_run(tmp_path_factory.mktemp("edge"), CONFIG)


@pytest.fixture(scope="session")
def trained_paper_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of the `paper` variant, which takes whole windows only."""
    config = replace(CONFIG, variant="paper", cell_frames=None)
    return make_run(tmp_path_factory.mktemp("paper"), config)
