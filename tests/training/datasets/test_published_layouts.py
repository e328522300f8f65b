from __future__ import annotations

import itertools
from collections import Counter, defaultdict
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from edge_asc.errors import DataError
from edge_asc.recordings import context_after
from edge_asc.scenes import SCENES
from edge_asc.training.datasets.cas2023 import PARTS
from edge_asc.training.datasets.published_layouts import _contexts, write_layout
from edge_asc.training.datasets.registry import detect_set, read_set
from edge_asc.training.datasets.synthetic import CORPUS, Visit


def write(out: Path, layout: str, **options: Any) -> Path:
    """Two visits a scene of two clips of a second."""
    settings: dict[str, Any] = {
        "visits_per_scene": 2,
        "clips_per_visit": 2,
        "clip_s": 1.0,
        "seed": 0,
    }
    write_layout(out, layout, **{**settings, "num_workers": 1, **options})
    return out


@pytest.fixture(scope="module")
def cas(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("cas") / "out"
    return write(out, "cas2023", unlabelled_share=0.5)


def test_cas2023_is_read_back(cas):
    assert detect_set(cas) == "cas2023"
    clips = read_set(cas).clips
    assert len(clips) == 40
    assert Counter(clip.scene for clip in clips) == {None: 20} | dict.fromkeys(SCENES, 2)
    assert {clip.fold for clip in clips} == {"development"}
    assert {clip.source_set for clip in clips} == {"cas2023 (synthetic)"}
    # One recording a visit, of consecutive slices.
    assert len({clip.group for clip in clips}) == len({clip.recording for clip in clips}) == 20
    first, second = clips[:2]
    assert first.group == second.group
    assert second.context == context_after(first.context, 10.0)
    info = soundfile.info(first.path)
    assert (info.samplerate, info.subtype, info.frames) == (44100, "PCM_16", 44100)


def test_the_cas2023_table_is_like_the_original(cas):
    text = (cas / PARTS[0].table).read_bytes()
    assert text.startswith(b"\xef\xbb\xbffilename,location,record_time,scene_label\n")
    assert b",Urban park\n" in text
    assert b",\n" in text


def test_the_seed_fixes_sound_labels_and_names(cas, tmp_path):
    again = write(tmp_path / "again", "cas2023", unlabelled_share=0.5, num_workers=2)
    other = write(tmp_path / "other", "cas2023", unlabelled_share=0.5, seed=1, visits_per_scene=1)
    table = PARTS[0].table
    assert (again / table).read_bytes() == (cas / table).read_bytes()
    for path in (cas / PARTS[0].audio).iterdir():
        same = again / PARTS[0].audio / path.name
        np.testing.assert_array_equal(soundfile.read(path)[0], soundfile.read(same)[0])
        assert not (other / PARTS[0].audio / path.name).exists()


def test_visits_of_a_city_are_an_hour_apart_and_cities_tell_nothing():
    visits = [Visit(3, CORPUS, scene, number) for scene in SCENES for number in range(200)]
    times = defaultdict(list)
    cities = defaultdict(list)
    for visit, (city, time) in _contexts(visits):
        times[city].append(time)
        cities[visit.scene].append(city)
    assert len(times) == 8
    for of_city in times.values():
        ordered = sorted(of_city)
        assert all(b - a >= timedelta(hours=1) for a, b in itertools.pairwise(ordered))
    # 200 visits of a scene over eight cities: 25 each, by binomial odds never below 8.
    for of_scene in cities.values():
        assert min(Counter(of_scene).values()) >= 8


def test_tau2020_is_read_back(tmp_path):
    out = write(tmp_path / "out", "tau2020")
    assert detect_set(out) == "tau2020"
    contents = read_set(out)
    assert contents.num_excluded == 0
    assert len(contents.clips) == 28
    assert len({clip.scene for clip in contents.clips}) == 7
    assert Counter(clip.fold for clip in contents.clips) == {"train": 14, "test": 14}
    assert len({clip.group for clip in contents.clips}) == 14


def test_cochlscene_is_read_back(tmp_path):
    out = write(tmp_path / "out", "cochlscene", visits_per_scene=3)
    assert detect_set(out) == "cochlscene"
    clips = read_set(out).clips
    assert len({clip.scene for clip in clips}) == 5
    assert Counter(clip.fold for clip in clips) == {"train": 10, "val": 10, "test": 10}
    assert len({clip.group for clip in clips}) == 15


def test_the_layouts_share_no_sound(cas, tmp_path):
    folders = [cas, write(tmp_path / "tau", "tau2020"), write(tmp_path / "cochl", "cochlscene")]
    buses = []
    for folder in folders:
        clips = [clip for clip in read_set(folder).clips if clip.scene == "bus"]
        buses.append(soundfile.read(clips[0].path)[0])
    assert not any(np.array_equal(a, b) for a, b in itertools.combinations(buses, 2))


def test_the_folder_layout(tmp_path):
    assert len(read_set(write(tmp_path / "out", "folder", clips_per_visit=1)).clips) == 20


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"layout": "dcase"}, DataError, "layout must be one of folder, cas2023"),
        (
            {"layout": "tau2020", "unlabelled_share": 0.5},
            DataError,
            "only the cas2023 layout has unlabelled clips, not tau2020",
        ),
        ({"layout": "cas2023", "unlabelled_share": 1.0}, ValueError, "unlabelled_share must be in"),
        ({"layout": "cas2023", "clips_per_visit": 61}, DataError, "at most 60 slices, got 61"),
        ({"layout": "cochlscene", "visits_per_scene": 0}, ValueError, "at least 1"),
    ],
)
def test_what_cannot_be_written(tmp_path, options, error, message):
    with pytest.raises(error, match=message):
        write(tmp_path / "out", **options)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("layout", ["cas2023", "tau2020", "cochlscene"])
def test_a_folder_with_something_in_it_is_refused(tmp_path, layout):
    (tmp_path / "mine.txt").touch()
    with pytest.raises(DataError, match="is not an empty folder"):
        write(tmp_path, layout)
