"""Synthetic vehicles: engines under load, passing cars, a motorbike, rail joints."""

from __future__ import annotations

import numpy as np

from edge_asc.training.datasets.sound_parts import (
    SAMPLE_RATE_HZ,
    SPEED_OF_SOUND_M_S,
    Rng,
    Sound,
    burst,
    oscillator,
    place,
    shaped_noise,
    unit_rms,
    wandering,
)


def diesel_engine(visit: Rng, clip: Rng, num_samples: int) -> Sound:
    """A four-stroke diesel whose speed wanders through its gears, with combustion noise. RMS 1.

    One cycle of a four-stroke engine is two turns, so harmonics are those of half the crank's
    frequency and the strongest are the multiples of the firing rate: one for each cylinder a cycle.
    """
    cylinders = int(visit.choice([4, 6]))
    orders = np.arange(1, 61)
    amplitudes = orders ** -visit.uniform(0.8, 1.4) * visit.uniform(0.1, 0.5, orders.size)
    amplitudes[cylinders - 1 :: cylinders] *= visit.uniform(4.0, 8.0)
    turns_per_s = wandering(clip, num_samples, 0.35, *visit.uniform([9.0, 18.0], [14.0, 38.0]))
    tone = oscillator(clip, num_samples, 0.5 * turns_per_s, amplitudes)
    knock = shaped_noise(clip, num_samples, 60.0, 1800.0, -5.0)
    load = 0.5 + turns_per_s / turns_per_s.max()
    return unit_rms((tone + visit.uniform(0.2, 0.7) * knock) * load)


def traffic_hum(visit: Rng, clip: Rng, num_samples: int) -> Sound:
    """Many vehicles far away: low noise that swells slowly. RMS about 1."""
    hum = shaped_noise(
        clip, num_samples, 35.0, visit.uniform(800.0, 2500.0), visit.uniform(-7.0, -4.0)
    )
    return hum * wandering(clip, num_samples, 0.3, 0.6, 1.4)


def _passage(
    num_samples: int, when_s: float, speed_m_s: float, distance_m: float
) -> tuple[Sound, Sound]:
    """Loudness (1 at the nearest point) and Doppler factor of a vehicle on a straight road.

          ______ o ->  speed_m_s
    road ---------|----------------
                  | distance_m
                  x listener
    """
    along_m = (np.arange(num_samples) / SAMPLE_RATE_HZ - when_s) * speed_m_s
    range_m = np.sqrt(along_m**2 + distance_m**2)
    approach = speed_m_s * along_m / range_m
    return distance_m / range_m, SPEED_OF_SOUND_M_S / (SPEED_OF_SOUND_M_S + approach)


def passing_cars(visit: Rng, clip: Rng, num_samples: int) -> Sound:
    """Tyres and engines of cars going by, brighter the nearer they are. RMS 1."""
    seconds = num_samples / SAMPLE_RATE_HZ
    rate_hz, near_m = visit.uniform(0.15, 0.6), visit.uniform(3.0, 9.0)
    loudness = np.full(num_samples, 0.05)
    for _ in range(1 + clip.poisson(rate_hz * (seconds + 4.0))):
        when_s, speed_m_s = clip.uniform(-2.0, seconds + 2.0), clip.uniform(6.0, 18.0)
        far_m = near_m + clip.choice([0.0, 3.5, 7.0])
        gain = near_m / far_m * clip.uniform(0.4, 1.0)
        loudness = np.maximum(loudness, gain * _passage(num_samples, when_s, speed_m_s, far_m)[0])
    engines = shaped_noise(clip, num_samples, 40.0, 700.0, -4.0)
    tyres = shaped_noise(
        clip, num_samples, 350.0, visit.uniform(3500.0, 8000.0), visit.uniform(-4.0, -1.0)
    )
    return unit_rms(engines * loudness + visit.uniform(0.6, 1.4) * tyres * loudness**1.5)


def motorbike(visit: Rng, clip: Rng, num_samples: int) -> Sound:
    """One motorbike going by, with the fall in pitch at its nearest point. Peak about 3."""
    seconds = num_samples / SAMPLE_RATE_HZ
    near, doppler = _passage(
        num_samples, clip.uniform(0.0, seconds), clip.uniform(8.0, 18.0), visit.uniform(3.0, 8.0)
    )
    firing_hz = visit.uniform(40.0, 110.0) * wandering(clip, num_samples, 0.5, 0.8, 1.25)
    pulses = np.arange(1, 41) ** -visit.uniform(0.4, 0.9)
    return oscillator(clip, num_samples, firing_hz * doppler, pulses) * near


def rail_clacks(visit: Rng, clip: Rng, num_samples: int) -> Sound:
    """Wheels over rail joints: two bogies of two axles, clack-clack, every rail. Peak about 1."""
    low_hz, high_hz = visit.uniform(60.0, 120.0), visit.uniform(500.0, 2200.0)
    hits = [burst(visit, 0.15, low_hz, high_hz, 0.002, 0.03) for _ in range(3)]
    speed_m_s = visit.uniform(9.0, 20.0)
    axles_s = np.array([0.0, 2.3, 6.5, 8.8]) / speed_m_s
    track = np.zeros(num_samples)
    rail_s = 25.0 / speed_m_s
    first_s = -clip.uniform(0.0, rail_s)
    for joint_s in np.arange(first_s, num_samples / SAMPLE_RATE_HZ, rail_s):
        for axle_s in axles_s:
            start = int((joint_s + axle_s) * SAMPLE_RATE_HZ)
            place(track, hits[int(clip.integers(3))], start, clip.uniform(0.5, 1.0))
    return track
