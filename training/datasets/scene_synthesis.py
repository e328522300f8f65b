"""The ten scenes as synthetic sound: what sounds there, how often, how loud, and in what room.

A scene is played with two generators. `draw.visit` is the same for every clip of a visit and
decides what the place is like: which sources are there, their pitch, rate and level, the people,
the piece of music. `draw.clip` differs from clip to clip and decides when things happen. So the
draws from `draw.visit` never depend on the clip or on its length.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from edge_asc.training.datasets.sound_parts import (
    Rng,
    Sound,
    beep,
    bird_song,
    burst,
    chime,
    decibels,
    modes,
    oscillator,
    repeat,
    samples_in,
    scatter,
    shaped_noise,
    speech,
    syllable,
    unit_peak,
    unit_rms,
    voices,
    wandering,
)
from edge_asc.training.datasets.synthetic_music import music
from edge_asc.training.datasets.synthetic_vehicles import (
    diesel_engine,
    motorbike,
    passing_cars,
    rail_clacks,
    traffic_hum,
)


@dataclass(frozen=True, slots=True)
class Draw:
    """The dice of one clip: `visit` is shared by the clips of a visit, `clip` is not."""

    visit: Rng
    clip: Rng
    num_samples: int

    def noise(self, low_hz: float, high_hz: float, slope_db_per_octave: float) -> Sound:
        """`shaped_noise` of the clip's length."""
        return shaped_noise(self.clip, self.num_samples, low_hz, high_hz, slope_db_per_octave)

    def curve(self, points_per_s: float, low: float, high: float) -> Sound:
        """`wandering` of the clip's length."""
        return wandering(self.clip, self.num_samples, points_per_s, low, high)

    def level(self, low_db: float, high_db: float) -> float:
        """Amplitude factor of the visit, uniform in decibels."""
        return decibels(self.visit.uniform(low_db, high_db))

    def level_if(self, probability: float, low_db: float, high_db: float) -> float:
        """As `level`, or 0: this place does not have that source."""
        present, level = self.visit.random() < probability, self.level(low_db, high_db)
        return level if present else 0.0

    def babble(self, fewest: int, most: int, low_hz: float = 95.0, high_hz: float = 250.0) -> Sound:
        """`fewest` to `most` people talking, RMS 1."""
        people = voices(self.visit, int(self.visit.integers(fewest, most + 1)), low_hz, high_hz)
        return unit_rms(speech(self.clip, self.num_samples, people))

    def events(self, sounds: list[Sound], low_hz: float, high_hz: float) -> Sound:
        """`sounds` at random, at the visit's own rate in [`low_hz`, `high_hz`) a second."""
        return scatter(self.clip, self.num_samples, sounds, self.visit.uniform(low_hz, high_hz))

    def rhythm(
        self, sounds: list[Sound], low_s: float, high_s: float, jitter: float = 0.05
    ) -> Sound:
        """`sounds` in a rhythm, at the visit's own period in [`low_s`, `high_s`) seconds."""
        period_s = self.visit.uniform(low_s, high_s)
        return repeat(self.clip, self.num_samples, sounds, period_s, jitter)


def _struck(rng: Rng, low_hz: float, high_hz: float, decay_s: float, count: int = 6) -> list[Sound]:
    """`count` things to strike, with five modes each between `low_hz` and `high_hz`."""
    return [
        modes(rng, rng.uniform(low_hz, high_hz, 5), decay_s * rng.uniform(0.5, 1.5), 4.0 * decay_s)
        for _ in range(count)
    ]


def _footsteps(draw: Draw, fewest: int, most: int) -> Sound:
    """Some people walking by, 1.6 to 2.4 steps a second each."""
    heels = [burst(draw.visit, 0.12, 120.0, 2500.0, 0.004, 0.02) for _ in range(4)]
    walkers = int(draw.visit.integers(fewest, most + 1))
    steps = np.zeros(draw.num_samples)
    for _ in range(walkers):
        near = draw.curve(0.4, 0.0, 1.0) ** 2
        steps += near * repeat(draw.clip, draw.num_samples, heels, draw.clip.uniform(0.42, 0.62))
    return steps


