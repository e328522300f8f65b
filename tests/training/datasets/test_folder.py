from __future__ import annotations

from datetime import datetime
from pathlib import Path

import numpy as np
import pytest
import soundfile

from edge_asc.context import SceneContext
from edge_asc.errors import DataError
from edge_asc.training.datasets.folder import cut_windows, read_folder, read_folder_contents

RATE_HZ = 8000


def make_folder(
    tmp_path: Path, table: str, *, name: str = "clips.csv", seconds: float = 1.0
) -> Path:
    """A folder with a table and the files a.wav, b.wav and sub/c.wav."""
    folder = tmp_path / "set"
    (folder / "sub").mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(table.encode())
    for file in ("a.wav", "b.wav", "sub/c.wav"):
        soundfile.write(folder / file, np.full(round(seconds * RATE_HZ), 0.1), RATE_HZ)
    return folder


def test_every_column_with_a_byte_order_mark(tmp_path):
    folder = make_folder(
        tmp_path,
        "\ufefffile,label,fold,group,city,time,source_set,licence\r\n"
        "sub/c.wav,bus,2,visit-1,xi'an,2023-06-18 18:44:34,CAS,CC0\r\n"
        "a.wav,,,,,,,\r\n",
    )
    first, second = read_folder(folder)
    assert first.path == folder / "sub" / "c.wav"
    assert (first.scene, first.fold, first.group, first.source_set) == (
        "bus",
        "2",
        "visit-1",
        "CAS",
    )
    assert first.context == SceneContext("Xi'an", datetime(2023, 6, 18, 18, 44, 34))
    assert (first.start_s, first.duration_s) == (0.0, None)
    assert (second.scene, second.fold) == (None, None)
    assert second.context == SceneContext(None, None)
    assert (second.group, second.source_set) == ("set/a.wav", "set")


def test_other_column_names(tmp_path):
    folder = make_folder(
        tmp_path,
        "file,scene,source_group,location,record_time\na.wav,bar,g,Luoyang,2023-08-27T22:24\n",
        name="anything.csv",
    )
    (clip,) = read_folder(folder)
    assert (clip.scene, clip.group) == ("bar", "g")
    assert clip.context == SceneContext("Luoyang", datetime(2023, 8, 27, 22, 24))


def test_csv_name_chooses_and_several_tables_are_ambiguous(tmp_path):
    folder = make_folder(tmp_path, "file,label\na.wav,bus\n", name="one.csv")
    (folder / "two.csv").write_text("file,label\nb.wav,bar\n")
    assert [clip.scene for clip in read_folder(folder, csv_name="two.csv")] == ["bar"]
    with pytest.raises(DataError, match=r"CSV files found: one\.csv, two\.csv"):
        read_folder(folder)
    with pytest.raises(DataError, match=r"holds no three\.csv"):
        read_folder(folder, csv_name="three.csv")


def test_exclude_counts_what_it_leaves_out(tmp_path):
    folder = make_folder(
        tmp_path, "file,label,licence\na.wav,bus,CC BY-SA 4.0\nb.wav,bus,CC BY 4.0\n"
    )
    contents = read_folder_contents(folder, exclude={"licence": "GPL|CC BY-SA*", "label": "bad*"})
    assert [clip.path.name for clip in contents.clips] == ["b.wav"]
    assert contents.num_excluded == 1
    with pytest.raises(
        DataError, match="exclude by column 'lisence'; columns found: file, label, licence"
    ):
        read_folder(folder, exclude={"lisence": "*"})


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("", "has no rows"),
        ("file,label\n", "has no rows"),
        (
            "path,label\na.wav,bus\n",
            "unknown column 'path'; columns found: path, label; allowed: file",
        ),
        ("label\nbus\n", "no column file; columns found: label; allowed: file"),
        ("file\na.wav\n", "no column label or scene"),
        ("file,label,scene\na.wav,bus,bus\n", "label and scene both mean the label"),
        ("file,label\na.wav,bus,1\n", "line 2: 3 fields, but the header has 2"),
        ("file,label\na.wav,bus\n,bar\n", "line 3: no file name"),
        ("file,label\na.wav,bus\nb.wav,bar\n./a.wav,bar\n", r"line 4: a.wav is already in line 2"),
        ("file,label\n../x.wav,bus\n", "line 2: file must be a path inside"),
        ("file,label\nsub/../../x.wav,bus\n", "line 2: file must be a path inside"),
        ("file,label\n/etc/passwd,bus\n", "line 2: file must be a path inside"),
        ("file,label,city\na.wav,bus,Bejing\n", "line 2: city .* did you mean 'Beijing'"),
        ("file,label,time\na.wav,bus,2023-06-18\n", "line 2: time must be YYYY-MM-DD HH:MM"),
        ("file,label,time\na.wav,bus,2023-13-18 10:00\n", "month must be in 1..12"),
        (
            "file,label\n1.wav,x\n2.wav,x\na.wav,x\n3.wav,x\n4.wav,x\n",
            r"4 of 5 .*2.wav, .*3.wav, \.\.\.",
        ),
        ('file,label\na.wav,"bus\n', "not a CSV table"),
    ],
)
def test_what_is_wrong_is_named(tmp_path, table, message):
    with pytest.raises(DataError, match=message):
        read_folder(make_folder(tmp_path, table))


