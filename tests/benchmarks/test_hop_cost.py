"""A second more costs a small part of a whole window: measured side by side, in shuffled order."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest
import soundfile

from edge_asc.benchmarks.hop_cost import Cost, measure
from edge_asc.model_file import ModelFile, default_model_path


def test_a_hop_costs_at_most_a_fifth_of_a_window(tmp_path: Path) -> None:
    programme = tmp_path / "noise.wav"
    noise = 0.1 * np.random.default_rng(1).standard_normal(15 * 44_100)
    soundfile.write(programme, noise, 44_100)
    cost = measure(ModelFile.read(default_model_path()), programme, 40, random.Random(1))
    assert len(cost.hop_s) == len(cost.whole_s) == 40
    assert 0.01 < cost.ratio < 0.2  # 0.07 was measured


def test_the_interval_holds_the_ratio() -> None:
    rng = np.random.default_rng(1)
    hop_s, whole_s = rng.normal(2.0, 0.1, 200), rng.normal(10.0, 0.5, 200)
    cost = Cost("any", 44_100, hop_s, whole_s)
    low, high = cost.interval(np.random.default_rng(2))
    assert low < cost.ratio < high
    assert [low, high] == pytest.approx([0.2, 0.2], rel=0.03)