def _shouts(draw: Draw, low_hz: float, high_hz: float, fewest_hz: float, most_hz: float) -> Sound:
    """Single calls of one to three raised syllables."""
    pitches = draw.visit.uniform(low_hz, high_hz, 4)
    calls = [
        np.concatenate([syllable(draw.visit, pitch) for _ in range(2 + index % 2)])
        for index, pitch in enumerate(pitches)
    ]
    return draw.events(calls, fewest_hz, most_hz)


def _water(draw: Draw) -> Sound:
    """A fountain or a stream: broad noise that flickers."""
    return draw.noise(500.0, 9000.0, draw.visit.uniform(-3.0, 0.0)) * draw.curve(12.0, 0.6, 1.4)


def bus(draw: Draw) -> Sound:
    """Inside a bus: diesel, road, ventilation, rattling panels, doors, stop bell, a few people."""
    visit = draw.visit
    sound = draw.level(-3.0, 3.0) * diesel_engine(draw.visit, draw.clip, draw.num_samples)
    road = draw.noise(35.0, 5000.0, visit.uniform(-8.0, -5.0)) * draw.curve(0.3, 0.4, 1.3)
    sound += draw.level(-3.0, 4.0) * road
    sound += draw.level_if(0.7, -18.0, -8.0) * draw.noise(250.0, 6000.0, -4.0)
    panels = _struck(visit, 300.0, 3500.0, 0.02)
    sound += draw.level(-1.0, 10.0) * draw.events(panels, 0.5, 6.0)
    sound += draw.level_if(0.7, -16.0, -3.0) * draw.babble(1, 5)
    doors = [burst(visit, 1.2, 1500.0, 14000.0, 0.03, 0.25) for _ in range(2)]
    sound += draw.level(3.0, 12.0) * draw.events(doors, 0.02, 0.12)
    bell = [chime(visit, 700.0, 1600.0, 1, 0.4)]
    return sound + draw.level(1.0, 10.0) * draw.events(bell, 0.02, 0.12)


def metro(draw: Draw) -> Sound:
    """A metro: on the train (tunnel, rail joints, motor, squeal), or on the platform beside one."""
    visit = draw.visit
    on_train = visit.random() < 0.6
    speed = draw.curve(0.15, 0.3, 1.0)
    tunnel = draw.noise(40.0, 3500.0, visit.uniform(-6.5, -4.0)) * speed
    sound = draw.level(-1.0, 3.0) * (1.0 if on_train else 0.4) * tunnel
    clacks = rail_clacks(draw.visit, draw.clip, draw.num_samples)
    sound += draw.level(9.0, 16.0) * (1.0 if on_train else 0.2) * clacks
    harmonics = 1.0 / np.arange(1, 7) ** visit.uniform(0.5, 1.5)
    whine = oscillator(draw.clip, draw.num_samples, visit.uniform(250.0, 800.0) * speed, harmonics)
    sound += draw.level_if(0.9, -11.0, -2.0) * whine
    pitch_hz = visit.uniform(2500.0, 6000.0) * draw.curve(2.0, 0.985, 1.015)
    squeal = oscillator(draw.clip, draw.num_samples, pitch_hz, [1.0, 0.3, 0.1])
    sound += draw.level_if(0.65, -6.0, 3.0) * squeal * np.maximum(draw.curve(0.6, -1.5, 1.0), 0.0)
    gates = [beep(visit, visit.uniform(1500.0, 3200.0), 0.12)]
    sound += draw.level(-12.0, 0.0) * (0.3 if on_train else 1.0) * draw.events(gates, 0.05, 0.8)
    doors = [chime(visit, 500.0, 1100.0, 2, 0.25)]
    sound += draw.level(1.0, 10.0) * draw.events(doors, 0.02, 0.12)
    return sound + draw.level(-14.0, -2.0) * (1.0 if on_train else 2.0) * draw.babble(3, 12)


