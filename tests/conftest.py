"""What tests in every folder share: data, seeded numbers, sound files."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import soundfile

from edge_asc.features import FeatureConfig
from edge_asc.model_file import Manifest, ModelFile

WavWriter = Callable[..., Path]


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The folder of real recordings, beside the repository or where EDGE_ASC_DATA says."""
    folder = os.environ.get("EDGE_ASC_DATA")
    if not folder:
        pytest.skip("needs real recordings: set EDGE_ASC_DATA to the folder that holds them")
    path = Path(folder)
    if not path.is_dir():
        raise FileNotFoundError(f"EDGE_ASC_DATA must be a folder, got {folder!r}")
    return path


@pytest.fixture
def rng() -> np.random.Generator:
    """Random numbers, the same ones in every run."""
    return np.random.default_rng(20231)


@pytest.fixture
def write_wav(tmp_path: Path) -> WavWriter:
    """Write samples, shape (num_samples,) or (num_samples, channels), to a WAV file."""

    def write(
        samples: npt.ArrayLike,
        sample_rate_hz: int = 44100,
        *,
        name: str = "sound.wav",
        subtype: str = "PCM_16",
    ) -> Path:
        path = tmp_path / name
        soundfile.write(path, np.asarray(samples), sample_rate_hz, subtype=subtype)
        return path

    return write


@pytest.fixture(autouse=True)
def no_installed_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A model that is installed on this machine has no part in the tests."""
    monkeypatch.setenv("EDGE_ASC_MODEL_DIR", str(tmp_path / "no models here"))


@pytest.fixture(autouse=True)
def no_configuration(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is configured on this machine has no part in the tests."""
    for name in list(os.environ):
        if name.startswith(("EDGE_ASC_LISTEN_", "EDGE_ASC_CLASSIFY_", "EDGE_ASC_RECORD_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("EDGE_ASC_CONFIG", os.devnull)


@pytest.fixture(scope="session")
def small_model() -> ModelFile:
    """A model file of a few kB in all its parts; what stands for its networks does not run."""
    manifest = Manifest(
        name="small",
        scenes=("bus", "bar"),
        cities=("Xi'an", "Jinan"),
        trained_cities=("Jinan",),
        features=FeatureConfig(),
        mel_mean=(0.0,) * 64,
        mel_std=(1.0,) * 64,
        standardized_range=(-4.5, 4.5),
        variant="edge",
        fusion="gated",
        window_s=1.0,
        cell_frames=50,
        quantization="int8",
        demonstration=False,
        licence="MIT",
        card={"text": "größer\nin two lines"},
        golden={
            "windows": 1,
            "reference": "ai-edge-litert 2.1.0",
            "bound_logits": 0.5,
            "runtimes": {"tflite-micro": {"version": "0.dev1", "bound_logits": 0.25}},
        },
    )
    golden = {
        "features": np.linspace(-1, 1, 50 * 64, dtype=np.float32).reshape(1, 50, 64),
        "city": np.array([[0, 1, 0]], np.float32),
        "time": np.ones((1, 8), np.float32),
        "logits": np.array([[1.5, -1.5]], np.float32),
        "streamed_logits": np.array([[1.25, -1.5]], np.float32),
        "tflite-micro.logits": np.array([[1.5, -1.25]], np.float32),
    }
    whole = b"\x1c\0\0\0TFL3" + bytes(range(256)) * 4
    return ModelFile(manifest, whole, b"encoder" * 50, b"head" * 50, golden)
