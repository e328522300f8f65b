from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile

from edge_asc.errors import DataError
from edge_asc.training.datasets.check import check_set, inspect_file

RATE_HZ = 8000
HEX = "0123456789abcdef0123456789abcde"


def write_sound(path: Path, seed: int, *, seconds: float = 10.0, channels: int = 1) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    shape = (round(seconds * RATE_HZ), channels)
    samples = np.random.default_rng(seed).uniform(-0.1, 0.1, shape)
    soundfile.write(path, samples, RATE_HZ, subtype="PCM_16")
    return path


def stem(digit: str) -> str:
    return f"{HEX}{digit}1_1"


def make_cas(folder: Path, labels: dict[str, str]) -> Path:
    """A CAS 2023 of one clip a label: sound in the published place, table beside it."""
    rows = [f"{stem(d)},Hefei,2023-05-30 14:00:00,{label}" for d, label in labels.items()]
    table = "\n".join(("filename,location,record_time,scene_label", *rows)) + "\n"
    folder.mkdir(exist_ok=True)
    (folder / "APSIPA2025_GC_ASC_dev_metadata.csv").write_text(table, encoding="utf-8-sig")
    for seed, digit in enumerate(labels):
        write_sound(sound(folder, digit), seed)
    return folder


def sound(folder: Path, digit: str) -> Path:
    return folder / "ICME2024_GC_ASC_dev" / f"{stem(digit)}.wav"


def test_a_set_without_fault(tmp_path):
    report = check_set(make_cas(tmp_path, {"0": "Bus", "1": "Bus", "2": ""}))
    assert report.source_set == "cas2023"
    assert (report.faults, report.doubts) == ({}, {})
    assert report.formats == {"8,000 Hz, 1 channel": 3}
    assert report.counts == {
        "scene": {"bus": 2, "(not labelled)": 1},
        "fold": {"development": 3},
        "city": {"Hefei": 3},
        "group": {"in one fold": 1},
    }
    assert report.verdict == "ready: 3 clips, 0.0 h"
    assert report.duration_s == pytest.approx(30.0)


def test_the_number_of_processes_changes_nothing(tmp_path, monkeypatch):
    # More than one chunk, so that processes are really started.
    monkeypatch.setattr("edge_asc.training.datasets.check._FILES_AT_ONCE", 2)
    folder = make_cas(tmp_path, {"0": "Bus", "1": "Bar", "2": ""})
    sound(folder, "1").write_bytes(b"RIFF")
    assert check_set(folder, num_workers=2) == check_set(folder, num_workers=1)