def airport(draw: Draw) -> Sound:
    """A terminal: ventilation and a crowd in a very large hall, chimes, announcements, trolleys."""
    visit = draw.visit
    sound = draw.level(-2.0, 3.0) * draw.noise(60.0, 4500.0, visit.uniform(-6.0, -3.5))
    sound += draw.level(-5.0, 4.0) * draw.babble(12, 30)
    announcer = draw.babble(1, 1, 150.0, 240.0) * (draw.curve(0.12, -1.0, 1.0) > 0.0)
    sound += draw.level_if(0.85, 0.0, 5.0) * announcer
    sound += draw.level(1.0, 10.0) * draw.events([chime(visit, 400.0, 800.0, 2, 0.6)], 0.02, 0.12)
    rattle = draw.noise(250.0, 5000.0, -3.0) * np.abs(
        draw.curve(visit.uniform(20.0, 45.0), -1.0, 1.0)
    )
    rolling = np.maximum(draw.curve(0.4, -1.0, 1.2), 0.0)
    sound += draw.level(-2.0, 7.0) * rattle * rolling
    jet = draw.noise(40.0, 900.0, -3.0) * np.maximum(draw.curve(0.15, -1.0, 1.0), 0.0)
    sound += draw.level_if(0.4, -6.0, 4.0) * jet
    return sound + draw.level(-4.0, 4.0) * _footsteps(draw, 1, 4)


def restaurant(draw: Draw) -> Sound:
    """Talk at near tables, cutlery, plates, chairs, a kitchen, perhaps quiet music."""
    visit = draw.visit
    sound = draw.level(-2.0, 3.0) * draw.babble(6, 20)
    sound += draw.level(-16.0, -6.0) * draw.noise(80.0, 5000.0, -4.5)
    cutlery = _struck(visit, 2500.0, 10000.0, 0.04)
    sound += draw.level(3.0, 14.0) * draw.events(cutlery, 1.0, 5.0)
    plates = _struck(visit, 900.0, 4500.0, 0.08)
    sound += draw.level(3.0, 14.0) * draw.events(plates, 0.3, 1.5)
    chairs = [burst(visit, 0.5, 150.0, 1500.0, 0.1, 0.2) for _ in range(2)]
    sound += draw.level(-1.0, 8.0) * draw.events(chairs, 0.02, 0.15)
    sizzle = draw.noise(1800.0, 13000.0, 0.0) * draw.curve(6.0, 0.6, 1.4)
    sound += draw.level_if(0.4, -18.0, -6.0) * sizzle
    tune = music(draw.visit, draw.clip, draw.num_samples, drums=False)
    return sound + draw.level_if(0.4, -18.0, -8.0) * tune


def bar(draw: Draw) -> Sound:
    """Loud music with drums and bass, raised voices, glasses, now and then a shout."""
    visit = draw.visit
    sound = draw.level(-2.0, 4.0) * music(draw.visit, draw.clip, draw.num_samples, drums=True)
    sound += draw.level(-3.0, 4.0) * draw.babble(10, 25, 120.0, 320.0)
    sound += draw.level(-18.0, -10.0) * draw.noise(60.0, 5000.0, -4.0)
    glasses = _struck(visit, 2200.0, 7500.0, 0.15)
    sound += draw.level(3.0, 12.0) * draw.events(glasses, 0.1, 0.8)
    sound += draw.level(0.0, 6.0) * _shouts(draw, 200.0, 420.0, 0.05, 0.3)
    cheers = draw.noise(500.0, 4000.0, -2.0) * np.maximum(draw.curve(0.3, -2.0, 1.0), 0.0)
    sound += draw.level_if(0.4, -8.0, 0.0) * cheers
    return sound


