from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from edge_asc.context import SceneContext
from edge_asc.errors import DataError
from edge_asc.training.datasets.cochlscene import read_cochlscene


def make_set(folder: Path, *files: str) -> Path:
    for fold in ("Train", "Val", "Test"):
        (folder / fold).mkdir(parents=True, exist_ok=True)
    for file in files:
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(folder / file, np.full(100, 0.1), 44100)
    return folder


def test_clips_groups_and_folds(tmp_path):
    # The form of the names is that of the published set.
    files = (
        "Test/Subway/Subway_user0138_14982408_001.wav",
        "Train/Bus/Bus_user0009_14897252_005.wav",
        "Train/Park/Park_14868498_001.wav",
        "Val/Cafe/Cafe_user0009_14897253_001.wav",
    )
    contents = read_cochlscene(make_set(tmp_path, *files))
    bus, park, metro = contents.clips
    assert [clip.scene for clip in contents.clips] == ["bus", "urban_park", "metro"]
    assert [clip.fold for clip in contents.clips] == ["train", "train", "test"]
    assert bus.path == tmp_path / files[1]
    assert (bus.group, bus.recording) == ("cochlscene/user0009", "cochlscene/user0009 14897252")
    assert (park.group, park.recording) == ("cochlscene/14868498", "cochlscene/session 14868498")
    assert (metro.context, metro.source_set) == (SceneContext(), "cochlscene")
    assert contents.excluded == [tmp_path / files[3]]


def test_files_of_a_mac_are_none(tmp_path):
    folder = make_set(tmp_path, "Train/Bus/Bus_user0009_14897252_005.wav")
    (folder / "Train" / "Bus" / "._Bus_user0009_14897252_005.wav").write_bytes(b"\0")
    assert len(read_cochlscene(folder).clips) == 1


@pytest.mark.parametrize(
    ("file", "message"),
    [
        ("Val/Bar/Bar_user0001_14_001.wav", "'Bar' is no class of cochlscene; classes: Bus, Cafe"),
        ("Val/Bus/Park_user0001_14_001.wav", "named as Park, but in the folder Bus"),
        ("Val/Bus/Bus_user0001.wav", "Bus_user0001.wav: the name must be <class>_user"),
        ("Val/Cafe/cafe.wav", "the name must be <class>_user"),
    ],
)
def test_a_wrong_name_is_named(tmp_path, file, message):
    with pytest.raises(DataError, match=message):
        read_cochlscene(make_set(tmp_path, "Train/Bus/Bus_user0009_14897252_005.wav", file))


def test_folds_that_are_missing_or_empty(tmp_path):
    with pytest.raises(DataError, match="has no folder Train or Val or Test; CochlScene comes in"):
        read_cochlscene(tmp_path)
    with pytest.raises(DataError, match="no WAV file in any class of Train, Val, Test"):
        read_cochlscene(make_set(tmp_path))


def test_a_link_to_nothing(tmp_path):
    folder = make_set(tmp_path, "Train/Bus/Bus_user0009_14897252_005.wav")
    (folder / "Train" / "Bus" / "Bus_user0009_14897252_006.wav").symlink_to("gone.wav")
    with pytest.raises(DataError, match="1 of 2 audio files are missing"):
        read_cochlscene(folder)
    assert len(read_cochlscene(folder, require_audio=False).clips) == 2
