from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from edge_asc.errors import DataError
from edge_asc.scenes import SCENES
from edge_asc.training.audit import (
    audit_clips,
    audit_command,
    class_table,
    own_fold_splits,
    shared_groups,
)
from edge_asc.training.datasets.registry import read_set
from edge_asc.training.datasets.synthetic import Visit, draw_context
from edge_asc.training.splits import Split

TABLE = "APSIPA2025_GC_ASC_dev_metadata.csv"


@pytest.fixture(autouse=True)
def _cache(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("EDGE_ASC_CACHE", str(tmp_path_factory.mktemp("cache")))


@pytest.fixture
def cas(tmp_path) -> Path:
    """The synthetic corpus's contexts in the layout of CAS 2023, without audio: 60 visits."""
    rows = []
    for code, scene in enumerate(SCENES):
        for number in range(6):
            city, begin = draw_context(Visit(0, 0, scene, number))
            for index in range(1, 9):
                name = f"{code * 10000 + number * 100 + index:032x}{index}_1"
                label = scene.replace("_", " ").capitalize() if index < 7 else ""
                rows.append((name, city, begin, label))
    folder = tmp_path / "cas2023"
    folder.mkdir()
    with (folder / TABLE).open("w", newline="", encoding="utf-8-sig") as file:
        writer = csv.writer(file)
        writer.writerow(("filename", "location", "record_time", "scene_label"))
        writer.writerows(rows)
    return folder


def report(capsys, folder: Path, *protocols: str, **options):
    audit_command(
        [folder],
        list(protocols) or None,
        num_seeds=options.pop("num_seeds", 2),
        html=options.pop("html", None),
        output_format="json",
        with_sound=options.pop("with_sound", True),
    )
    return json.loads(capsys.readouterr().out)


def test_the_random_split_leaks_and_the_visit_split_does_not(cas, capsys):
    found = report(capsys, cas, num_seeds=3)
    assert (found["num_clips"], found["num_unlabelled"], found["num_visits"]) == (480, 120, 60)
    protocols = {one["protocol"]: one for one in found["protocols"]}
    leaky = {name: one["metadata"]["is_leaky"] for name, one in protocols.items()}
    assert leaky == {
        "official-random": True,
        "visit-2fold": False,
        "visit-3fold": False,
        "day-2fold": False,
        "city-held-out": False,
    }
    assert (
        protocols["official-random"]["metadata"]["controls"]["nearest time in city"]["accuracy"]
        > 0.99
    )
    # City and time are drawn independently of the scene: one in ten is right by chance.
    visit = protocols["visit-2fold"]["metadata"]
    assert visit["controls"]["city alone"]["accuracy"] < 0.3
    assert protocols["visit-2fold"]["shared"]["visit"]["in_both"] == 0
    shared = protocols["official-random"]["shared"]["visit"]
    assert shared["in_both"] > 0.9 * shared["in_test"]
    assert found["not_run"] == {"folds": "all labelled clips are in one fold, 'development'"}
    assert found["sound"] is None
    assert found["sound_note"].startswith("sound was not looked at: the folder holds none")
    assert found["line"].startswith("without ears (%): official-random ")
    assert found["line"].count("LEAKS") == 1


def test_one_protocol_ends_in_its_own_line(cas, capsys):
    found = report(capsys, cas, "official-random")
    assert found["line"] == found["protocols"][0]["line"]
    assert found["line"].endswith("this split LEAKS")


@pytest.fixture
def folder(tmp_path, rng) -> Path:
    """Eight short recordings in two folds with groups on both sides, no city, no time."""
    path = tmp_path / "sounds"
    path.mkdir()
    rows = ["file,label,fold,group"]
    for number in range(8):
        samples = 0.1 * rng.standard_normal(22_050)
        soundfile.write(path / f"{number}.wav", samples, 44_100)
        rows.append(f"{number}.wav,{'bus' if number % 2 else 'bar'},{number // 4 + 1},{number % 6}")
    (path / "clips.csv").write_text("\n".join(rows))
    return path


def test_a_plain_folder(folder, capsys):
    found = report(capsys, folder, num_seeds=1)
    protocols = {one["protocol"]: one for one in found["protocols"]}
    assert list(protocols) == ["official-random", "visit-2fold", "visit-3fold", "folds"]
    # Groups 0 and 1 are in both folds; fold 1 has groups 0-3, fold 2 4, 5, 0, 1.
    assert protocols["folds"]["shared"] == {"visit": {"in_test": 4.0, "in_both": 2.0}}
    assert protocols["folds"]["line"].endswith("2.0 of 4.0 visits of the test are in training too")
    assert protocols["folds"]["metadata"] is None
    assert found["line"].startswith("without ears: no guess, as the clips do not tell")
    assert found["line"].endswith("folds")
    assert set(found["not_run"]) == {"day-2fold", "city-held-out"}
    assert found["sound"]["num_windows"] == 8
    assert found["sound"]["copies"] == []
    assert protocols["folds"]["copies_across"] == []


def test_without_sound_nothing_is_decoded(folder, capsys):
    (folder / "0.wav").write_bytes(b"broken")
    assert report(capsys, folder, with_sound=False)["sound"] is None


def test_clips_whose_audio_is_missing_are_counted(folder, capsys):
    (folder / "3.wav").unlink()
    found = report(capsys, folder, "folds")
    assert found["sound_note"] == "1 of 8 labelled clips have no audio file"
    assert found["sound"]["num_windows"] == 7


def test_what_was_asked_for_and_cannot_run_is_an_error(folder, cas, capsys):
    with pytest.raises(DataError, match="does not say the city"):
        report(capsys, folder, "city-held-out")
    with pytest.raises(DataError, match="unknown protocol 'visits'"):
        report(capsys, folder, "visits")
    with pytest.raises(DataError, match="all labelled clips are in one fold"):
        report(capsys, cas, "folds")
    with pytest.raises(DataError, match="no labelled clip outside"):
        audit_clips([], "nothing")


def test_a_test_fold_is_tested_and_nothing_else(folder):
    clips = read_set(folder).clips
    names = [split.name for split in own_fold_splits(clips)]
    assert names == ["fold1", "fold2"]
    named = [replace(c, fold={"1": "train", "2": "test"}[str(c.fold)]) for c in clips]
    (split,) = own_fold_splits(named)
    assert {c.fold for c in split.test} == {"test"}


def test_classes_and_shared_groups_are_counted(folder):
    clips = read_set(folder).clips
    rows = class_table(clips)
    # bar is 0, 2, 4, 6 in groups 0, 2, 4, 0; bus 1, 3, 5, 7 in groups 1, 3, 5, 1.
    assert [(row.scene, row.num_clips, row.num_visits) for row in rows] == [
        ("bar", 4, 3),
        ("bus", 4, 3),
    ]
    assert rows[0].by_city == {"unknown": (4, 3)}
    assert not class_table(clips[:1])[0].is_testable
    shared = shared_groups([Split("s", clips[:4], clips[4:], True)])
    assert {by: (s.num_in_test, s.num_in_both) for by, s in shared.items()} == {"visit": (4.0, 2.0)}


def test_a_wrong_format(cas):
    with pytest.raises(DataError, match="format must be one of text, json, got 'xml'"):
        audit_command([cas], None, 1, None, "xml", False)


def test_the_official_metadata(data_dir):
    clips = read_set(data_dir / "cas2023", require_audio=False).clips
    audit = audit_clips(clips, "cas2023", ["visit-2fold"], num_seeds=1)
    visits = {row.scene: row.num_visits for row in audit.classes}
    assert (visits["public_square"], visits["bus"], visits["airport"]) == (2, 3, 12)
    assert sum(row.num_clips for row in audit.classes) == 1740
    assert (audit.num_visits, audit.num_unlabelled, audit.num_evaluation) == (46, 6960, 1100)
    cities = {row.scene: set(row.by_city) for row in audit.classes}
    assert cities["public_square"] == cities["traffic_street"] == {"Xi'an"}
    assert np.isclose(audit.protocols[0].num_test_clips, 1740)
