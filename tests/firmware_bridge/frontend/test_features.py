"""What the C front end gives the encoder: int8 features, and how sound is cut into chunks."""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edge_asc.features import LogMelStream, standardize
from edge_asc.interpreter import Network
from edge_asc.mel_bands import FourierBands
from edge_asc.model_file import ModelFile
from tests.firmware_bridge.frontend.programs import FrontEnd, Sound

CELL, HOP = 44_100, 882


def expected_features(model: ModelFile, sound: Sound) -> np.ndarray:
    """Of each cell, with the floor under the highest level of the window so far."""
    facts = model.manifest
    frames = LogMelStream(facts.features, FourierBands(facts.features)).process(
        sound / np.float32(32768.0)
    )
    assert model.encoder is not None
    taken = Network(model.encoder).inputs["features"]
    highest: deque[float] = deque(maxlen=10)
    cells = []
    for cell in np.split(frames, len(frames) // 50):
        highest.append(float(cell.max()))
        floored = np.maximum(cell, np.float32(max(highest) - facts.features.top_db))
        limits = facts.standardized_range
        cells.append(taken.quantize(standardize(floored, facts.mel_mean, facts.mel_std, limits)))
    return np.concatenate(cells)


def test_real_recordings(model: ModelFile, front_end: FrontEnd, recordings: list[Sound]) -> None:
    """A feature next to a tie may become the next number. Seen: 0.02 % of them."""
    differing = total = 0
    for sound in recordings[::2]:
        if len(sound) < CELL:
            continue
        expected = expected_features(model, sound).astype(int)
        features = front_end.hear(sound).features.astype(int)
        assert features.shape == expected.shape
        assert np.abs(features - expected).max() <= 1
        differing += np.count_nonzero(features != expected)
        total += features.size
    assert total > 400_000
    assert differing <= 1e-3 * total


@pytest.mark.parametrize("fixed", [False, True])
def test_the_floor_follows_the_highest_level_of_ten_cells(
    model: ModelFile, fixed: bool, tmp_path: Path, rng: np.random.Generator
) -> None:
    """With a floor of 20 dB, which noise of growing and falling loudness meets all the time."""
    features = replace(model.manifest.features, top_db=20.0)
    facts = replace(model.manifest, features=features, standardized_range=(-5.0, 5.0))
    other = replace(model, manifest=facts)
    loudness = np.repeat([1, 30, 3000, 3, 30, 300, 3, 1, 1, 2, 1, 1, 1, 300, 3], CELL)
    sound = np.rint(rng.standard_normal(len(loudness)) * loudness).astype(np.int16)
    expected = expected_features(other, sound).astype(int)
    heard = FrontEnd(other, tmp_path, fixed=fixed).hear(sound).features.astype(int)
    assert np.abs(heard - expected).max() <= 1
    assert np.count_nonzero(heard != expected) <= 1e-3 * expected.size
    # The test would say nothing if the floor were met nowhere.
    assert (
        expected
        != expected_features(
            replace(model, manifest=replace(facts, features=replace(features, top_db=80.0))), sound
        )
    ).mean() > 0.05


def test_silence_after_sound_and_before(model: ModelFile, front_end: FrontEnd) -> None:
    sound = np.zeros(13 * CELL, np.int16)
    sound[2 * CELL : 3 * CELL] = 1000 * np.sign(np.sin(np.arange(CELL) / 7)).astype(np.int16)
    expected = expected_features(model, sound)
    silent = np.r_[0:100, 151:650]
    assert (front_end.hear(sound).features[silent] == expected[silent]).all()


@pytest.mark.parametrize(
    "size",
    [1, 2, HOP - 1, HOP, HOP + 1, 2 * HOP - 1, 2 * HOP, 2 * HOP + 1, CELL - 1, CELL, CELL + 1],
)
def test_chunks_never_change_a_bit(
    front_end: FrontEnd, size: int, rng: np.random.Generator
) -> None:
    sound = rng.integers(-3000, 3000, 2 * CELL + 500).astype(np.int16)
    at_once, cut = front_end.hear(sound), front_end.hear(sound, size)
    assert at_once.levels.shape == (100, 64)
    assert np.array_equal(at_once.levels, cut.levels)
    assert np.array_equal(at_once.features, cut.features)


def test_chunks_of_random_sizes_never_change_a_bit(
    front_end: FrontEnd, rng: np.random.Generator
) -> None:
    sound = rng.integers(-3000, 3000, 3 * CELL).astype(np.int16)
    at_once = front_end.hear(sound)
    for _ in range(5):
        sizes = rng.integers(1, 4000, 20).tolist()
        cut = front_end.hear(sound, *sizes)
        assert np.array_equal(at_once.levels, cut.levels), sizes
        assert np.array_equal(at_once.features, cut.features), sizes


def test_a_cell_is_there_with_its_last_sample(front_end: FrontEnd) -> None:
    sound = np.ones(CELL, np.int16)
    assert len(front_end.hear(sound[:-1]).features) == 0
    assert len(front_end.hear(sound).features) == 50
