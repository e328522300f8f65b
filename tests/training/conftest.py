"""Clips that are easy to tell, for runs from sound files to a run's folder."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
import soundfile


@pytest.fixture(scope="session")
def corpus(tmp_path_factory) -> Path:
    """24 clips of 0.9 to 1 s in two folds; city and time with every second one."""
    folder = tmp_path_factory.mktemp("corpus")
    rng = np.random.default_rng(0)
    rows = []
    for i in range(24):
        label = ("noise", "tone")[i % 2]
        time_s = np.arange(44_100 - 200 * i) / 44_100
        tone = 0.3 * np.sin(2.0 * np.pi * rng.uniform(400.0, 900.0) * time_s)
        sound = 0.05 * rng.standard_normal(len(time_s)) + (tone if label == "tone" else 0.0)
        soundfile.write(folder / f"{i}.wav", sound, 44_100)
        city, time = ("Jinan", "2023-05-01 12:30") if i % 4 < 2 else ("", "")
        rows.append([f"{i}.wav", label, 1 + i // 12, f"group {i // 4}", city, time])
    with (folder / "clips.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["file", "label", "fold", "group", "city", "time"], *rows])
    return folder


@pytest.fixture(scope="session")
def cache(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def use_cache(cache, monkeypatch) -> None:
    monkeypatch.setenv("EDGE_ASC_CACHE", str(cache))