def shopping_mall(draw: Draw) -> Sound:
    """A crowd and soft music in a large hall, escalators, ventilation, tills, steps."""
    visit = draw.visit
    sound = draw.level(-3.0, 3.0) * draw.babble(10, 25, 110.0, 300.0)
    tune = music(draw.visit, draw.clip, draw.num_samples, drums=bool(visit.random() < 0.5))
    sound += draw.level_if(0.95, -6.0, 2.0) * tune
    sound += draw.level(-9.0, -1.0) * draw.noise(70.0, 4000.0, -4.5)
    hum = oscillator(draw.clip, draw.num_samples, 50.0, 1.0 / np.arange(1, 13))
    sound += draw.level_if(0.7, -9.0, -2.0) * hum
    treads = [burst(visit, 0.08, 400.0, 3500.0, 0.003, 0.02) for _ in range(3)]
    sound += draw.level_if(0.7, 0.0, 6.0) * draw.rhythm(treads, 0.25, 0.5, 0.01)
    tills = [beep(visit, visit.uniform(1800.0, 2900.0), 0.09)]
    sound += draw.level(-5.0, 7.0) * draw.events(tills, 0.2, 1.0)
    sound += draw.level_if(0.4, -3.0, 4.0) * _shouts(draw, 280.0, 450.0, 0.02, 0.15)
    return sound + draw.level(-4.0, 4.0) * _footsteps(draw, 2, 5)


def public_square(draw: Draw) -> Sound:
    """An open place: people, children, steps, far traffic, perhaps a fountain or dance music."""
    visit = draw.visit
    sound = draw.level(-3.0, 2.0) * draw.babble(4, 14, 100.0, 300.0)
    sound += draw.level(-6.0, 2.0) * traffic_hum(draw.visit, draw.clip, draw.num_samples)
    sound += draw.level_if(0.6, -7.0, 2.0) * _water(draw)
    sound += draw.level_if(0.85, 4.0, 12.0) * _shouts(draw, 300.0, 520.0, 0.2, 1.0)
    tune = music(draw.visit, draw.clip, draw.num_samples, drums=True)
    sound += draw.level_if(0.3, -10.0, 0.0) * tune
    songs = [bird_song(visit) for _ in range(3)]
    sound += draw.level_if(0.3, -8.0, 2.0) * draw.events(songs, 0.1, 0.6)
    return sound + draw.level(4.0, 12.0) * _footsteps(draw, 2, 6)


def urban_park(draw: Draw) -> Sound:
    """Birds, wind and leaves over the city's far hum; insects, water, children or a passer-by."""
    visit = draw.visit
    sound = draw.level(-5.0, 2.0) * draw.noise(40.0, 1500.0, visit.uniform(-9.0, -6.0))
    gusts = draw.curve(0.5, 0.0, 1.0) ** 2
    sound += draw.level(-8.0, 3.0) * draw.noise(20.0, 300.0, -6.0) * gusts
    sound += draw.level(-16.0, -5.0) * draw.noise(1500.0, 9000.0, -2.0) * (0.3 + gusts)
    songs = [bird_song(visit) for _ in range(int(visit.integers(2, 7)))]
    sound += draw.level(1.0, 14.0) * draw.events(songs, 0.4, 4.0)
    cicadas = draw.noise(visit.uniform(3500.0, 5000.0), visit.uniform(5500.0, 8000.0), 0.0)
    sound += draw.level_if(0.35, -15.0, -3.0) * cicadas * draw.curve(8.0, 0.5, 1.5)
    sound += draw.level_if(0.2, -14.0, -4.0) * _water(draw)
    sound += draw.level_if(0.35, -6.0, 4.0) * _shouts(draw, 300.0, 520.0, 0.05, 0.5)
    sound += draw.level_if(0.35, -14.0, -6.0) * draw.babble(1, 3)
    return sound + draw.level_if(0.4, -2.0, 6.0) * _footsteps(draw, 1, 2)


