"""Two processes on the CPU train what one does, through the installed command."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

RECIPE = """
name = "tiny"
description = "noise against tone"

[data]
scenes = "from-data"
window_s = 1.0
train_hop_s = 1.0
test_hop_s = 1.0

[network]
variant = "edge"
fusion = "none"
cell_frames = 50

[optimizer]
learning_rate = 2e-3

[loop]
epochs = 6
batch_size = 8
micro_batch = 4
validation_share = 0.0
ema_decay = 0.9

[augment]
freq_mix_style_share = 0.5
mixup_alpha = [0.4, 0.4]
mixup_probability = [0.5, 0.5]
"""


@pytest.fixture
def corpus(tmp_path) -> Path:
    """48 clips of a second, half noise and half tones, of 24 groups in two folds."""
    folder = tmp_path / "corpus"
    folder.mkdir()
    rng = np.random.default_rng(0)
    rows = [["file", "label", "fold", "group"]]
    for i in range(48):
        tone = 0.3 * np.sin(2.0 * np.pi * rng.uniform(400.0, 900.0) * np.arange(44_100) / 44_100)
        sound = 0.1 * rng.standard_normal(44_100) + (tone if i % 2 else 0.0)
        soundfile.write(folder / f"{i}.wav", sound, 44_100)
        rows.append([f"{i}.wav", ("noise", "tone")[i % 2], str(1 + i // 24), f"group {i // 2}"])
    with (folder / "clips.csv").open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    (tmp_path / "tiny.toml").write_text(RECIPE)
    return folder


def train(corpus: Path, devices: int) -> np.ndarray:
    """The logits of the test windows, shape (24, 2)."""
    out = corpus.parent / f"run{devices}"
    recipe = str(corpus.parent / "tiny.toml")
    options = ["--data", str(corpus), "--out", str(out), "--test-fold", "2"]
    done = subprocess.run(
        [sys.executable, "-m", "edge_asc", "train", recipe, *options, "--devices", str(devices)],
        check=True,
        capture_output=True,
        text=True,
        timeout=300,
        env={
            **os.environ,
            "OMP_NUM_THREADS": "1",
            "EDGE_ASC_CACHE": str(corpus.parent / "cache"),
        },
    )
    assert ("Starting with 2 processes" in done.stderr) == (devices == 2)
    with np.load(out / "predictions.npz") as stored:
        return np.array(stored["logits"])


def test_two_processes_give_the_result_of_one(corpus):
    one, two = train(corpus, 1), train(corpus, 2)
    assert one.shape == (24, 2)
    # Sums in another order, through eighteen steps. A process that drew otherwise would be far off.
    np.testing.assert_allclose(two, one, atol=1e-3)
