"""Synthetic music: four chords in a loop, bass, chords, a melody and, if wanted, drums."""

from __future__ import annotations

import numpy as np

from edge_asc.training.datasets.sound_parts import (
    SAMPLE_RATE_HZ,
    Rng,
    Sound,
    burst,
    oscillator,
    place,
    samples_in,
    unit_peak,
    unit_rms,
)

PROGRESSIONS = ((0, 7, 9, 5), (0, 9, 5, 7), (9, 5, 0, 7), (0, 5, 0, 7), (2, 7, 0, 0))
"""Roots of the bars' chords, in semitones above the key."""
SCALE = (0, 2, 4, 7, 9, 12, 14, 16)
"""The melody's notes: major pentatonic."""


def _note(rng: Rng, semitones: float, base_hz: float, length_s: float, brightness: float) -> Sound:
    """A plucked or bowed note; harmonics fall the faster the smaller `brightness`. Peak 1."""
    frequency_hz = base_hz * 2.0 ** (semitones / 12.0)
    orders = np.arange(1, max(2, min(24, int(9000.0 / frequency_hz))))
    num_samples = samples_in(length_s)
    time = np.arange(num_samples) / num_samples
    envelope = np.minimum(time * 40.0, 1.0) * (1.0 - time)
    return unit_peak(oscillator(rng, num_samples, frequency_hz, brightness**orders) * envelope)


def _kick(rng: Rng) -> Sound:
    """A bass drum: a sine falling from three times its pitch. Peak 1."""
    time_s = np.arange(samples_in(0.3)) / SAMPLE_RATE_HZ
    pitch_hz = rng.uniform(45.0, 65.0) * (1.0 + 2.0 * np.exp(-time_s / 0.02))
    cycles = np.cumsum(pitch_hz) / SAMPLE_RATE_HZ
    return unit_peak(np.sin(2.0 * np.pi * cycles) * np.exp(-time_s / 0.09))


def music(visit: Rng, clip: Rng, num_samples: int, *, drums: bool) -> Sound:
    """A piece drawn from `visit` (key, tempo, chords, timbre), from a moment of `clip`. RMS 1."""
    eighth_s = 30.0 / visit.uniform(75.0, 135.0)
    key_hz, brightness = visit.uniform(55.0, 98.0), visit.uniform(0.45, 0.85)
    roots = PROGRESSIONS[int(visit.integers(len(PROGRESSIONS)))]
    basses = [_note(visit, root, key_hz, 1.8 * eighth_s, 0.6) for root in roots]
    chords = [
        sum(
            _note(visit, root + third, 4.0 * key_hz, 8.0 * eighth_s, brightness)
            for third in (0, 4, 7)
        )
        for root in roots
    ]
    melody = [_note(visit, step, 8.0 * key_hz, 1.9 * eighth_s, brightness) for step in SCALE]
    kick, snare = _kick(visit), burst(visit, 0.25, 150.0, 7000.0, 0.001, 0.06)
    hat = burst(visit, 0.08, 6000.0, 16000.0, 0.001, 0.02)

    track = np.zeros(num_samples)
    first = int(clip.integers(32))
    lead = clip.uniform(0.0, eighth_s)
    for index in range(-8, int(num_samples / SAMPLE_RATE_HZ / eighth_s) + 2):
        start = int((index * eighth_s - lead) * SAMPLE_RATE_HZ)
        beat, bar = (first + index) % 8, (first + index) // 8 % 4
        place(track, basses[bar], start, 0.5 if beat % 2 == 0 else 0.25)
        if beat == 0:
            place(track, np.asarray(chords[bar]), start, 0.2)
        if clip.random() < 0.45:
            place(track, melody[int(clip.integers(len(melody)))], start, 0.3)
        if drums:
            place(track, hat, start, 0.25)
            place(track, kick if beat % 4 == 0 else snare, start, 0.9 if beat % 2 == 0 else 0.0)
    return unit_rms(track)
