"""What is counted where the C front end differs from the runtime's."""

from __future__ import annotations

import shutil
from pathlib import Path

import click
import numpy as np
import pytest
import soundfile
from click.testing import CliRunner

from edge_asc.benchmarks.c_front_end import main, windows_below
from edge_asc.model_file import ModelFile, default_model_path

RATE_HZ = 44_100


@pytest.mark.skipif(shutil.which("gcc") is None, reason="needs gcc")
def test_noise_and_a_tone_above_silence(tmp_path: Path) -> None:
    """Single precision ends between 60 and 120 dB below a tone; noise has no bands down there."""
    times = np.arange(10 * RATE_HZ) / RATE_HZ
    noise = 0.1 * np.random.default_rng(5).standard_normal(10 * RATE_HZ)
    for name, sound in (("noise", noise), ("tone", 0.9 * np.sin(2 * np.pi * 440.0 * times))):
        soundfile.write(tmp_path / f"{name}.wav", sound, RATE_HZ, subtype="PCM_16")
    told = CliRunner().invoke(main, [str(tmp_path)], catch_exceptions=False)
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in told.output.splitlines()
    ]
    levels = {row[0]: row[1:] for row in rows if len(row) == 6}
    assert sum(int(levels[name][0].replace(",", "")) for name in list(levels)[2:]) == 2 * 32_000
    for name in ("0 to 20 dB", "20 to 40 dB", "40 to 60 dB"):
        assert levels[name][2] == levels[name][4] == "0"
    assert int(levels["80 to 100 dB"][2]) > 1000
    answers = {row[0]: row[1:] for row in rows if len(row) == 5}
    for arithmetic in ("single precision", "integers"):
        windows, other_scenes, features, _ = answers[arithmetic]
        assert (windows, other_scenes) == ("2", "0")
        assert "of 64,000" in features


def test_short_recordings_are_repeated(tmp_path: Path) -> None:
    model = ModelFile.read(default_model_path())
    soundfile.write(tmp_path / "short.wav", np.full(4 * RATE_HZ, 0.25), RATE_HZ)
    (window,) = windows_below(tmp_path, 1, model)
    assert window.shape == (441_000,)
    assert (window == 8192).all()


def test_a_folder_without_recordings_is_wrong_usage(tmp_path: Path) -> None:
    with pytest.raises(click.UsageError, match="no recording"):
        list(windows_below(tmp_path, 1, ModelFile.read(default_model_path())))
