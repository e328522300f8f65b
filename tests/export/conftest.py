"""A small trained run to export: two-second windows of three made-up scenes, told apart by band.

A conversion takes half a minute. So each network is converted once in a test run, and whoever needs
another export of it takes what the converter gave (`converted_before`).
"""

from __future__ import annotations

import contextlib
import fcntl
import io
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from edge_asc.context import SceneContext
from edge_asc.export import conversion
from edge_asc.export.command import ExtraFiles, export_command
from edge_asc.export.pipeline import ExportOptions
from edge_asc.export.tflite import Conversion
from edge_asc.features import FeatureConfig
from edge_asc.scenes import CITIES
from edge_asc.training.checkpoint import (
    Checkpoint,
    Windows,
    load_checkpoint,
    load_windows,
    save_checkpoint,
    save_windows,
)
from edge_asc.training.models import NetworkConfig
from edge_asc.training.models.calibration_inputs import calibration_inputs
from edge_asc.training.models.folding import all_but, fold
from edge_asc.training.models.mobile_asc_net import MobileASCNet
from edge_asc.training.models.weight_rounding import round_weights

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


def make_run(folder: Path, config: NetworkConfig) -> None:
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


def make_bounded_run(folder: Path, plain: Path) -> None:
    """What `plain` leaves when its recipe ends with the int8 stage, without fine-tuning."""
    checkpoint = load_checkpoint(plain / "checkpoint.safetensors")
    windows = load_windows(plain / "windows.safetensors").calibration
    columns = [checkpoint.cities.index(name) for name in checkpoint.trained_cities]
    inputs = calibration_inputs(
        checkpoint.network, windows.features, windows.city, windows.time, columns, seed=0
    )
    network = checkpoint.build_network()
    assert isinstance(network, MobileASCNet)
    device = fold(network, inputs, checkpoint.standardized_range, all_but(1e-3))
    round_weights(device, inputs)
    bounded = replace(
        checkpoint,
        state_dict=device.state_dict(),
        network=device.config,
        recipe={"name": "bands", "int8": {"clip_share": 1e-3}},
    )
    save_checkpoint(folder / "checkpoint.safetensors", bounded)
    shutil.copy(plain / "windows.safetensors", folder)


def export_for_tests(run: Path, folder: Path, extra: ExtraFiles) -> None:
    """Export `run` to `folder`/bands.tflite; keep all files in between and what was printed."""
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        export_command(
            run / "checkpoint.safetensors",
            folder / "bands.tflite",
            ExportOptions(name="bands int8", card="Made for a test."),
            folder / "work",
            extra,
        )
    (folder / "stdout.txt").write_text(said.getvalue(), encoding="utf-8")


MakeOnce = Callable[[str, Callable[[Path], None]], Path]


@pytest.fixture(scope="session")
def make_once(tmp_path_factory: pytest.TempPathFactory) -> MakeOnce:
    """Fill a folder for the whole test run, even where several processes share it."""
    base = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        base = base.parent

    def make(name: str, fill: Callable[[Path], None]) -> Path:
        folder, done = base / name, base / f"{name}.done"
        with (base / f"{name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not done.exists():
                shutil.rmtree(folder, ignore_errors=True)
                folder.mkdir()
                fill(folder)
                done.touch()
        return folder

    return make


@pytest.fixture(scope="session")
def trained_run(make_once: MakeOnce) -> Path:
    """A run of the `edge` variant, whose cells are independent seconds."""
    return make_once("edge", lambda folder: make_run(folder, CONFIG))


@pytest.fixture(scope="session")
def bounded_run(make_once: MakeOnce, trained_run: Path) -> Path:
    """The same, bounded and with its weights on the int8 grid."""
    return make_once("bounded", lambda folder: make_bounded_run(folder, trained_run))


@pytest.fixture(scope="session")
def trained_paper_run(make_once: MakeOnce) -> Path:
    """A run of the `paper` variant, which takes whole windows only."""
    config = replace(CONFIG, variant="paper", cell_frames=None)
    return make_once("paper", lambda folder: make_run(folder, config))


@pytest.fixture(scope="session")
def exported(make_once: MakeOnce, trained_run: Path) -> Path:
    """A folder with the int8 model of `trained_run`, bands.tflite, and all on its way in work/."""
    nothing = ExtraFiles()
    return make_once("edge int8", lambda folder: export_for_tests(trained_run, folder, nothing))


@pytest.fixture(scope="session")
def exported_bounded(make_once: MakeOnce, bounded_run: Path) -> Path:
    """The same for `bounded_run`, with all files that can be asked for."""
    every = ExtraFiles(onnx=True, tflite=True, json=True)
    return make_once("bounded int8", lambda folder: export_for_tests(bounded_run, folder, every))


ConvertedBefore = Callable[[Path], None]


@pytest.fixture
def converted_before(monkeypatch: pytest.MonkeyPatch) -> ConvertedBefore:
    """Let further exports of the same network take what the converter gave in an export folder."""

    def take(folder: Path) -> None:
        def convert(onnx_path: Path, *_: object, **__: object) -> Conversion:
            name = onnx_path.stem
            part = folder / "work" / name / name
            float32, float16 = (
                part.with_name(f"{name}_{form}.tflite").read_bytes()
                for form in ("float32", "float16")
            )
            log = folder / "work" / f"{name}.log"
            return Conversion(float32, float16, None, 1.0, 1.0, "onnx2tf 1.29.24", log)

        monkeypatch.setattr(conversion, "convert", convert)

    return take
