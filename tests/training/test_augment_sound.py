"""The changes to sound on their own, with what each must give worked out by hand."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from edge_asc.audio import read_audio
from edge_asc.features import FeatureConfig, log_mel
from edge_asc.training.augment import (
    add_background,
    equalize,
    freq_mix_style,
    shift_mels,
    stretch,
)

MEL_MEAN = torch.linspace(-10.0, -40.0, 16)
MEL_STD = torch.linspace(3.0, 6.0, 16)


def windows(seed: int, size: int = 3, num_frames: int = 20) -> Tensor:
    """Standardised features, shape (size, 1, num_frames, 16)."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(size, 1, num_frames, 16, generator=generator)


def per_window(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float32).view(-1, 1, 1, 1)


def in_feature_db(features: Tensor) -> Tensor:
    return features * MEL_STD + MEL_MEAN


def in_standard(feature_db: Tensor) -> Tensor:
    return (feature_db - MEL_MEAN) / MEL_STD


def mean_power(feature_db: Tensor) -> Tensor:
    """Of every window; feature dB are 10 log10 of magnitudes, and power is magnitude squared."""
    return torch.pow(10.0, feature_db.double() / 10.0).square().mean(dim=(1, 2, 3))


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**16), st.lists(st.floats(-9.0, 9.0), min_size=6, max_size=6))
def test_equalizer_adds_one_response_to_all_frames(seed, knots):
    features = windows(seed)
    knots_db = torch.tensor(knots).expand(3, 1, 6)
    added_db = in_feature_db(equalize(features, knots_db, MEL_STD)) - in_feature_db(features)
    torch.testing.assert_close(
        added_db, added_db[:, :, :1].expand_as(added_db), rtol=0.0, atol=1e-4
    )
    response = added_db[0, 0, 0]
    # 16 bands are 15 steps, so the 6 knots lie on every third band, with straight lines between.
    torch.testing.assert_close(response[::3], torch.tensor(knots), rtol=0.0, atol=1e-4)
    middle = (2.0 * response[:-1:3] + response[3::3]) / 3.0
    torch.testing.assert_close(response[1::3], middle, rtol=0.0, atol=1e-4)


def test_a_window_as_its_own_background_is_twice_the_power():
    features = windows(0)
    changed = add_background(features, torch.arange(3), per_window(0, 0, 0), MEL_MEAN, MEL_STD)
    added_db = in_feature_db(changed) - in_feature_db(features)
    # 10 log10(2) = 3.01 dB of level are 1.505 feature dB.
    expected = torch.full_like(added_db, 5.0 * math.log10(2.0))
    torch.testing.assert_close(added_db, expected, rtol=0.0, atol=2e-5)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**16), st.lists(st.floats(-30.0, 30.0), min_size=3, max_size=3))
def test_the_background_is_as_loud_as_its_snr_says(seed, snr_db):
    features = windows(seed)
    other = torch.tensor([1, 2, 0])
    changed = add_background(features, other, per_window(*snr_db), MEL_MEAN, MEL_STD)
    own = mean_power(in_feature_db(features))
    added = mean_power(in_feature_db(changed)) - own
    ratio_db = 10.0 * torch.log10(own / added)
    torch.testing.assert_close(ratio_db.float(), torch.tensor(snr_db), rtol=0.0, atol=0.05)
    # What is added is the other window, louder or quieter: the ratio to it is one number.
    power = torch.pow(10.0, in_feature_db(changed).double() / 5.0)
    gain = power - torch.pow(10.0, in_feature_db(features).double() / 5.0)
    gain /= torch.pow(10.0, in_feature_db(features[other]).double() / 5.0)
    expected = mean_power(in_feature_db(features)) / mean_power(in_feature_db(features[other]))
    expected = expected.view(-1, 1, 1, 1) * torch.pow(10.0, -per_window(*snr_db).double() / 10.0)
    median = torch.stack([g.median() for g in gain])
    torch.testing.assert_close(median, expected.flatten(), rtol=0.02, atol=0.0)


def test_added_features_are_those_of_added_sound(data_dir: Path) -> None:
    """A metro station and birds; differences seen: 0.1 dB of level on average, rms 1.4 dB."""
    names = ("metro/taipei-wolf__mainStationEntranceMRT.flac", "urban_park/taipei-wolf__birds.flac")
    paths = [data_dir / "scenes_open" / name for name in names]
    sounds = [read_audio(path, 44_100, start_s=1.0, duration_s=10.0) for path in paths]
    frames = [log_mel(sound, FeatureConfig()) for sound in sounds]
    power = [float(np.square(10.0 ** (f.astype(np.float64) / 10.0)).mean()) for f in frames]
    as_loud = np.float32(math.sqrt(power[0] / power[1]))
    expected = log_mel(sounds[0] + as_loud * sounds[1], FeatureConfig())
    features = torch.from_numpy(np.stack(frames)).unsqueeze(1)
    zero, one = torch.zeros(64), torch.ones(64)
    added = add_background(features, torch.tensor([1, 0]), per_window(0, 0), zero, one)
    error_db = 2.0 * (added[0, 0].numpy() - expected)
    assert abs(error_db.mean()) < 0.3
    assert np.sqrt(np.square(error_db).mean()) < 2.0
    # Without the background it would be this far off: 8.7 dB were seen.
    assert np.sqrt(np.square(2.0 * (frames[0] - expected)).mean()) > 5.0