def traffic_street(draw: Draw) -> Sound:
    """The kerb of a busy street: passing cars, motorbikes, horns, brakes, wet tyres in rain."""
    visit = draw.visit
    sound = draw.level(-6.0, 0.0) * traffic_hum(draw.visit, draw.clip, draw.num_samples)
    sound += draw.level(0.0, 4.0) * passing_cars(draw.visit, draw.clip, draw.num_samples)
    sound += draw.level_if(0.6, -4.0, 4.0) * motorbike(draw.visit, draw.clip, draw.num_samples)
    horn_hz = visit.uniform(330.0, 480.0)
    pulses = 1.0 / np.arange(1, 16) ** 0.6
    horns = [
        unit_peak(oscillator(visit, samples_in(length_s), horn_hz * interval, pulses))
        for length_s in (0.2, 0.6)
        for interval in (1.0, 1.26)
    ]
    sound += draw.level(-3.0, 10.0) * draw.events(horns, 0.02, 0.3)
    brakes = [beep(visit, visit.uniform(1800.0, 4500.0), 0.7)]
    sound += draw.level(-5.0, 4.0) * draw.events(brakes, 0.02, 0.15)
    sound += draw.level_if(0.25, -14.0, -4.0) * draw.noise(1200.0, 12000.0, 0.0)
    sound += draw.level_if(0.4, -14.0, -5.0) * draw.babble(1, 5)
    return sound + draw.level_if(0.3, -4.0, 2.0) * _footsteps(draw, 1, 3)


def construction_site(draw: Draw) -> Sound:
    """Hammers, a jackhammer, a saw, falling metal, engines, the beeper of a reversing lorry."""
    visit = draw.visit
    sound = draw.level(-6.0, 1.0) * diesel_engine(draw.visit, draw.clip, draw.num_samples)
    sound += draw.level(-8.0, -1.0) * traffic_hum(draw.visit, draw.clip, draw.num_samples)
    hammers = _struck(visit, 350.0, 5000.0, 0.05)
    working = draw.curve(0.5, -0.6, 1.0) > 0.0
    sound += draw.level(9.0, 20.0) * draw.rhythm(hammers, 0.35, 1.1, 0.15) * working
    blows = [burst(visit, 0.06, 150.0, 7000.0, 0.001, 0.012) for _ in range(3)]
    drilling = draw.curve(0.4, -1.0, 1.0) > 0.0
    sound += draw.level_if(0.6, 4.0, 12.0) * draw.rhythm(blows, 0.04, 0.075, 0.03) * drilling
    teeth_hz = visit.uniform(250.0, 700.0) * draw.curve(1.0, 0.8, 1.05)
    saw = oscillator(draw.clip, draw.num_samples, teeth_hz, 1.0 / np.arange(1, 25) ** 0.7)
    grinding = draw.noise(800.0, 10000.0, 2.0)
    sound += (
        draw.level_if(0.5, -6.0, 3.0) * (0.6 * saw + grinding) * (draw.curve(0.4, -1.2, 1.0) > 0.0)
    )
    metal = _struck(visit, 400.0, 4000.0, 0.3)
    sound += draw.level(5.0, 16.0) * draw.events(metal, 0.05, 0.5)
    beeper = [beep(visit, visit.uniform(1000.0, 1500.0), 0.5)]
    sound += draw.level_if(0.4, -6.0, 3.0) * draw.rhythm(beeper, 0.95, 1.1, 0.001)
    return sound + draw.level(-4.0, 4.0) * _shouts(draw, 140.0, 280.0, 0.02, 0.2)


@dataclass(frozen=True, slots=True)
class Place:
    """A scene's sources and the room around them."""

    play: Callable[[Draw], Sound]
    reverberation_s: tuple[float, float]
    """Range of the time in which the room's echo falls by 60 dB."""
    echo_db: tuple[float, float]
    """Range of the echo's level against the direct sound."""


PLACES = {
    "bus": Place(bus, (0.15, 0.35), (-15.0, -6.0)),
    "airport": Place(airport, (1.8, 3.5), (-3.0, 5.0)),
    "metro": Place(metro, (0.4, 1.8), (-10.0, 0.0)),
    "restaurant": Place(restaurant, (0.4, 0.9), (-12.0, -2.0)),
    "shopping_mall": Place(shopping_mall, (1.0, 2.2), (-6.0, 3.0)),
    "public_square": Place(public_square, (0.4, 1.2), (-20.0, -9.0)),
    "urban_park": Place(urban_park, (0.2, 0.8), (-25.0, -12.0)),
    "traffic_street": Place(traffic_street, (0.4, 1.2), (-18.0, -8.0)),
    "construction_site": Place(construction_site, (0.3, 1.2), (-18.0, -6.0)),
    "bar": Place(bar, (0.3, 0.8), (-12.0, -2.0)),
}
