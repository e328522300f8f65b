from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from edge_asc.errors import DataError
from edge_asc.training.datasets.registry import SETS, detect_set, read_set

MARKS = {
    "cas2023": ["metadata/APSIPA2025_GC_ASC_eval_metadata.csv"],
    "tau2020": ["meta.csv", "evaluation_setup/fold1_train.csv"],
    "cochlscene": ["Train/a", "Val/a", "Test/a"],
    "folder": ["anything.csv"],
}


def make(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return folder


@pytest.mark.parametrize("name", SETS)
def test_a_set_is_known_by_its_files(tmp_path, name):
    assert detect_set(make(tmp_path, *MARKS[name])) == name


def test_a_folder_that_is_none_or_two(tmp_path):
    with pytest.raises(DataError, match="holds none of cas2023, tau2020, cochlscene, folder"):
        detect_set(tmp_path)
    make(tmp_path, *MARKS["tau2020"], *MARKS["cochlscene"])
    with pytest.raises(DataError, match="looks like tau2020 and cochlscene"):
        detect_set(tmp_path)
    with pytest.raises(DataError, match="is not a folder"):
        detect_set(tmp_path / "nowhere")


def test_exclude_is_for_folders_with_a_table(tmp_path):
    (tmp_path / "clips.csv").write_text("file,label,licence\na.wav,bus,BY\nb.wav,bar,SA\n")
    soundfile.write(tmp_path / "a.wav", np.full(100, 0.1), 44100)
    contents = read_set(tmp_path, exclude={"licence": "SA"})
    assert [clip.scene for clip in contents.clips] == ["bus"]
    assert contents.excluded == [tmp_path / "b.wav"]
    assert len(read_set(tmp_path, "folder", require_audio=False).clips) == 2
    with pytest.raises(DataError, match="audio files are missing"):
        read_set(tmp_path)
    with pytest.raises(DataError, match="rows of tau2020 cannot be excluded by column licence"):
        read_set(tmp_path, "tau2020", exclude={"licence": "SA"})


def test_an_unknown_name(tmp_path):
    with pytest.raises(DataError, match=r"data set must be one of cas2023, .* got 'cas'"):
        read_set(tmp_path, "cas")


def test_a_set_may_be_named_where_it_cannot_be_told(tmp_path):
    make(tmp_path, *MARKS["tau2020"], *MARKS["cochlscene"])
    make(tmp_path, "Val/Bus/Bus_user0001_14_001.wav")
    assert [clip.fold for clip in read_set(tmp_path, "cochlscene").clips] == ["val"]


def test_the_official_tables(data_dir):
    assert len(read_set(data_dir / "cas2023", require_audio=False).clips) == 9800
    assert detect_set(data_dir / "scenes_open") == "folder"
