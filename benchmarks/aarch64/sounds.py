"""What the emulated device hears: seeded noise, and real recordings where there are any."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import soundfile

from edge_asc.audio import to_mono
from edge_asc.features import Samples
from edge_asc.resample import resample

RATE_HZ = 44_100
WINDOW_S = 10
NOISE_LEVEL = 0.1
NOISE_SEED = 1
NUM_RECORDINGS = 8


def noise() -> Samples:
    """White noise, shape (window_samples,), synthetic: counts are of this, the same everywhere."""
    rng = np.random.default_rng(NOISE_SEED)
    return (NOISE_LEVEL * rng.standard_normal(WINDOW_S * RATE_HZ)).astype(np.float32)


def recordings() -> list[Path]:
    """Recordings of at least 10 s below $EDGE_ASC_DATA/scenes_open, spread over its order."""
    data = os.environ.get("EDGE_ASC_DATA")
    found = sorted((Path(data) / "scenes_open").rglob("*.flac")) if data else []
    long = [path for path in found if soundfile.info(path).duration >= WINDOW_S]
    chosen = np.linspace(0, len(long) - 1, min(NUM_RECORDINGS, len(long)))
    return [long[round(index)] for index in chosen]


def window_of(path: Path) -> Samples:
    """The first 10 s of a recording, mono, at the model's rate."""
    with soundfile.SoundFile(path) as file:
        sound = to_mono(file.read(WINDOW_S * file.samplerate, dtype="float32", always_2d=True))
        return resample(sound, file.samplerate, RATE_HZ)[: WINDOW_S * RATE_HZ]
