"""TAU Urban Acoustic Scenes 2020 Mobile, development set, in its published layout.

    DIR/meta.csv                             filename, scene_label, identifier, source_label (tabs)
    DIR/audio/park-lyon-1007-40007-s1.wav    class, city, location, segment, device
    DIR/evaluation_setup/fold1_train.csv, fold1_test.csv, fold1_evaluate.csv

Source: https://zenodo.org/records/3819968 and its README. Segments are 10 s; the same segment may
be there once a device.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from edge_asc.context import SceneContext
from edge_asc.errors import DataError
from edge_asc.training.datasets import Clip
from edge_asc.training.datasets.folder import FolderContents
from edge_asc.training.datasets.harmonise import TAU2020
from edge_asc.training.datasets.tables import (
    Row,
    check_present,
    check_unique,
    parse_rows,
    read_rows,
    require_columns,
)

SOURCE_SET = TAU2020.source_set
META = "meta.csv"
COLUMNS = ("filename", "scene_label", "identifier", "source_label")
SETUP = "evaluation_setup"
FOLD_TABLES = {"fold1_train.csv": "train", "fold1_test.csv": "test", "fold1_evaluate.csv": "test"}
"""The same clips are tested by the last two; only the last one tells their classes."""


def read_tau2020(folder: Path, *, require_audio: bool = True) -> FolderContents:
    """The clips whose class is a CAS scene (`harmonise.TAU2020`), in the table's order.

    What is dropped is in `excluded`. City and time are unknown: European cities are not CAS
    cities. The group is the location, the recording its segment, which several devices may have
    taken; the fold is "train" or "test", or None for what the official setup does not use.
    `require_audio` False: the files need not be there.

    Raises DataError, naming table and line, where the tables are not as above or contradict each
    other or the file names, for a file named twice, and for missing audio.
    """
    rows = read_rows(folder / META, delimiter="\t")
    require_columns(rows, COLUMNS)
    files = [row.values["filename"] for row in rows]
    check_unique(rows, files)
    folds = _read_folds(folder, set(files))
    scenes = parse_rows(rows, _scene)
    pairs = list(zip(rows, scenes, strict=True))
    clips = [_clip(row, scene, folder, folds) for row, scene in pairs if scene is not None]
    if require_audio:
        check_present(folder / META, clips)
    dropped = [folder / row.values["filename"] for row, scene in pairs if scene is None]
    return FolderContents(clips, dropped)


def _read_folds(folder: Path, files: set[str]) -> dict[str, str]:
    """The fold of every file that the official setup names."""
    folds: dict[str, str] = {}
    for name, fold in FOLD_TABLES.items():
        rows = read_rows(folder / SETUP / name, delimiter="\t")
        require_columns(rows, COLUMNS[:1])

        def check(row: Row, fold: str = fold) -> None:
            file = row.values["filename"]
            if file not in files:
                raise row.error(f"{file} is not in {META}")
            if folds.setdefault(file, fold) != fold:
                raise row.error(f"{file} is meant both for training and for testing")

        parse_rows(rows, check)
    return folds


def _scene(row: Row) -> str | None:
    """The CAS scene of a row, None if its class is dropped; its fields must say the same thing."""
    name, label, identifier, device = (row.values[column] for column in COLUMNS)
    parts = _parts(name)
    if len(parts) != 5 or Path(name).parts != ("audio", Path(name).name):
        raise row.error(
            f"filename must be audio/<class>-<city>-<location>-<segment>-<device>.wav, got {name!r}"
        )
    told = (parts[0], f"{parts[1]}-{parts[2]}", parts[4])
    if told != (label, identifier, device):
        raise row.error(
            f"the file name says {', '.join(told)}; the columns say {label}, {identifier}, {device}"
        )
    try:
        return TAU2020.scene_of(label)
    except DataError as error:
        raise row.error(str(error)) from error


def _parts(name: str) -> Sequence[str]:
    return Path(name).stem.split("-")


def _clip(row: Row, scene: str, folder: Path, folds: Mapping[str, str]) -> Clip:
    name = row.values["filename"]
    group = f"{SOURCE_SET}/{row.values['identifier']}"
    return Clip(
        path=folder / name,
        start_s=0.0,
        duration_s=None,
        scene=scene,
        context=SceneContext(),
        group=group,
        fold=folds.get(name),
        source_set=SOURCE_SET,
        recording=f"{group} segment {_parts(name)[3]}",
    )
