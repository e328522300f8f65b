"""Ingredients of synthetic sound: shaped noise, oscillators, damped modes, speech, music, birds.

Everything is numpy at 44.1 kHz and seeded by the generator that is passed in. Long sounds are
normalised to an RMS of 1, short ones (events) to a peak of 1, so that a mix is written in decibels.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

SAMPLE_RATE_HZ = 44_100
TABLE_SIZE = 2048
NOISE_SIZE = 65_536
GRAIN_SIZE = 16_384
SPEED_OF_SOUND_M_S = 340.0

Sound = npt.NDArray[np.float64]
"""shape (num_samples,)"""
Rng = np.random.Generator


def samples_in(seconds: float) -> int:
    """Length in samples of a sound of `seconds`, at least 1."""
    return max(1, round(seconds * SAMPLE_RATE_HZ))


def decibels(level_db: float) -> float:
    """Amplitude factor of a level."""
    return float(10.0 ** (level_db / 20.0))


def unit_rms(sound: Sound) -> Sound:
    """`sound` scaled to an RMS of 1; silence stays silent."""
    rms = float(np.sqrt(np.dot(sound, sound) / sound.size))
    return sound / rms if rms > 0.0 else sound


def unit_peak(sound: Sound) -> Sound:
    """`sound` scaled to a peak of 1; silence stays silent."""
    peak = float(np.abs(sound).max())
    return sound / peak if peak > 0.0 else sound


def band_response(
    frequencies_hz: Sound, low_hz: float, high_hz: float, slope_db_per_octave: float = 0.0
) -> Sound:
    """Amplitude response of a band with second-order edges and a tilt inside it (0 dB at 1 kHz).

    Computed at 200 frequencies and interpolated: a fifth of the time for ten seconds of noise.
    """
    grid_hz = np.geomspace(1.0, SAMPLE_RATE_HZ, 200)
    below = (low_hz / grid_hz) ** 4
    above = (grid_hz / high_hz) ** 4
    tilt = np.exp2(np.log2(grid_hz / 1000.0) * (slope_db_per_octave / 6.0206))
    return np.interp(frequencies_hz, grid_hz, tilt / np.sqrt((1.0 + below) * (1.0 + above)))


def shaped_noise(
    rng: Rng, num_samples: int, low_hz: float, high_hz: float, slope_db_per_octave: float = 0.0
) -> Sound:
    """Gaussian noise with the spectrum of `band_response`, RMS 1, made directly in the spectrum.

    Long noise is woven from overlapping grains of a circular second and a half, taken at random
    places: as stationary as one long transform, in a fifth of the time.
    """
    size = min(num_samples, NOISE_SIZE)
    frequencies = np.fft.rfftfreq(size, 1.0 / SAMPLE_RATE_HZ)
    parts = rng.standard_normal(2 * frequencies.size, dtype=np.float32).view(np.complex64)
    response = band_response(frequencies, low_hz, high_hz, slope_db_per_octave)
    response[0] = 0.0
    circle = unit_rms(np.fft.irfft(parts * response, size))
    if num_samples <= NOISE_SIZE:
        return circle
    twice = np.concatenate([circle, circle[:GRAIN_SIZE]])
    # Neighbouring grains are independent, so sine windows, whose squares add to 1, keep the power.
    window = np.sin(np.pi * (np.arange(GRAIN_SIZE) + 0.5) / GRAIN_SIZE)
    noise = np.zeros(num_samples)
    for start in range(-GRAIN_SIZE // 2, num_samples, GRAIN_SIZE // 2):
        begin = int(rng.integers(size))
        place(noise, twice[begin : begin + GRAIN_SIZE] * window, start)
    return noise


def wandering(rng: Rng, num_samples: int, points_per_s: float, low: float, high: float) -> Sound:
    """A slow random curve between `low` and `high`: straight lines between random points."""
    num_points = int(np.ceil(num_samples / SAMPLE_RATE_HZ * points_per_s)) + 2
    points = rng.uniform(low, high, num_points)
    return np.interp(
        np.arange(num_samples) * (points_per_s / SAMPLE_RATE_HZ), np.arange(num_points), points
    )


def oscillator(
    rng: Rng, num_samples: int, frequency_hz: float | Sound, amplitudes: Sequence[float] | Sound
) -> Sound:
    """A periodic sound, RMS 1: `amplitudes` of harmonics 1, 2, ... with random phases.

    `frequency_hz` is a number or a curve of shape (num_samples,).
    """
    weights = np.asarray(amplitudes, dtype=np.float64)
    spectrum = np.zeros(TABLE_SIZE // 2 + 1, np.complex128)
    phases = rng.uniform(0.0, 2.0 * np.pi, weights.size)
    spectrum[1 : weights.size + 1] = weights * np.exp(1j * phases)
    table = unit_rms(np.fft.irfft(spectrum, TABLE_SIZE))
    steps = np.broadcast_to(np.asarray(frequency_hz, dtype=np.float64), (num_samples,))
    positions = np.cumsum(steps) * (TABLE_SIZE / SAMPLE_RATE_HZ) + rng.uniform(0, TABLE_SIZE)
    return np.asarray(table[positions.astype(np.int64) % TABLE_SIZE])


def modes(
    rng: Rng, frequencies_hz: Sequence[float] | Sound, decay_s: float, length_s: float
) -> Sound:
    """Something struck: damped sines, the higher the shorter. Peak 1."""
    time_s = np.arange(samples_in(length_s)) / SAMPLE_RATE_HZ
    frequencies = np.asarray(frequencies_hz, dtype=np.float64)
    decays = decay_s * np.sqrt(frequencies.min() / frequencies)
    gains = rng.uniform(0.3, 1.0, frequencies.size)
    waves = np.sin(2.0 * np.pi * np.outer(frequencies, time_s)) * np.exp(-time_s / decays[:, None])
    return unit_peak(gains @ waves)


def burst(
    rng: Rng, length_s: float, low_hz: float, high_hz: float, attack_s: float, decay_s: float
) -> Sound:
    """A burst of noise with a linear attack and an exponential decay. Peak 1."""
    num_samples = samples_in(length_s)
    time_s = np.arange(num_samples) / SAMPLE_RATE_HZ
    envelope = np.minimum(time_s / attack_s, 1.0) * np.exp(-time_s / decay_s)
    return unit_peak(shaped_noise(rng, num_samples, low_hz, high_hz) * envelope)


def place(track: Sound, sound: Sound, start: int, gain: float = 1.0) -> None:
    """Add `sound` to `track` from sample `start`; what lies outside is cut off."""
    begin, end = max(start, 0), min(start + sound.size, track.size)
    if begin < end:
        track[begin:end] += gain * sound[begin - start : end - start]


def scatter(
    rng: Rng, num_samples: int, sounds: Sequence[Sound], rate_hz: float, spread_db: float = 6.0
) -> Sound:
    """Events at random moments: `rate_hz` a second on average, each one of `sounds`.

    Distances differ: levels are uniform in [-spread_db, 0]. Some events began before the track.
    """
    track = np.zeros(num_samples)
    lead = max(sound.size for sound in sounds)
    count = rng.poisson(rate_hz * (num_samples + lead) / SAMPLE_RATE_HZ)
    for start in rng.integers(-lead, num_samples, count):
        sound = sounds[rng.integers(len(sounds))]
        place(track, sound, int(start), decibels(-rng.uniform(0.0, spread_db)))
    return track


def repeat(
    rng: Rng, num_samples: int, sounds: Sequence[Sound], period_s: float, jitter: float = 0.05
) -> Sound:
    """Events in a rhythm: one of `sounds` every `period_s`, each interval off by up to `jitter`."""
    track = np.zeros(num_samples)
    count = int(num_samples / SAMPLE_RATE_HZ / period_s / (1.0 - jitter)) + 2
    intervals = period_s * rng.uniform(1.0 - jitter, 1.0 + jitter, count)
    starts = (np.cumsum(intervals) - rng.uniform(1.0, 2.0) * period_s) * SAMPLE_RATE_HZ
    for start in starts.astype(np.int64):
        sound = sounds[rng.integers(len(sounds))]
        place(track, sound, int(start), rng.uniform(0.7, 1.0))
    return track


def syllable(rng: Rng, pitch_hz: float) -> Sound:
    """A spoken syllable: a gliding voice through three formants, sometimes after a fricative."""
    num_samples = samples_in(rng.uniform(0.10, 0.30))
    harmonics_hz = np.arange(1, int(6000.0 / pitch_hz)) * pitch_hz
    formants_hz = rng.uniform([280.0, 850.0, 2100.0], [850.0, 2000.0, 3200.0])
    widths_hz = np.array([90.0, 130.0, 220.0])
    resonances = 1.0 / (1.0 + ((harmonics_hz - formants_hz[:, None]) / widths_hz[:, None]) ** 2)
    amplitudes = (np.array([1.0, 0.5, 0.25]) @ resonances + 0.01) / np.sqrt(harmonics_hz)
    glide = pitch_hz * np.linspace(1.0, rng.uniform(0.85, 1.15), num_samples)
    envelope = np.sqrt(np.sin(np.linspace(0.0, np.pi, num_samples)))
    voice = oscillator(rng, num_samples, glide, amplitudes) * envelope
    if rng.random() < 0.4:
        place(voice, burst(rng, 0.08, 3000.0, 9000.0, 0.02, 0.05), 0, rng.uniform(0.2, 0.6))
    return unit_peak(voice)


def voices(
    rng: Rng, num_talkers: int, low_hz: float = 95.0, high_hz: float = 250.0
) -> list[list[Sound]]:
    """Syllables of `num_talkers` people (six each), pitched between `low_hz` and `high_hz`."""
    pitches = np.exp(rng.uniform(np.log(low_hz), np.log(high_hz), num_talkers))
    return [[syllable(rng, pitch * rng.uniform(0.9, 1.15)) for _ in range(6)] for pitch in pitches]


def speech(
    rng: Rng, num_samples: int, people: Sequence[Sequence[Sound]], spread_db: float = 20.0
) -> Sound:
    """All `people` talking, about four syllables a second with pauses, from various distances."""
    track = np.zeros(num_samples)
    count = int(num_samples / SAMPLE_RATE_HZ * 4.5) + 2
    for person in people:
        level = decibels(-rng.uniform(0.0, spread_db))
        pauses = rng.uniform(0.3, 1.8, count) * (rng.random(count) < 0.13)
        starts = np.cumsum(rng.uniform(0.14, 0.30, count) + pauses) - rng.uniform(0.0, 2.0)
        which = rng.integers(len(person), size=count)
        gains = level * rng.uniform(0.4, 1.0, count)
        for start, index, gain in zip(starts * SAMPLE_RATE_HZ, which, gains, strict=True):
            place(track, person[index], int(start), gain)
    return track


def bird_song(rng: Rng) -> Sound:
    """One phrase of one bird: two to nine whistled sweeps between 2 and 9 kHz. Peak 1."""
    centre_hz, sweep = rng.uniform(2200.0, 6500.0), rng.uniform(-0.3, 0.3)
    note_s, gap_s = rng.uniform(0.04, 0.18), rng.uniform(0.03, 0.12)
    trill_hz, trill = rng.uniform(15.0, 45.0), rng.choice([0.0, rng.uniform(0.03, 0.12)])
    time = np.linspace(-1.0, 1.0, samples_in(note_s))
    curve = centre_hz * (1.0 + sweep * time + trill * np.sin(np.pi * trill_hz * note_s * time))
    note = oscillator(rng, time.size, curve, [1.0, 0.08]) * np.cos(0.5 * np.pi * time) ** 2
    step, count = samples_in(note_s + gap_s), int(rng.integers(2, 10))
    phrase = np.zeros(step * count)
    for index in range(count):
        place(phrase, note, index * step, rng.uniform(0.6, 1.0))
    return unit_peak(phrase)


def chime(rng: Rng, low_hz: float, high_hz: float, num_notes: int, note_s: float) -> Sound:
    """An announcement chime: struck notes on just intervals, overlapping. Peak 1."""
    base_hz = rng.uniform(low_hz, high_hz)
    ratios = rng.choice([1.0, 1.25, 1.5, 0.8, 4 / 3], num_notes, replace=False)
    phrase = np.zeros(samples_in(note_s * (num_notes + 2)))
    for index, ratio in enumerate(ratios):
        partials_hz = base_hz * ratio * np.array([1.0, 2.0, 3.01])
        place(phrase, modes(rng, partials_hz, note_s, 2.5 * note_s), samples_in(index * note_s))
    return unit_peak(phrase)


def beep(rng: Rng, frequency_hz: float, length_s: float) -> Sound:
    """An electronic beep with soft edges and weak odd harmonics. Peak 1."""
    num_samples = samples_in(length_s)
    edges = np.minimum(
        1.0, np.minimum(np.arange(num_samples), np.arange(num_samples)[::-1]) / 200.0
    )
    return unit_peak(oscillator(rng, num_samples, frequency_hz, [1.0, 0.0, 0.2, 0.0, 0.05]) * edges)
