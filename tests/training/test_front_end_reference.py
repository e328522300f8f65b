"""Log-mel against torchaudio, a second reference that shares no code with librosa.

torchaudio computes in double precision here, its window and filters too. In single precision, its
default, it errs by up to 0.02 dB on the recordings of scenes_open and by 4.5 dB far from a pure
tone, where rounding is all there is. Largest difference seen in double: 1.7e-5 dB, over these
sounds and ten seconds of all 43 recordings.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch
from torchaudio.transforms import MelSpectrogram

from edge_asc.audio import read_audio
from edge_asc.features import FeatureConfig, Samples, log_mel
from edge_asc.mel_bands import FourierBands

CONFIG = FeatureConfig()
CLIP_SAMPLES = 441_000
MAX_ERROR_DB = 1e-3


@pytest.fixture(scope="module")
def reference() -> MelSpectrogram:
    """Every number is from the paper and the official code, none from `FeatureConfig`."""
    usual = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)  # so that its window and its filters are made in double
    try:
        return make_reference()
    finally:
        torch.set_default_dtype(usual)


def make_reference() -> MelSpectrogram:
    return MelSpectrogram(
        sample_rate=44_100,
        n_fft=2048,
        win_length=1764,
        hop_length=882,
        f_min=50.0,
        f_max=22_050.0,
        n_mels=64,
        power=1.0,
        norm="slaney",
        mel_scale="slaney",
        pad_mode="constant",
        center=True,
    )


def torchaudio_log_mel(reference: MelSpectrogram, samples: Samples) -> npt.NDArray[np.float64]:
    """The first frames, one a hop, with the floor 80 under the highest of one frame more."""
    magnitudes = reference(torch.from_numpy(samples).double())  # (64, frames + 1)
    decibels = 10.0 * torch.log10(magnitudes.clamp_min(1e-10))
    floored = decibels.clamp_min(float(decibels.max()) - 80.0)
    return np.asarray(floored.T[: len(samples) // 882])


def largest_difference(reference: MelSpectrogram, samples: Samples) -> float:
    expected = torchaudio_log_mel(reference, samples)
    frames = log_mel(samples, CONFIG, FourierBands(CONFIG))
    assert frames.shape == expected.shape
    return float(np.abs(frames - expected).max())


def tone(hz: float, amplitude: float = 0.5) -> Samples:
    phase = 2.0 * np.pi * hz * np.arange(CLIP_SAMPLES) / 44_100
    return (amplitude * np.sin(phase)).astype(np.float32)


def noise() -> Samples:
    return (0.1 * np.random.default_rng(5).standard_normal(CLIP_SAMPLES)).astype(np.float32)


def click() -> Samples:
    samples = np.zeros(CLIP_SAMPLES, np.float32)
    samples[100_000] = 1.0
    return samples


@pytest.mark.parametrize(
    "samples",
    [noise(), 1e-4 * noise(), tone(60.0), tone(1000.0), tone(15_000.0, 1e-3), click()],
    ids=["noise", "faint noise", "60 Hz", "1 kHz", "faint 15 kHz", "click"],
)
def test_equals_torchaudio(reference: MelSpectrogram, samples: Samples) -> None:
    frames = log_mel(samples, CONFIG, FourierBands(CONFIG))
    assert frames.shape == (500, 64)
    assert largest_difference(reference, samples) < MAX_ERROR_DB


def test_equals_torchaudio_on_real_recordings(data_dir: Path, reference: MelSpectrogram) -> None:
    for name in (
        "metro/taipei-komesker__inMrt.flac",  # 48 kHz
        "traffic_street/taipei-komesker__traffic1.flac",  # 16 kHz: nothing above 8 kHz
        "urban_park/taipei-schneider__DaanParkBirds.flac",
        "construction_site/taipei-kuanhua__ConstructionSite.flac",
        "restaurant/taipei-schneider__bbq.flac",  # 8.6 s
    ):
        samples = read_audio(data_dir / "scenes_open" / name, 44_100, duration_s=10.0)
        assert largest_difference(reference, samples) < MAX_ERROR_DB, name


def test_a_single_sample_of_delay_would_be_noticed(reference: MelSpectrogram) -> None:
    """What the bound is worth: frames that lie one sample later differ 25 times as much (seen)."""
    late = np.concatenate([np.zeros(1, np.float32), noise()[:-1]])
    difference = np.abs(log_mel(late, CONFIG) - torchaudio_log_mel(reference, noise()))
    assert difference.max() > 20 * MAX_ERROR_DB
