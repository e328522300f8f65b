"""A synthetic corpus: made sound of the ten scenes, with visits, cities and times.

It shows that the whole path works and gives a model something to start from; it is not evidence
about real places. Everything follows from one seed: the same seed gives the same samples.

The unit is the *visit*: one place on one day with one device. Its clips share the place (which
sources, how loud, how the room answers), the device (tilt, bandwidth, hiss, level), the city and
the day, so a fair test never has one visit on both sides. City and local time are drawn
independently of the scene: nothing about a scene can be learnt from them, and a model that uses
them gains nothing here.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

import numpy as np
import soundfile

from edge_asc.atomic import atomic_path
from edge_asc.errors import DataError
from edge_asc.features import Samples
from edge_asc.scenes import SCENES, find_scene
from edge_asc.training.datasets.parallel import map_in_processes
from edge_asc.training.datasets.scene_synthesis import PLACES, Draw, Place
from edge_asc.training.datasets.sound_parts import (
    SAMPLE_RATE_HZ,
    Rng,
    Sound,
    band_response,
    decibels,
    samples_in,
    shaped_noise,
    unit_rms,
    wandering,
)

SYNTHETIC_CITIES = (
    "Xi'an",
    "Luoyang",
    "Hefei",
    "Shanghai",
    "Chongqing",
    "Jinan",
    "Shangrao",
    "Liupanshui",
)
"""The eight cities that CAS 2023 has development clips of."""

COLUMNS = ("file", "label", "fold", "group", "city", "time", "source_set")
NUM_FOLDS = 5
CROSSFADE_S = 0.5

# Separate streams of random numbers, so that no two uses ever share one.
CORPUS, _RECORDING = 0, 1
_PLACE, _DEVICE, _CONTEXT, _CLIP = 0, 1, 2, 3


@dataclass(frozen=True, slots=True)
class Visit:
    """One place on one day with one device; all of it follows from these numbers."""

    seed: int
    purpose: int
    scene: str
    number: int

    @property
    def name(self) -> str:
        """Unique among corpora of different seeds: the group of the visit's clips."""
        return f"synthetic-{self.seed}-{self.scene}-{self.number:03d}"

    def rng(self, stream: int, clip: int = 0) -> Rng:
        """The generator of one use; `clip` tells apart those of `_CLIP`."""
        scene = SCENES.index(self.scene)
        return np.random.default_rng([self.seed, self.purpose, scene, self.number, stream, clip])


def draw_context(visit: Visit) -> tuple[str, datetime]:
    """City and local time of a visit, each uniform, independent of the scene and the sound."""
    rng = visit.rng(_CONTEXT)
    city = SYNTHETIC_CITIES[int(rng.integers(len(SYNTHETIC_CITIES)))]
    day = datetime(2023, 1, 1) + timedelta(days=int(rng.integers(365)))
    return city, day + timedelta(seconds=int(rng.integers(24 * 3600)))


def render_clip(visit: Visit, clip: int, num_samples: int) -> Samples:
    """Clip number `clip` of `visit`: shape (num_samples,), 44.1 kHz, RMS about -35 to -15 dBFS."""
    place = PLACES[visit.scene]
    clip_rng = visit.rng(_CLIP, clip)
    sound = place.play(Draw(visit.rng(_PLACE), clip_rng, num_samples))
    device = visit.rng(_DEVICE)
    level_db = device.uniform(-35.0, -15.0)
    hiss = shaped_noise(clip_rng, num_samples, 40.0, 20_000.0, -2.0)
    sound = unit_rms(_drift(sound, device, clip_rng)) + decibels(-device.uniform(30.0, 60.0)) * hiss
    heard = unit_rms(_through_room_and_microphone(sound, place, device))
    heard *= decibels(level_db + clip_rng.normal(0.0, 1.0))
    # As a recorder's limiter: nearly linear at these levels, never above full scale.
    return np.asarray(0.98 * np.tanh(heard / 0.98), dtype=np.float32)


def _drift(sound: Sound, device: Rng, clip: Rng) -> Sound:
    """`sound` with the slow swell of a scene in which everything, the listener too, moves."""
    range_db, points_per_s = device.uniform(3.0, 18.0), device.uniform(0.3, 2.0)
    level_db = wandering(clip, sound.size, points_per_s, -0.5 * range_db, 0.5 * range_db)
    return np.asarray(sound * 10.0 ** (level_db / 20.0))


def _through_room_and_microphone(sound: Sound, place: Place, device: Rng) -> Sound:
    """`sound` with the visit's echo and the device's response, as one circular convolution.

    Circular on purpose: the echo of the clip's end is heard at its beginning, as in a room that has
    been sounding all along. Bandwidth is drawn alike for all scenes, so it says nothing about them.
    """
    num_samples = sound.size
    reverberation_s = device.uniform(*place.reverberation_s)
    echo = device.standard_normal(min(num_samples, samples_in(reverberation_s)))
    echo *= np.exp(np.arange(echo.size) * (-6.9078 / samples_in(reverberation_s)))
    echo *= decibels(device.uniform(*place.echo_db)) / np.sqrt(np.dot(echo, echo))

    frequencies = np.fft.rfftfreq(num_samples, 1.0 / SAMPLE_RATE_HZ)
    low_hz, slope_db = device.uniform(20.0, 120.0), device.uniform(-1.5, 1.0)
    high_hz = float(
        device.choice([7_500.0, 11_000.0, 15_500.0, 20_000.0], p=[0.1, 0.15, 0.45, 0.3])
    )
    microphone = band_response(frequencies, low_hz, high_hz, slope_db)
    microphone *= 1.0 / (1.0 + (frequencies / (1.1 * high_hz)) ** 16)
    # A lossy echo: air and walls swallow the high notes first.
    damping = 1.0 / (1.0 + (frequencies / device.uniform(2500.0, 7000.0)) ** 2)
    response = (1.0 + np.fft.rfft(echo, num_samples) * damping) * microphone
    return np.fft.irfft(np.fft.rfft(sound) * response, num_samples)


