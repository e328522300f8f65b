from __future__ import annotations

import csv
import hashlib
import subprocess
import sys
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
import soundfile

from edge_asc.errors import ContextError, DataError
from edge_asc.scenes import CITIES, SCENES
from edge_asc.training.datasets.folder import read_folder
from edge_asc.training.datasets.scene_synthesis import PLACES, Draw
from edge_asc.training.datasets.synthetic import (
    COLUMNS,
    SYNTHETIC_CITIES,
    Visit,
    draw_context,
    render_clip,
    write_corpus,
    write_recording,
)

RATE_HZ = 44100


def corpus(out: Path) -> Path:
    """Ten scenes, two visits of two clips of a second."""
    return write_corpus(
        out, visits_per_scene=2, clips_per_visit=2, clip_s=1.0, seed=0, num_workers=1
    )


def digest(path: Path) -> str:
    """Of a file's samples, as 16-bit numbers."""
    return hashlib.sha256(soundfile.read(path, dtype="int16")[0].tobytes()).hexdigest()


@pytest.fixture(scope="module")
def written(tmp_path_factory) -> Path:
    return corpus(tmp_path_factory.mktemp("corpus") / "out").parent


def test_the_seed_fixes_every_sample(written, tmp_path):
    """Whatever the number of processes, visits and clips."""
    again, other = tmp_path / "again", tmp_path / "other"
    for out, seed, num_workers in ((again, 0, 2), (other, 1, 1)):
        write_corpus(
            out,
            visits_per_scene=1,
            clips_per_visit=1,
            clip_s=1.0,
            seed=seed,
            num_workers=num_workers,
        )
    for scene in SCENES:
        name = f"{scene}/{scene}-000-00.flac"
        assert digest(again / name) == digest(written / name)
        assert digest(other / name) != digest(written / name)
    first_row = (written / "clips.csv").read_text().splitlines()[1]
    assert (again / "clips.csv").read_text().splitlines()[1] == first_row
    assert (other / "clips.csv").read_text().splitlines()[1] != first_row


