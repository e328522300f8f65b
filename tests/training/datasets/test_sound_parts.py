from __future__ import annotations

import numpy as np
import pytest

from edge_asc.training.datasets import sound_parts as parts
from edge_asc.training.datasets.synthetic_vehicles import motorbike, passing_cars

RATE_HZ = parts.SAMPLE_RATE_HZ


def strongest_hz(sound) -> float:
    spectrum = np.abs(np.fft.rfft(sound * np.hanning(sound.size)))
    return float(np.argmax(spectrum) * RATE_HZ / sound.size)


@pytest.mark.parametrize("num_samples", [1000, 65_536, 65_537, 300_000])
def test_noise_is_stationary_and_has_the_band_s_slope(rng, num_samples):
    noise = parts.shaped_noise(rng, num_samples, 100.0, 10_000.0, -6.0)
    assert noise.shape == (num_samples,)
    assert noise.std() == pytest.approx(1.0, abs=0.03)
    if num_samples == 300_000:
        power = np.abs(np.fft.rfft(noise)) ** 2
        bands_hz = [(500, 707), (2000, 2828)]
        low, high = (
            power[int(a / RATE_HZ * 3e5) : int(b / RATE_HZ * 3e5)].mean() for a, b in bands_hz
        )
        # Two octaves at -6 dB.
        assert 10 * np.log10(high / low) == pytest.approx(-12.0, abs=1.0)
        assert np.array([piece.std() for piece in np.split(noise, 10)]) == pytest.approx(
            1.0, abs=0.1
        )


def test_oscillator_has_its_pitch_and_harmonics(rng):
    sound = parts.oscillator(rng, RATE_HZ, 440.0, [1.0, 0.0, 0.5])
    spectrum = np.abs(np.fft.rfft(sound))
    assert spectrum[1320] / spectrum[440] == pytest.approx(0.5, abs=0.01)
    assert spectrum[880] / spectrum[440] < 0.01
    assert sound.std() == pytest.approx(1.0, abs=0.01)


def test_modes_ring_at_their_frequency_and_die_away(rng):
    sound = parts.modes(rng, [1000.0], 0.05, 0.4)
    assert strongest_hz(sound) == pytest.approx(1000.0, abs=3.0)
    # After one decay time the envelope has fallen by e.
    early, late = np.abs(sound[:441]).max(), np.abs(sound[2205 : 2205 + 441]).max()
    assert early / late == pytest.approx(np.e, rel=0.05)


def test_place_cuts_off_what_lies_outside():
    track = np.zeros(5)
    parts.place(track, np.ones(3), -2, 2.0)
    parts.place(track, np.ones(3), 4)
    parts.place(track, np.ones(3), 9)
    parts.place(track, np.ones(3), -9)
    np.testing.assert_array_equal(track, [2.0, 0.0, 0.0, 0.0, 1.0])


def test_events_come_at_their_rate(rng):
    track = parts.scatter(rng, 100 * RATE_HZ, [np.ones(1)], 2.0, spread_db=0.0)
    # Poisson with a mean of 200: five standard deviations are 71.
    assert 129 < track.sum() < 271


def test_a_rhythm_keeps_its_period(rng):
    track = parts.repeat(rng, 20 * RATE_HZ, [np.ones(1)], 0.5, jitter=0.0)
    starts = np.flatnonzero(track)
    assert np.diff(starts) == pytest.approx(0.5 * RATE_HZ, abs=1)
    assert len(starts) in (39, 40)


def test_a_syllable_has_the_pitch_of_its_talker(rng):
    sound = parts.syllable(rng, 200.0)
    spectrum = np.abs(np.fft.rfft(sound, RATE_HZ))
    # Harmonics of about 200 Hz (the pitch glides by up to 15 %): more power below 4 kHz than above.
    assert (spectrum[100:4000] ** 2).sum() > 5 * (spectrum[4000:] ** 2).sum()


def test_a_bird_sings_above_the_city(rng):
    for _ in range(5):
        assert 1400.0 < strongest_hz(parts.bird_song(rng)) < 9500.0


def test_a_passing_motorbike_falls_in_pitch():
    visit, clip = np.random.default_rng(1), np.random.default_rng(2)
    sound = motorbike(visit, clip, 10 * RATE_HZ)
    assert np.isfinite(sound).all()
    assert 0.0 < np.abs(sound).max() < 8.0


def test_cars_come_and_go(rng):
    sound = passing_cars(np.random.default_rng(5), rng, 20 * RATE_HZ)
    levels_db = [20 * np.log10(piece.std()) for piece in np.split(sound, 40)]
    assert sound.std() == pytest.approx(1.0)
    assert max(levels_db) - min(levels_db) > 6.0
