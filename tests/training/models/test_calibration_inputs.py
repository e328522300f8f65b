"""Windows for calibration come in every context that a device can meet."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from edge_asc.context import SceneContext
from edge_asc.scenes import CITIES
from edge_asc.training.models import NetworkConfig
from edge_asc.training.models.calibration_inputs import BATCH, NUM_WINDOWS, calibration_inputs

CONFIG = NetworkConfig("edge", "gated", 3, len(CITIES) + 1, num_frames=50, num_mels=64)
TRAINED = [0, 3, 4, 11, 20]
UNKNOWN = len(CITIES)


def windows(count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Window k is filled with k / 1000; all from city 3 at the same hour."""
    features = np.broadcast_to(
        np.arange(count, dtype=np.float16)[:, None, None] / 1000, (count, 50, 64)
    )
    city = np.eye(UNKNOWN + 1, dtype=np.float32)[np.full(count, 3)]
    return features, city, np.full((count, 8), 0.6, np.float32)


def joined(count: int, seed: int = 0, trained: list[int] = TRAINED) -> list[np.ndarray]:
    batches = calibration_inputs(CONFIG, *windows(count), trained, seed)
    return [torch.cat(parts).numpy() for parts in zip(*batches, strict=True)]


# 12 windows are enough for 5 cities and "unknown": every second one has a new context.
@pytest.mark.parametrize("count", [12, 60, 700])
def test_every_context_that_a_device_can_meet_occurs(count):
    _, city, time = joined(count)
    anew = city[1::2].argmax(axis=1)
    assert set(anew) == {*TRAINED, UNKNOWN}
    counts = np.bincount(anew)[[*TRAINED, UNKNOWN]]
    assert counts.max() - counts.min() <= 1
    assert (city.sum(axis=1) == 1.0).all()
    is_unknown = (time == SceneContext().encode_time()).all(axis=1)
    assert is_unknown.sum() == 1
    drawn = time[1::2][~is_unknown[1::2]]
    assert (drawn.min(axis=0) < -0.3).all()
    assert (drawn.max(axis=0) > 0.3).all()


def test_sine_and_cosine_belong_together_and_turn_all_the_way_round():
    *_, time = joined(700)
    pairs = time[3::2].reshape(-1, 4, 2)
    np.testing.assert_allclose(np.square(pairs).sum(axis=2), 1.0, atol=1e-6)
    angles = np.arctan2(pairs[..., 0], pairs[..., 1])
    assert (angles.min(axis=0) < -3.0).all()
    assert (angles.max(axis=0) > 3.0).all()


def test_the_other_half_keeps_its_own_context():
    _, city, time = joined(60)
    assert (city[::2].argmax(axis=1) == 3).all()
    assert (time[::2] == np.float32(0.6)).all()


def test_of_many_windows_512_are_drawn_in_batches():
    batches = calibration_inputs(CONFIG, *windows(700), TRAINED, 0)
    assert [len(features) for features, *_ in batches] == [BATCH] * (NUM_WINDOWS // BATCH)
    features = torch.cat([features for features, *_ in batches])
    assert features.shape == (512, 1, 50, 64)
    assert features.dtype == torch.float32
    numbers = np.rint(1000 * features[:, 0, 0, 0].numpy()).astype(int)
    assert len(set(numbers)) == 512
    assert list(numbers) == sorted(numbers)
    assert numbers.max() > 600  # from all over


def test_a_seed_says_what_is_drawn():
    first, again, other = joined(700), joined(700), joined(700, seed=1)
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert not any(np.array_equal(a, b) for a, b in zip(first, other, strict=True))


def test_the_windows_themselves_are_left_alone():
    features, city, time = windows(60)
    before = city.copy(), time.copy()
    calibration_inputs(CONFIG, features, city, time, TRAINED, 0)
    assert np.array_equal(city, before[0])
    assert np.array_equal(time, before[1])


def test_without_context_there_are_windows_alone():
    (batch,) = calibration_inputs(replace(CONFIG, fusion="none"), *windows(60), [], 0)
    assert [part.shape for part in batch] == [(60, 1, 50, 64)]


def test_a_network_that_knows_no_city_meets_the_unknown_one():
    _, city, _ = joined(12, trained=[])
    assert set(city[1::2].argmax(axis=1)) == {UNKNOWN}


def test_a_single_window_keeps_its_context():
    _, city, time = joined(1)
    assert city[0].argmax() == 3
    assert (time == np.float32(0.6)).all()