def test_the_table_and_what_read_folder_makes_of_it(written):
    with (written / "clips.csv").open(newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        rows = list(reader)
    assert reader.fieldnames == list(COLUMNS)
    assert len(rows) == 40
    clips = read_folder(written)
    assert {clip.scene for clip in clips} == set(SCENES)
    assert {clip.fold for clip in clips} == {"1", "2"}
    assert {clip.source_set for clip in clips} == {"synthetic"}
    first, second = clips[:2]
    assert first.group == second.group
    assert len({clip.group for clip in clips}) == 20
    # Clips of a visit follow each other in time, a second each.
    assert first.context.local_time is not None
    assert second.context.local_time == first.context.local_time + timedelta(seconds=1)
    assert first.context.city == second.context.city


def test_audio_is_mono_44100_hz_and_at_a_recorder_s_level(written):
    for clip in read_folder(written):
        samples, rate_hz = soundfile.read(clip.path)
        assert (rate_hz, samples.shape) == (RATE_HZ, (RATE_HZ,))
        level_db = 20 * np.log10(samples.std())
        # -35 to -15 dBFS a visit, with a deviation of 1 dB a clip; the limiter takes up to 2 dB.
        assert -40.0 < level_db < -11.0
        assert np.abs(samples).max() < 0.99


@pytest.mark.parametrize("scene", SCENES)
def test_clips_of_a_visit_differ_but_share_their_place(scene):
    visit, elsewhere = Visit(3, 0, scene, 0), Visit(3, 0, scene, 1)
    first, second = render_clip(visit, 0, 2 * RATE_HZ), render_clip(visit, 1, 2 * RATE_HZ)
    assert abs(np.corrcoef(first, second)[0, 1]) < 0.9
    np.testing.assert_array_equal(first, render_clip(visit, 0, 2 * RATE_HZ))
    assert not np.array_equal(first, render_clip(elsewhere, 0, 2 * RATE_HZ))


def test_what_a_visit_is_like_does_not_depend_on_a_clip_s_length():
    # The generator of the place must end in the same state, however long the clip.
    for scene, place in PLACES.items():
        visit = Visit(0, 0, scene, 5)
        states = []
        for clip, num_samples in ((0, RATE_HZ), (1, 2 * RATE_HZ + 7)):
            rng = visit.rng(0)
            place.play(Draw(rng, visit.rng(3, clip), num_samples))
            states.append(rng.bit_generator.state)
        assert states[0] == states[1], scene


def test_cities_are_those_with_development_clips():
    assert set(SYNTHETIC_CITIES) < set(CITIES)
    assert len(SYNTHETIC_CITIES) == 8
    assert "Beijing" not in SYNTHETIC_CITIES


def test_city_and_time_say_nothing_about_the_scene():
    visits = 400
    counts = np.zeros((len(SCENES), len(SYNTHETIC_CITIES)))
    hours = np.zeros((len(SCENES), 24))
    for row, scene in enumerate(SCENES):
        for number in range(visits):
            city, time = draw_context(Visit(0, 0, scene, number))
            counts[row, SYNTHETIC_CITIES.index(city)] += 1
            hours[row, time.hour] += 1
    # 99.9 % points of chi-squared: 103.4 at 63 degrees of freedom, 275 at 207.
    assert chi_squared(counts) < 103.4
    assert chi_squared(hours) < 275.0


def chi_squared(table) -> float:
    expected = table.sum(1, keepdims=True) * table.sum(0, keepdims=True) / table.sum()
    return float(((table - expected) ** 2 / expected).sum())


def test_a_folder_with_files_is_refused(tmp_path):
    (tmp_path / "note.txt").write_text("mine")
    with pytest.raises(DataError, match=r"is not an empty folder.*choose another folder"):
        corpus(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["note.txt"]
    with pytest.raises(DataError, match="is not an empty folder"):
        corpus(tmp_path / "note.txt")


def test_counts_below_one_are_refused(tmp_path):
    with pytest.raises(ValueError, match="must be at least 1"):
        write_corpus(tmp_path, visits_per_scene=0, clips_per_visit=1, clip_s=1.0, seed=0)


@pytest.mark.parametrize(("name", "kind"), [("walk.wav", "WAV"), ("walk.flac", "FLAC")])
def test_a_recording_walks_through_its_scenes(tmp_path, name, kind):
    path = tmp_path / name
    write_recording(path, scenes=["bus", "Urban Park", "bar"], seconds_each=2.0, seed=0)
    info = soundfile.info(path)
    assert (info.format, info.frames, info.samplerate, info.channels) == (
        kind,
        6 * RATE_HZ,
        RATE_HZ,
        1,
    )
    again = tmp_path / f"again-{name}"
    write_recording(again, scenes=["bus", "urban_park", "bar"], seconds_each=2.0, seed=0)
    np.testing.assert_array_equal(soundfile.read(path)[0], soundfile.read(again)[0])


def test_a_recording_fades_for_half_a_second_and_is_not_from_the_corpus(tmp_path):
    path = tmp_path / "walk.wav"
    write_recording(path, scenes=["metro", "bar"], seconds_each=2.0, seed=0)
    samples, _ = soundfile.read(path, dtype="float32")
    first = render_clip(Visit(0, 1, "metro", 0), 0, round(2.5 * RATE_HZ))
    second = render_clip(Visit(0, 1, "bar", 1), 0, 2 * RATE_HZ)
    # Outside the fade, 2.0 to 2.5 s, each scene is heard alone, to the 16-bit step of the file.
    np.testing.assert_allclose(samples[: 2 * RATE_HZ], first[: 2 * RATE_HZ], atol=4e-5)
    fade = RATE_HZ // 2
    np.testing.assert_allclose(samples[2 * RATE_HZ + fade :], second[fade:], atol=4e-5)
    assert not np.array_equal(first[:RATE_HZ], render_clip(Visit(0, 0, "metro", 0), 0, RATE_HZ))


def test_bad_recordings(tmp_path):
    with pytest.raises(DataError, match=r"is \.flac or \.wav, got 'walk\.mp3'"):
        write_recording(tmp_path / "walk.mp3", scenes=["bus"], seconds_each=2.0, seed=0)
    with pytest.raises(ContextError, match="did you mean 'urban_park'"):
        write_recording(tmp_path / "walk.wav", scenes=["urban_prak"], seconds_each=2.0, seed=0)
    with pytest.raises(ValueError, match="at least one scene"):
        write_recording(tmp_path / "walk.wav", scenes=[], seconds_each=2.0, seed=0)
    assert list(tmp_path.iterdir()) == []


def test_the_generator_needs_numpy_and_soundfile_only():
    code = (
        "import sys, edge_asc.training.datasets.synthetic\n"
        "heavy = {'torch', 'scipy', 'sklearn', 'pandas', 'librosa', 'tqdm'} & set(sys.modules)\n"
        "sys.exit(f'imported {heavy}' if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_times_are_local_and_within_one_year():
    times = [draw_context(Visit(0, 0, "bus", number))[1] for number in range(50)]
    assert all(datetime(2023, 1, 1) <= time < datetime(2024, 1, 1) for time in times)
    assert all(time.tzinfo is None for time in times)
