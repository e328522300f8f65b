"""On tables made here in the published layout, and on the official ones where they are at hand."""

from __future__ import annotations

import shutil
from collections import Counter
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from edge_asc.context import SceneContext
from edge_asc.errors import DataError
from edge_asc.training.datasets.cas2023 import PARTS, Part, read_cas2023, visits

DEVELOPMENT, EVALUATION = PARTS
HEX = "0123456789abcdef0123456789abcde"
"""31 of the 32 digits; a test adds one that tells its clips apart."""


def name(digit: str, index: int = 1, channel: int = 1) -> str:
    return f"{HEX}{digit}{index}_{channel}"


def write_table(folder: Path, part: Part, *rows: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / part.table
    lines = ("filename,location,record_time,scene_label", *rows)
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8-sig")
    return path


def write_sound(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, np.full(100, 0.1), 44100)


def test_a_row_becomes_a_clip(tmp_path):
    stem = name("0", index=17, channel=2)
    write_table(tmp_path, DEVELOPMENT, f"{stem},Xi'an,2023-06-18 23:59:34,Urban park")
    write_sound(tmp_path / "ICME2024_GC_ASC_dev" / f"{stem}.wav")
    (clip,) = read_cas2023(tmp_path)
    assert clip.path == tmp_path / "ICME2024_GC_ASC_dev" / f"{stem}.wav"
    assert (clip.start_s, clip.duration_s, clip.scene) == (0.0, None, "urban_park")
    # Slice 17 begins 160 s after the recording.
    assert clip.context == SceneContext("Xi'an", datetime(2023, 6, 19, 0, 2, 14))
    assert clip.recording == "cas2023/Xi'an 2023-06-18 23:59:34"
    assert (clip.group, clip.fold) == ("cas2023/Xi'an visit 1", "development")
    assert clip.source_set == "cas2023"


def test_both_parts_with_their_tables_in_metadata_and_sound_anywhere(tmp_path):
    metadata = tmp_path / "metadata"
    rows = [f"{name(digit)},Hefei,2023-05-30 14:00:00," for digit in "012"]
    write_table(metadata, DEVELOPMENT, rows[0], rows[1])
    write_table(metadata, EVALUATION, rows[2].replace("14:00", "14:30"))
    files = [
        tmp_path / "ICME2024_GC_ASC_dev" / f"{name('0')}.flac",
        tmp_path / f"{name('1')}.wav",
        tmp_path / "ICME2024_GC_ASC_eval" / f"{name('2')}.wav",
    ]
    for file in files:
        write_sound(file)
    clips = read_cas2023(tmp_path)
    assert [clip.path for clip in clips] == files
    assert [clip.scene for clip in clips] == [None, None, None]
    assert [clip.fold for clip in clips] == ["development", "development", "evaluation"]
    assert len({clip.recording for clip in clips}) == 2
    # 30 minutes apart is still the same visit, whichever part it is in.
    assert {clip.group for clip in clips} == {"cas2023/Hefei visit 1"}


def test_an_evaluation_part_without_any_sound_is_left_out(tmp_path):
    write_table(tmp_path, DEVELOPMENT, f"{name('0')},Hefei,2023-05-30 14:00:00,Bus")
    row = "{},Hefei,2023-05-30 14:00:00,"
    write_table(tmp_path, EVALUATION, row.format(name("1")), row.format(name("2")))
    write_sound(tmp_path / f"{name('0')}.wav")
    assert [clip.fold for clip in read_cas2023(tmp_path)] == ["development"]
    assert len(read_cas2023(tmp_path, require_audio=False)) == 3
    write_sound(tmp_path / f"{name('1')}.wav")
    with pytest.raises(DataError, match="1 of 3 audio files are missing"):
        read_cas2023(tmp_path)


def test_missing_development_sound_is_named(tmp_path):
    write_table(tmp_path, DEVELOPMENT, f"{name('0')},Hefei,2023-05-30 14:00:00,Bus")
    with pytest.raises(DataError, match=rf"1 of 1 audio files are missing: .*{name('0')}\.wav"):
        read_cas2023(tmp_path)
    (clip,) = read_cas2023(tmp_path, require_audio=False)
    assert clip.path == tmp_path / "ICME2024_GC_ASC_dev" / f"{name('0')}.wav"


GOOD = f"{name('0')},Hefei,2023-05-30 14:00:00,Bus"


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (f"{name('1')},Bejing,2023-05-30 14:00:00,Bus", "line 3: city .* did you mean 'Beijing'"),
        (f"{name('1')},,2023-05-30 14:00:00,Bus", "line 3: city must be one of the 22"),
        (f"{name('1')},Hefei,2023-05-30,Bus", "line 3: time must be YYYY-MM-DD HH:MM"),
        (f"{name('1')},Hefei,2023-02-30 14:00:00,Bus", "line 3: time .* .day is out of range"),
        (f"{name('1')},Hefei,,Bus", "line 3: time must be .* got ''"),
        (
            f"{name('1')},Hefei,2023-05-30 14:00:00,Tram",
            "line 3: scene must be one of the 10 CAS scenes",
        ),
        (f"{name('1', 61)},Hefei,2023-05-30 14:00:00,Bus", "line 3: filename .* from 1 to 60"),
        (f"{name('1', 0)},Hefei,2023-05-30 14:00:00,Bus", "line 3: filename must be 32"),
        (f"{name('1')}.wav,Hefei,2023-05-30 14:00:00,Bus", "line 3: filename must be 32"),
        (f"{name('1', 1, 3)},Hefei,2023-05-30 14:00:00,Bus", "line 3: filename must be 32"),
        (f"../{name('1')},Hefei,2023-05-30 14:00:00,Bus", "line 3: filename must be 32"),
        (GOOD, "line 3: .* is already in line 2; a file has one row"),
        (f"{name('1')},Hefei,2023-05-30 14:00:00", "line 3: 3 fields, but the header has 4"),
    ],
)
def test_a_wrong_row_is_named(tmp_path, row, message):
    table = write_table(tmp_path, DEVELOPMENT, GOOD, row)
    with pytest.raises(DataError, match=message) as caught:
        read_cas2023(tmp_path, require_audio=False)
    assert str(caught.value).startswith(str(table))