def write_corpus(
    out: Path,
    *,
    visits_per_scene: int,
    clips_per_visit: int,
    clip_s: float,
    seed: int,
    num_workers: int | None = None,
) -> Path:
    """Write `visits_per_scene` x `clips_per_visit` FLAC clips of `clip_s` seconds a scene.

    `out` gets `clips.csv` (see `COLUMNS`; written last, so it is there only if all clips are) and a
    folder a scene. Visit number i is in fold i % 5 + 1. `num_workers`: processes; None is one a
    core. Their number never changes a sample. Returns the path of the table.

    Raises DataError if `out` is there and not empty, ValueError for counts or lengths below 1.
    """
    check_corpus(out, visits_per_scene, clips_per_visit, clip_s, seed)
    for scene in SCENES:
        (out / scene).mkdir(parents=True, exist_ok=True)
    visits = [
        Visit(seed, CORPUS, scene, number) for scene in SCENES for number in range(visits_per_scene)
    ]
    write = partial(_write_visit, out=out, num_clips=clips_per_visit, clip_s=clip_s)
    rows = map_in_processes(write, visits, "synthetic corpus: visit", num_workers=num_workers)
    return _write_table(out / "clips.csv", [row for rows_of_visit in rows for row in rows_of_visit])


def check_corpus(
    out: Path, visits_per_scene: int, clips_per_visit: int, clip_s: float, seed: int
) -> None:
    """Raise ValueError or DataError if a corpus cannot be like that, or not be written to `out`."""
    if min(visits_per_scene, clips_per_visit) < 1 or clip_s < 1.0 or seed < 0:
        raise ValueError(
            "visits_per_scene, clips_per_visit and clip_s must be at least 1, seed at least 0, got"
            f" {visits_per_scene}, {clips_per_visit}, {clip_s} and {seed}"
        )
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise DataError(
            f"{out} is not an empty folder: a corpus is never mixed with other files;"
            " choose another folder or empty this one"
        )


def _write_visit(visit: Visit, out: Path, num_clips: int, clip_s: float) -> list[dict[str, str]]:
    """Write the clips of one visit; return their rows. Clips follow each other in time."""
    city, begin = draw_context(visit)
    rows = []
    for clip in range(num_clips):
        file = f"{visit.scene}/{visit.scene}-{visit.number:03d}-{clip:02d}.flac"
        samples = render_clip(visit, clip, samples_in(clip_s))
        soundfile.write(out / file, samples, SAMPLE_RATE_HZ, subtype="PCM_16")
        time = begin + timedelta(seconds=clip * clip_s)
        rows.append(
            {
                "file": file,
                "label": visit.scene,
                "fold": str(visit.number % NUM_FOLDS + 1),
                "group": visit.name,
                "city": city,
                "time": time.isoformat(sep=" ", timespec="seconds"),
                "source_set": "synthetic",
            }
        )
    return rows


def _write_table(path: Path, rows: Sequence[dict[str, str]]) -> Path:
    with atomic_path(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    return path


def write_recording(path: Path, *, scenes: Sequence[str], seconds_each: float, seed: int) -> None:
    r"""Write a recording that walks through `scenes`, `seconds_each` of each, as .flac or .wav.

          scene 1       scene 2
        |----------|\\|                     0.5 s of crossfade at the beginning of every scene but
                   |//|-----------|         the first; its visits never occur in a corpus

    Raises ContextError for an unknown scene, DataError for another kind of file, ValueError for
    less than a second or no scene.
    """
    formats = {".flac": "FLAC", ".wav": "WAV"}
    if path.suffix.lower() not in formats:
        raise DataError(f"a synthetic recording is .flac or .wav, got {path.name!r}; rename it")
    if not scenes or seconds_each < 1.0:
        raise ValueError(
            f"wants at least one scene of at least 1 s, got {scenes!r}, {seconds_each} s"
        )
    visits = [
        Visit(seed, _RECORDING, find_scene(scene), number) for number, scene in enumerate(scenes)
    ]
    samples = _walk(visits, samples_in(seconds_each))
    with atomic_path(path) as temporary:
        soundfile.write(
            temporary,
            samples,
            SAMPLE_RATE_HZ,
            subtype="PCM_16",
            format=formats[path.suffix.lower()],
        )


def _walk(visits: Sequence[Visit], num_samples: int) -> Samples:
    """The visits one after the other, each fading out over the next one's beginning."""
    fade = samples_in(CROSSFADE_S)
    fade_in = np.sqrt(np.arange(fade, dtype=np.float32) / fade)
    track = np.zeros(num_samples * len(visits), np.float32)
    for index, visit in enumerate(visits):
        is_last = index == len(visits) - 1
        samples = render_clip(visit, 0, num_samples + (0 if is_last else fade))
        if index > 0:
            samples[:fade] *= fade_in
        if not is_last:
            samples[-fade:] *= fade_in[::-1]
        begin = index * num_samples
        track[begin : begin + samples.size] += samples
    return track
