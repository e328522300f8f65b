"""The same log-mel by Arm's CMSIS-DSP, which shares nothing with it: an outside check.

`pip install cmsisdsp` builds it from source in a minute and a half (91 s, on two busy cores), so it
is no part of the development environment.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from edge_asc.features import FeatureConfig
from edge_asc.mel_bands import hann, mel_matrix
from tests.firmware_bridge.frontend.programs import FrontEnd, Sound

cmsisdsp: Any = pytest.importorskip(
    "cmsisdsp", reason="an outside check of the front end: pip install cmsisdsp (91 s)"
)

CONFIG = FeatureConfig()


def magnitudes(frame: Sound) -> np.ndarray:
    """Of bins 0 to 1024, in single precision: arm_rfft_fast_f32 and arm_cmplx_mag_f32."""
    padded = np.zeros(CONFIG.fft_size, np.float32)
    window = hann(CONFIG.window_samples).astype(np.float32)
    padded[: len(frame)] = frame / np.float32(32768.0) * window
    instance = cmsisdsp.arm_rfft_fast_instance_f32()
    assert cmsisdsp.arm_rfft_fast_init_f32(instance, CONFIG.fft_size) == 0
    packed = cmsisdsp.arm_rfft_fast_f32(instance, padded, 0)
    # The first pair is the real first bin and the real last one.
    inner = cmsisdsp.arm_cmplx_mag_f32(packed[2:])
    return np.concatenate([[abs(packed[0])], inner, [abs(packed[1])]])


def test_real_recordings(front_end: FrontEnd, recordings: list[Sound]) -> None:
    """Within 1e-4 dB down to 60 dB below the loudest bin, and 1.2e-7 of that bin everywhere.

    Twice what either may be off from the truth: both are in single precision.
    """
    weights = mel_matrix(CONFIG).astype(np.float64)
    checked = 0
    for sound in recordings[::3]:
        heard = front_end.hear(sound).levels[1:40]
        for index, levels in enumerate(heard, start=1):
            bins = magnitudes(sound[(index - 1) * 882 : (index + 1) * 882])
            loudest = max(float(bins.max()), 1e-12)
            expected = weights @ bins / weights.sum(axis=1)
            means = 10.0 ** (levels / 10.0) / weights.sum(axis=1)
            audible = expected > 1e-9
            errors = np.abs(means - expected)[audible]
            assert (errors <= 1e-5 * expected[audible] + 1.2e-7 * loudest).all()
            loud = expected > 1e-3 * loudest
            assert np.abs(10.0 * np.log10(means[loud] / expected[loud])).max(initial=0.0) <= 1e-4
            checked += int(loud.sum())
    assert checked > 10_000
