from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from edge_asc.context import SceneContext
from edge_asc.errors import DataError
from edge_asc.training.datasets.tau2020 import read_tau2020

AIRPORT = "audio/airport-lisbon-1000-40000-a.wav"
PARK = "audio/park-lyon-1001-40001-s1.wav"
TRAM = "audio/tram-milan-1002-40002-a.wav"
UNUSED = "audio/park-lyon-1001-40001-s4.wav"


def row(file: str) -> str:
    scene, city, location, _, device = Path(file).stem.split("-")
    return f"{file}\t{scene}\t{city}-{location}\t{device}"


def make_set(folder: Path, *rows: str, **tables: str) -> Path:
    """A set of four clips with tables as published; `tables` replaces some, by name."""
    rows = rows or tuple(map(row, (AIRPORT, PARK, TRAM, UNUSED)))
    written = {
        "train": f"filename\tscene_label\n{AIRPORT}\tairport\n{TRAM}\ttram\n",
        "test": f"filename\n{PARK}\n",
        "evaluate": f"filename\tscene_label\n{PARK}\tpark\n",
    } | tables
    (folder / "evaluation_setup").mkdir(parents=True, exist_ok=True)
    for name, text in written.items():
        (folder / "evaluation_setup" / f"fold1_{name}.csv").write_text(text)
    header = "filename\tscene_label\tidentifier\tsource_label"
    (folder / "meta.csv").write_text("\n".join((header, *rows)) + "\n")
    (folder / "audio").mkdir(exist_ok=True)
    for file in (AIRPORT, PARK, TRAM, UNUSED):
        soundfile.write(folder / file, np.full(100, 0.1), 44100, subtype="PCM_24")
    return folder


def test_clips_classes_and_folds(tmp_path):
    contents = read_tau2020(make_set(tmp_path))
    airport, park, unused = contents.clips
    assert (airport.scene, park.scene) == ("airport", "urban_park")
    assert (airport.fold, park.fold, unused.fold) == ("train", "test", None)
    assert airport.path == tmp_path / AIRPORT
    assert park.context == SceneContext(None, None)
    assert (park.group, park.source_set) == ("tau2020/lyon-1001", "tau2020")
    # Two devices at the same moment are one recording.
    assert park.recording == unused.recording == "tau2020/lyon-1001 segment 40001"
    assert contents.excluded == [tmp_path / TRAM]
    assert contents.num_excluded == 1


def test_missing_sound(tmp_path):
    folder = make_set(tmp_path)
    (folder / TRAM).unlink()
    assert len(read_tau2020(folder).clips) == 3
    (folder / PARK).unlink()
    with pytest.raises(DataError, match=r"meta\.csv: 1 of 3 audio files are missing: .*s1\.wav"):
        read_tau2020(folder)
    assert len(read_tau2020(folder, require_audio=False).clips) == 3


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ("audio/airport-lisbon-1000-a.wav\tairport\tlisbon-1000\ta", "line 5: filename must be"),
        (row("other/park-lyon-1-2-a.wav"), "line 5: filename must be audio/"),
        (row("../park-lyon-1-2-a.wav"), "line 5: filename must be audio/"),
        ("audio/park-lyon-1-2-a.wav\tbus\tlyon-1\ta", "says park, lyon-1, a; the columns say bus"),
        ("audio/park-lyon-1-2-a.wav\tpark\tlyon-2\ta", "the columns say park, lyon-2, a"),
        ("audio/park-lyon-1-2-a.wav\tpark\tlyon-1\tb", "the columns say park, lyon-1, b"),
        (row("audio/bar-lyon-1-2-a.wav"), "line 5: 'bar' is no class of tau2020; classes: airp"),
        (row(AIRPORT), "line 5: .* is already in line 2"),
        ("audio/park-lyon-1-2-a.wav,park,lyon-1,a", "line 5: 1 fields, but the header has 4"),
    ],
)
def test_a_wrong_row_is_named(tmp_path, wrong, message):
    folder = make_set(tmp_path, *map(row, (AIRPORT, PARK, TRAM)), wrong)
    with pytest.raises(DataError, match=message):
        read_tau2020(folder)


def test_folds_that_contradict(tmp_path):
    folder = make_set(tmp_path, test=f"filename\n{AIRPORT}\n")
    with pytest.raises(DataError, match=r"fold1_test\.csv, line 2: .* both for training and for"):
        read_tau2020(folder)
    make_set(tmp_path, train="filename\nno.wav\n")
    with pytest.raises(DataError, match=r"fold1_train\.csv, line 2: no\.wav is not in meta\.csv"):
        read_tau2020(folder)


def test_tables_that_are_not_there_or_not_with_tabs(tmp_path):
    folder = make_set(tmp_path)
    (folder / "evaluation_setup" / "fold1_evaluate.csv").unlink()
    with pytest.raises(DataError, match=r"fold1_evaluate\.csv cannot be read: No such file"):
        read_tau2020(folder)
    (folder / "meta.csv").write_text("filename,scene_label,identifier,source_label\na,b,c,d\n")
    with pytest.raises(DataError, match=r"meta\.csv: no column filename or scene_label"):
        read_tau2020(folder)
