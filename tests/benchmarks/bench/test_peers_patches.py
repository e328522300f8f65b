"""Patches of 16 kHz sound as YAMNet hears them, and .tflite files that hear them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from edge_asc.benchmarks.bench.peers_patches import (
    PatchNetwork,
    file_peer,
    log_mel,
    log_mel_patches,
    sample_patches,
)
from edge_asc.benchmarks.bench.result import BenchError
from edge_asc.interpreter import Network
from edge_asc.model_file import ModelFile, default_model_path

TEN_SECONDS = 160_000

_TENSORFLOW = """
import sys
import numpy as np
import tensorflow as tf
samples = np.load(sys.argv[1])
spectrum = tf.abs(tf.signal.stft(samples, 400, 160, 512))
matrix = tf.signal.linear_to_mel_weight_matrix(64, 257, 16000, 125.0, 7500.0)
np.save(sys.argv[2], tf.math.log(spectrum @ matrix + 0.01).numpy())
"""
"""YAMNet's features.py in its own words"""


def noise(rng: np.random.Generator, num_samples: int = TEN_SECONDS) -> np.ndarray:
    return (0.1 * rng.standard_normal(num_samples)).astype(np.float32)


@pytest.fixture(scope="module")
def shipped() -> ModelFile:
    return ModelFile.read(default_model_path())


def test_ten_seconds_are_twenty_patches_of_yamnets(rng: np.random.Generator) -> None:
    samples = noise(rng)
    patches = log_mel_patches(samples)
    assert patches.shape == (20, 96, 64)  # YAMNet's pad_waveform fills the last one with zeros
    frames = log_mel(samples)
    np.testing.assert_array_equal(patches[0], frames[:96])
    np.testing.assert_array_equal(patches[7], frames[7 * 48 : 7 * 48 + 96])
    assert patches[19, -1] == pytest.approx(np.log(0.01))


def test_log_mel_is_tensorflows(rng: np.random.Generator, tmp_path: Path) -> None:
    pytest.importorskip("tensorflow")
    samples = noise(rng, 40_000)
    np.save(tmp_path / "samples.npy", samples)
    paths = (str(tmp_path / "samples.npy"), str(tmp_path / "frames.npy"))
    subprocess.run([sys.executable, "-c", _TENSORFLOW, *paths], check=True, capture_output=True)
    wanted = np.load(tmp_path / "frames.npy")
    np.testing.assert_allclose(log_mel(samples), wanted, rtol=0, atol=2e-4)


def test_samples_are_cut_every_half_patch(rng: np.random.Generator) -> None:
    samples = noise(rng)
    patches = sample_patches(samples, 15_600)
    assert patches.shape == (20, 15_600)
    np.testing.assert_array_equal(patches[3], samples[3 * 7_800 : 3 * 7_800 + 15_600])


def test_a_file_says_itself_what_its_patches_are(
    rng: np.random.Generator, shipped: ModelFile, tmp_path: Path
) -> None:
    """The shipped encoder hears 50 frames of 64 bands: to a stranger, a network of patches."""
    assert shipped.encoder is not None
    path = tmp_path / "encoder.tflite"
    path.write_bytes(shipped.encoder)
    found = file_peer("stranger", path, "log-mel")
    assert (found.rate_hz, found.weights, found.quantization) == (16_000, "the file's", "int8")
    patches = found.front_end(noise(rng))
    assert patches.shape == (39, 50, 64)
    network = Network(shipped.encoder)
    alone = [network.run(features=patch[None, :, :, None]).reshape(-1, 1024) for patch in patches]
    wanted = np.concatenate(alone).mean(axis=0)
    np.testing.assert_allclose(found.network(patches), wanted, rtol=0, atol=1e-6)


def test_an_input_that_the_front_end_cannot_fill_is_refused(shipped: ModelFile) -> None:
    assert shipped.encoder is not None
    with pytest.raises(BenchError, match=r"mine: its input has shape \(1, 50, 64, 1\)"):
        PatchNetwork("mine", shipped.encoder, "samples")
    with pytest.raises(BenchError, match="mine: must have one input, which patches"):
        PatchNetwork("mine", shipped.whole, "log-mel")