def test_a_silent_background_or_foreground_stays_finite():
    features = windows(0)
    features[0] = in_standard(torch.tensor(-100.0))  # digital silence: the floor of log-mel
    for snr_db in (-20.0, 40.0):
        changed = add_background(
            features, torch.tensor([1, 0, 2]), per_window(*[snr_db] * 3), MEL_MEAN, MEL_STD
        )
        assert changed.isfinite().all()


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**16), st.floats(0.0, 1.0))
def test_freq_mix_style_lies_between_the_two_windows(seed, own):
    features = windows(seed)
    colour = windows(seed + 1, num_frames=1)  # (3, 1, 1, 16)
    features = features * colour.abs().clamp_min(0.1) + colour
    other = torch.tensor([2, 0, 1])
    changed = freq_mix_style(features, other, per_window(own, own, own))
    for statistic in (torch.mean, torch.std):
        expected = own * statistic(features, dim=2) + (1.0 - own) * statistic(
            features[other], dim=2
        )
        torch.testing.assert_close(statistic(changed, dim=2), expected, rtol=1e-4, atol=1e-4)


def test_freq_mix_style_at_its_ends_is_the_window_and_the_others_style():
    features = windows(0) * per_window(1.0, 2.0, 0.5) + per_window(0.0, 1.0, -1.0)
    other = torch.tensor([1, 2, 0])
    same = freq_mix_style(features, other, per_window(1, 1, 1))
    torch.testing.assert_close(same, features, rtol=0.0, atol=1e-6)
    styled = freq_mix_style(features, other, per_window(0, 0, 0))
    torch.testing.assert_close(styled.mean(dim=2), features[other].mean(dim=2))
    torch.testing.assert_close(styled.std(dim=2), features[other].std(dim=2))
    # The shape over time is still the window's own.
    own_shape = (features - features.mean(dim=2, keepdim=True)) / features.std(dim=2, keepdim=True)
    new_shape = (styled - styled.mean(dim=2, keepdim=True)) / styled.std(dim=2, keepdim=True)
    torch.testing.assert_close(new_shape, own_shape, rtol=0.0, atol=1e-5)


def test_freq_mix_style_leaves_a_constant_band_constant():
    features = windows(0)
    features[0, :, :, 12:] = -4.5
    changed = freq_mix_style(features, torch.tensor([1, 2, 0]), per_window(0, 0, 0))
    assert changed.isfinite().all()
    assert changed[0, :, :, 12:].std(dim=1).max() < 1e-6


@pytest.mark.parametrize("bands", [-3, -1, 0, 2, 15])
def test_a_shift_by_whole_bands_moves_them_exactly(bands):
    features = windows(0)
    source = (torch.arange(16) - bands).clamp(0, 15)
    zero, one = torch.zeros(16), torch.ones(16)
    moved = shift_mels(features, per_window(*[bands] * 3), zero, one)
    assert torch.equal(moved, features[..., source])
    moved = shift_mels(features, per_window(*[bands] * 3), MEL_MEAN, MEL_STD)
    torch.testing.assert_close(
        in_feature_db(moved), in_feature_db(features)[..., source], rtol=0.0, atol=2e-5
    )


@settings(max_examples=25, deadline=None)
@given(st.floats(-4.0, 4.0))
def test_a_shift_of_a_slope_is_a_level(bands):
    """A spectrum that falls 2 dB a band and moves up by s bands is 2 s dB louder inside."""
    slope_db = (-2.0 * torch.arange(16.0)).expand(1, 1, 20, 16)
    moved = shift_mels(in_standard(slope_db), per_window(bands), MEL_MEAN, MEL_STD)
    added_db = (in_feature_db(moved) - slope_db)[..., 4:-4]
    torch.testing.assert_close(
        added_db, torch.full_like(added_db, 2.0 * bands), rtol=0.0, atol=1e-4
    )


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**16), st.floats(0.5, 2.0))
def test_stretch_reads_between_frames_on_a_circle(seed, speed):
    features = windows(seed)
    stretched = stretch(features, per_window(1.0, speed, 2.0))
    assert torch.equal(stretched[0], features[0])
    assert torch.equal(stretched[2, :, :10], features[2, :, ::2])
    assert torch.equal(stretched[2, :, 10:], features[2, :, ::2])
    around = torch.cat([features[1], features[1, :, :1]], dim=1).double()  # frame 20 is frame 0
    for frame in (1, 9, 19):
        position = (frame * speed) % 20.0
        low = math.floor(position)
        expected = around[0, low] + (position - low) * (around[0, low + 1] - around[0, low])
        torch.testing.assert_close(stretched[1, 0, frame].double(), expected, rtol=0.0, atol=1e-4)
