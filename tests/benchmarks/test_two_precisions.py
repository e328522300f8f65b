"""What is counted where the two ways of the front end differ."""

from __future__ import annotations

from pathlib import Path

import click
import numpy as np
import pytest
import soundfile

from edge_asc.benchmarks.two_precisions import compare, windows_below
from edge_asc.model_file import ModelFile, default_model_path

RATE_HZ = 44_100


def test_noise_has_no_band_that_depends_on_the_precision() -> None:
    noise = np.random.default_rng(5).standard_normal((2, 441_000)).astype(np.float32)
    found = compare(ModelFile.read(default_model_path()), iter(0.1 * noise))
    assert (found.num_windows, found.num_other_scenes) == (2, 0)
    assert 0.0 < found.largest_db < 1e-4
    assert found.largest_probability < 0.02
    assert len(found.other_inputs) == 2


def test_silence_under_a_tone_does() -> None:
    tone = np.sin(2 * np.pi * 440.0 * np.arange(441_000) / RATE_HZ).astype(np.float32)
    found = compare(ModelFile.read(default_model_path()), iter([tone]))
    assert found.largest_db > 1.0


def test_windows_follow_each_other_and_short_recordings_are_repeated(tmp_path: Path) -> None:
    for seconds in (4, 25):
        sound = np.full(seconds * RATE_HZ, 0.25, np.float32)
        soundfile.write(tmp_path / f"{seconds}.wav", sound, RATE_HZ)
    windows = list(windows_below(tmp_path, 1, RATE_HZ, 441_000))
    assert [len(window) for window in windows] == [441_000] * 3
    assert len(list(windows_below(tmp_path, 2, RATE_HZ, 441_000))) == 2


def test_a_folder_without_recordings_is_wrong_usage(tmp_path: Path) -> None:
    with pytest.raises(click.UsageError, match="no recording"):
        list(windows_below(tmp_path, 1, RATE_HZ, 441_000))