def test_a_file_in_both_tables_and_several_wrong_rows(tmp_path):
    write_table(tmp_path, DEVELOPMENT, GOOD)
    first = write_table(tmp_path, EVALUATION, GOOD)
    with pytest.raises(DataError, match=rf"{first}, line 2: .* in line 2 of .*dev_metadata"):
        read_cas2023(tmp_path, require_audio=False)
    write_table(tmp_path, EVALUATION, "x,Hefei,2023-05-30 14:00:00,", "y,Hefei,,", "z,Hefei,,")
    with pytest.raises(DataError, match=r"got 'x' \(and 2 more like it\)"):
        read_cas2023(tmp_path, require_audio=False)


def test_no_table_or_a_column_missing(tmp_path):
    with pytest.raises(DataError, match="holds neither APSIPA2025_GC_ASC_dev_metadata"):
        read_cas2023(tmp_path)
    (tmp_path / DEVELOPMENT.table).write_text("filename,location,scene_label\na,Hefei,Bus\n")
    with pytest.raises(DataError, match="no column record_time; columns found: filename, loc"):
        read_cas2023(tmp_path)


MINUTES = st.integers(0, 600)


@given(st.lists(st.tuples(st.sampled_from(["Hefei", "Jinan"]), MINUTES), min_size=1, max_size=30))
def test_visits_are_the_chains_of_short_gaps(recordings):
    places = [(city, datetime(2023, 1, 1) + timedelta(minutes=m)) for city, m in recordings]
    groups = visits(places)
    for city, minute in recordings:
        later = [m for other, m in recordings if other == city and m > minute]
        if later:
            gap = min(later) - minute
            here = groups[city, datetime(2023, 1, 1) + timedelta(minutes=minute)]
            there = groups[city, datetime(2023, 1, 1) + timedelta(minutes=min(later))]
            assert (here == there) == (gap <= 30)
    assert all(group.startswith(f"cas2023/{city} visit ") for (city, _), group in groups.items())


def test_the_official_tables(data_dir):
    """Counts from the challenge's description and from the tables themselves."""
    clips = read_cas2023(data_dir / "cas2023", require_audio=False)
    development = [clip for clip in clips if clip.fold == "development"]
    labelled = [clip for clip in development if clip.scene is not None]
    assert (len(development), len(labelled), len(clips) - len(development)) == (8700, 1740, 1100)
    assert not [clip for clip in clips if clip.fold == "evaluation" and clip.scene is not None]
    assert len({clip.recording for clip in development}) == 328
    assert len({clip.recording for clip in labelled}) == 309
    assert len({(clip.recording, clip.scene) for clip in labelled}) == 309
    assert len({clip.group for clip in clips}) == 69
    assert len({clip.group for clip in labelled}) == 46
    visits_of = {(clip.scene, clip.group) for clip in labelled}
    counts = Counter(scene for scene, _ in visits_of)
    assert (counts["public_square"], counts["bus"]) == (2, 3)
    assert len({clip.context.city for clip in development}) == 8
    assert len({clip.context.city for clip in clips if clip.fold == "evaluation"}) == 12


def test_the_official_scenes_by_city(data_dir):
    clips = read_cas2023(data_dir / "cas2023", require_audio=False)
    cities: dict[str, set[str | None]] = {}
    for clip in clips:
        if clip.scene is not None:
            cities.setdefault(clip.scene, set()).add(clip.context.city)
    assert cities == {
        "airport": {"Hefei", "Xi'an"},
        "metro": {"Shanghai", "Xi'an"},
        "bus": {"Hefei", "Shangrao"},
        "public_square": {"Xi'an"},
        "restaurant": {"Liupanshui", "Xi'an"},
        "construction_site": {"Jinan", "Luoyang"},
        "bar": {"Chongqing", "Luoyang"},
        "urban_park": {"Chongqing", "Luoyang", "Xi'an"},
        "shopping_mall": {"Luoyang", "Shanghai", "Xi'an"},
        "traffic_street": {"Xi'an"},
    }


def test_the_official_development_table_alone(data_dir, tmp_path):
    shutil.copy(data_dir / "cas2023" / DEVELOPMENT.table, tmp_path)
    assert len(read_cas2023(tmp_path, require_audio=False)) == 8700