def test_not_utf8_and_no_folder(tmp_path):
    folder = make_folder(tmp_path, "")
    (folder / "clips.csv").write_bytes(b"file,label\n\xff\xfe.wav,bus\n")
    with pytest.raises(DataError, match="not a CSV table in UTF-8"):
        read_folder(folder)
    with pytest.raises(DataError, match="is not a folder"):
        read_folder(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("seconds", "window_s", "hop_s", "expected"),
    [
        (10.0, 10.0, 10.0, [(0.0, None)]),
        (4.0, 10.0, 10.0, [(0.0, None)]),
        (20.0, 10.0, 10.0, [(0.0, 10.0), (10.0, 10.0)]),
        (24.9, 10.0, 10.0, [(0.0, 10.0), (10.0, 10.0)]),
        (25.0, 10.0, 10.0, [(0.0, 10.0), (10.0, 10.0), (20.0, 5.0)]),
        (12.0, 10.0, 5.0, [(0.0, 10.0), (5.0, 7.0)]),
        (15.0, 10.0, 5.0, [(0.0, 10.0), (5.0, 10.0), (10.0, 5.0)]),
    ],
)
def test_cut_windows(tmp_path, seconds, window_s, hop_s, expected):
    folder = make_folder(tmp_path, "file,label,group\na.wav,bus,g\n", seconds=seconds)
    windows = cut_windows(read_folder(folder), window_s, hop_s)
    found = [(clip.start_s, clip.duration_s) for clip in windows]
    assert [start for start, _ in found] == [start for start, _ in expected]
    for (_, length), (_, wanted) in zip(found, expected, strict=True):
        assert length == (None if wanted is None else pytest.approx(wanted))
    assert {(clip.scene, clip.group) for clip in windows} == {("bus", "g")}


def test_the_time_advances_with_the_windows(tmp_path):
    table = "file,label,time\na.wav,bus,2023-06-18 23:59:55\n"
    windows = cut_windows(read_folder(make_folder(tmp_path, table, seconds=20.0)), 10.0, 10.0)
    times = [clip.context.local_time for clip in windows]
    assert times == [datetime(2023, 6, 18, 23, 59, 55), datetime(2023, 6, 19, 0, 0, 5)]


def test_a_hop_beyond_the_window_is_refused():
    with pytest.raises(ValueError, match="hop_s must be in"):
        cut_windows([], 10.0, 11.0)


def test_real_folders(data_dir):
    # Counts from the README of the data.
    assert len(read_folder(data_dir / "esc10")) == 400
    assert len(read_folder(data_dir / "urban_events")) == 2148
    open_scenes = read_folder_contents(data_dir / "scenes_open", exclude={"licence": "CC BY-SA*"})
    assert (len(open_scenes.clips), open_scenes.num_excluded) == (41, 2)
    windows = cut_windows(open_scenes.clips, 10.0, 10.0)
    assert {clip.scene for clip in windows} == {clip.scene for clip in open_scenes.clips}