def test_every_kind_of_trouble(tmp_path):
    folder = make_cas(tmp_path, dict.fromkeys("0123456789abc", "Bus"))
    sound(folder, "0").unlink()
    sound(folder, "1").write_bytes(b"")
    sound(folder, "2").write_text("not sound")
    whole = sound(folder, "3").read_bytes()
    sound(folder, "3").write_bytes(whole[: len(whole) // 2])
    soundfile.write(sound(folder, "4"), np.full(10 * RATE_HZ, np.nan), RATE_HZ, subtype="FLOAT")
    soundfile.write(sound(folder, "5"), np.zeros(10 * RATE_HZ), RATE_HZ)
    write_sound(sound(folder, "6"), 6, seconds=9.94)
    write_sound(sound(folder, "7"), 7, seconds=9.96)
    write_sound(sound(folder, "8"), 8, channels=2)
    shutil.copy(sound(folder, "9"), sound(folder, "a"))
    write_sound(folder / "ICME2024_GC_ASC_dev" / "stray.wav", 0)
    (folder / "ICME2024_GC_ASC_dev" / "._stray.wav").write_bytes(b"\0")
    report = check_set(folder, "cas2023")
    place = "ICME2024_GC_ASC_dev"
    assert report.missing == [f"{place}/{stem('0')}.wav"]
    assert [text.split(" ")[0].rstrip(":") for text in report.broken] == [
        f"{place}/{stem(digit)}.wav" for digit in "1234"
    ]
    for text, why in zip(
        report.broken, ("is empty", "cannot be read as sound", "is cut off", "finite"), strict=True
    ):
        assert why in text
    assert report.silent == [f"{place}/{stem('5')}.wav"]
    assert report.wrong_length == [f"{place}/{stem('6')}.wav (9.94 s)"]
    assert report.formats == {"8,000 Hz, 1 channel": 7, "8,000 Hz, 2 channels": 1}
    (duplicate,) = report.duplicates
    assert duplicate.files == [f"{place}/{stem('9')}.wav", f"{place}/{stem('a')}.wav"]
    assert not duplicate.is_contradictory
    assert report.extra == [f"{place}/stray.wav"]
    assert report.verdict == "not ready: 1 missing, 4 broken"


def test_doubts_do_not_make_a_set_unfit(tmp_path):
    folder = make_cas(tmp_path, {"0": "Bus", "1": ""})
    write_sound(sound(folder, "0"), 0, seconds=4.0)
    shutil.copy(sound(folder, "0"), sound(folder, "1"))
    assert check_set(folder).verdict == "ready: 2 clips, 0.0 h; 1 duplicated, 2 of the wrong length"


def test_one_sound_with_two_labels_is_contradictory(tmp_path):
    folder = make_cas(tmp_path, {"0": "Bus", "1": "Bar"})
    shutil.copy(sound(folder, "0"), sound(folder, "1"))
    report = check_set(folder)
    assert report.duplicates[0].labels == ["bar", "bus"]
    assert report.duplicates[0].groups == ["cas2023/Hefei visit 1"]
    assert report.verdict == "not ready: 1 contradictory"


def test_silent_files_are_alike_but_no_duplicates(tmp_path):
    folder = make_cas(tmp_path, {"0": "Bus", "1": "Bar"})
    for digit in "01":
        soundfile.write(sound(folder, digit), np.zeros(10 * RATE_HZ), RATE_HZ)
    report = check_set(folder)
    assert (report.duplicates, len(report.silent)) == ([], 2)
    assert report.verdict == "ready: 2 clips, 0.0 h; 2 silent"


def test_all_wrong_rows_are_told(tmp_path):
    folder = make_cas(tmp_path, {"0": "Bus", "x": "Bus", "1": "Tram"})
    report = check_set(folder)
    assert [text.split(": ")[0].split(", ")[1] for text in report.table_errors] == [
        "line 3",
        "line 4",
    ]
    assert report.verdict == "not ready: 2 wrong rows"
    assert "mend the rows first" in report.notes[0]


def test_an_evaluation_part_that_is_not_there(tmp_path):
    folder = make_cas(tmp_path, {"0": "Bus"})
    text = (folder / "APSIPA2025_GC_ASC_dev_metadata.csv").read_text("utf-8-sig")
    table = folder / "APSIPA2025_GC_ASC_eval_metadata.csv"
    table.write_text(text.replace(stem("0"), stem("1")).replace("Bus", ""))
    report = check_set(folder)
    assert (report.faults, report.num_clips) == ({}, 1)
    assert "none of the 1 evaluation clips is there" in report.notes[0]


def test_dropped_classes_are_neither_checked_nor_extra(tmp_path):
    for fold in ("Train", "Val", "Test"):
        (tmp_path / fold).mkdir()
    write_sound(tmp_path / "Train" / "Bus" / "Bus_user0001_14_001.wav", 1)
    dropped = write_sound(tmp_path / "Val" / "Cafe" / "Cafe_user0001_15_001.wav", 2)
    dropped.write_bytes(b"broken")
    report = check_set(tmp_path)
    assert (report.num_clips, report.num_excluded, report.extra) == (1, 1, [])
    assert report.faults == {}
    # Table 1 of the paper counts 5,821 bus clips of CochlScene.
    assert [(count.printed, count.found) for count in report.table1 if count.scene == "bus"] == [
        (5821, 1)
    ]


def test_a_folder_of_any_lengths_and_groups_over_folds(tmp_path):
    table = "file,label,group,fold\na.wav,x,g,1\nb.wav,y,g,2\nc.wav,y,h,2\n"
    (tmp_path / "clips.csv").write_text(table)
    for seed, name in enumerate("abc"):
        write_sound(tmp_path / f"{name}.wav", seed, seconds=1.0 + seed)
    report = check_set(tmp_path)
    assert (report.source_set, report.wrong_length) == ("folder", [])
    assert report.counts["group"] == {"in several folds": 1, "in one fold": 1}


def test_a_truncated_flac_is_broken(tmp_path):
    path = write_sound(tmp_path / "a.flac", 0)
    assert inspect_file(path).problem is None
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    assert str(path) in (inspect_file(path).problem or "")


def test_no_set_at_all(tmp_path):
    with pytest.raises(DataError, match="holds none of"):
        check_set(tmp_path)


def test_real_recordings(data_dir):
    # 43 recordings and 964 s, says the README of the data.
    report = check_set(data_dir / "scenes_open")
    assert report.verdict == "ready: 43 clips, 0.3 h"
    assert report.duration_s == pytest.approx(964, abs=1)
