"""What tests in every folder share: data, seeded numbers, sound files."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import soundfile

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
