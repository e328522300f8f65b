"""A model file whose networks are played by a few lines of numpy."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from click.testing import CliRunner, Result

from edge_asc.cli import main
from edge_asc.features import FeatureConfig
from edge_asc.model_file import Manifest, ModelFile
from edge_asc.signature import make_keys, sign

SCENES = ("bus", "airport", "bar")
CITIES = ("Hefei", "Beijing")
FRAMES, MELS = 100, 64


@dataclass(frozen=True)
class Tensor:
    shape: tuple[int, ...]


class LevelNetwork:
    """Takes loud sound for a bar and soft sound for a bus."""

    def __init__(self, tflite: bytes, num_threads: int = 1) -> None:
        self.inputs = {
            "features": Tensor((1, FRAMES, MELS, 1)),
            "city": Tensor((1, len(CITIES) + 1)),
            "time": Tensor((1, 8)),
        }
        self.output = Tensor((1, len(SCENES)))

    def run(self, *, features: npt.NDArray[np.float32], **context: object) -> npt.ArrayLike:
        return np.array([[-features.mean(), -5.0, features.mean()]], np.float32)


@pytest.fixture
def model_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A verified model file with windows of 2 s; it is also the default model of this test."""
    manifest = Manifest(
        name="level",
        scenes=SCENES,
        cities=CITIES,
        trained_cities=("Hefei",),
        features=FeatureConfig(),
        mel_mean=(-20.0,) * MELS,
        mel_std=(10.0,) * MELS,
        standardized_range=(-4.0, 4.0),
        variant="edge",
        fusion="gated",
        window_s=2.0,
        cell_frames=None,
        quantization="int8",
        demonstration=True,
        licence="MIT",
        card={
            "text": "made for a test\nin two lines\n",
            "evaluation": {
                "test": {
                    "num_windows": 16,
                    "num_groups": 4,
                    "accuracy": 0.75,
                    "accuracy_interval": [0.5, 0.875],
                    "macro_recall": 0.625,
                    "macro_recall_interval": [0.25, 1.0],
                    "majority_rate": 0.5,
                    "recall": {"bus": 0.25, "airport": None, "bar": 1.0},
                }
            },
        },
        parity={
            "windows": 16,
            "groups": 4,
            "data": "tones",
            "stages": [
                {
                    "stage": "TFLite int8 whole window",
                    "snr_db": 31.25,
                    "agreement": 0.9375,
                    "accuracy": 0.75,
                    "accuracy_interval": [0.5, 0.875],
                }
            ],
        },
        golden={"windows": 1, "reference": "", "bound_logits": 0.1, "runtimes": {}},
    )
    golden = {
        "features": np.zeros((1, FRAMES, MELS), np.float32),
        "city": np.zeros((1, len(CITIES) + 1), np.float32),
        "time": np.zeros((1, 8), np.float32),
        "logits": np.array([[0.0, -5.0, 0.0]], np.float32),
    }
    path = tmp_path / "level.tflite"
    ModelFile(manifest, b"\0\0\0\0TFL3 networks", None, None, golden).write(path)
    monkeypatch.setattr("edge_asc.classifier.Network", LevelNetwork)
    monkeypatch.setattr("edge_asc.update.default_model_path", lambda: path)
    return path


class Program:
    """Runs `edge-asc` in this process."""

    def __call__(self, *arguments: str | Path, stdin: bytes | None = None) -> Result:
        return CliRunner().invoke(main, [str(argument) for argument in arguments], input=stdin)


@pytest.fixture
def edge_asc() -> Program:
    return Program()


@pytest.fixture
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that models are installed in."""
    monkeypatch.setenv("EDGE_ASC_MODEL_DIR", str(tmp_path / "models"))
    return tmp_path / "models"


@pytest.fixture
def key(tmp_path: Path) -> Path:
    """A private key; the public one is key.pub."""
    make_keys(tmp_path / "key")
    return tmp_path / "key"


@pytest.fixture
def signed_path(tmp_path: Path, model_path: Path, key: Path) -> Path:
    """The model, signed."""
    path = tmp_path / "signed.tflite"
    path.write_bytes(sign(model_path.read_bytes(), "m", key)[0])
    return path
