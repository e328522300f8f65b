"""CochlScene in its published layout: folders are its only table.

    DIR/Train/Bus/Bus_user0123_14868498_005.wav     class, recorder, session, number of the clip
    DIR/Val/...
    DIR/Test/...                                    13 classes in each

Source: https://zenodo.org/records/7080122; Jeong and Park, APSIPA 2022. Clips are 10 s, cut from
sessions that people recorded with their own telephones.
"""

from __future__ import annotations

import re
from pathlib import Path

from edge_asc.context import SceneContext
from edge_asc.errors import DataError
from edge_asc.training.datasets import Clip
from edge_asc.training.datasets.folder import FolderContents
from edge_asc.training.datasets.harmonise import COCHLSCENE
from edge_asc.training.datasets.tables import TableError, check_present

SOURCE_SET = COCHLSCENE.source_set
FOLDS = ("Train", "Val", "Test")

_NAME = re.compile(r"(?P<label>[A-Za-z]+)_(?:(?P<user>user\d+)_)?(?P<session>\d+)_(?P<number>\d+)")


def read_cochlscene(folder: Path, *, require_audio: bool = True) -> FolderContents:
    """The clips whose class is a CAS scene (`harmonise.COCHLSCENE`), sorted by path.

    What is dropped is in `excluded`. City and time are unknown. The group is the recorder if the
    name has one, else the session; the recording is the session; the fold is "train", "val" or
    "test". What is there is all that is known, so `require_audio` only refuses links to nothing.

    Raises DataError if one of the three folders is missing or empty of classes, and for a folder
    that is no class and a file whose name is not as above or is of another class than its folder.
    """
    clips: list[Clip] = []
    dropped: list[Path] = []
    problems: list[str] = []
    for path in _files(folder):
        try:
            scene = COCHLSCENE.scene_of(path.parent.name)
            clip = _clip(path, scene)
        except DataError as error:
            problems.append(f"{path}: {error}")
            continue
        if scene is None:
            dropped.append(path)
        else:
            clips.append(clip)
    if problems:
        raise TableError(problems)
    if require_audio:
        check_present(folder, clips)
    return FolderContents(clips, dropped)


def _files(folder: Path) -> list[Path]:
    """The WAV files of all folds; hidden files, as archives from a Mac have them, are none."""
    missing = [name for name in FOLDS if not (folder / name).is_dir()]
    if missing:
        raise DataError(
            f"{folder} has no folder {' or '.join(missing)}; CochlScene comes in {', '.join(FOLDS)}"
        )
    files = [path for name in FOLDS for path in sorted((folder / name).glob("*/*.wav"))]
    files = [path for path in files if not path.name.startswith(".")]
    if not files:
        raise DataError(f"{folder}: no WAV file in any class of {', '.join(FOLDS)}")
    return files


def _clip(path: Path, scene: str | None) -> Clip:
    match = _NAME.fullmatch(path.stem)
    if match is None:
        raise DataError("the name must be <class>_user<number>_<session>_<number>.wav")
    if match["label"] != path.parent.name:
        raise DataError(f"named as {match['label']}, but in the folder {path.parent.name}")
    session = match["session"]
    return Clip(
        path=path,
        start_s=0.0,
        duration_s=None,
        scene=scene,
        context=SceneContext(),
        group=f"{SOURCE_SET}/{match['user'] or session}",
        fold=path.parent.parent.name.lower(),
        source_set=SOURCE_SET,
        recording=f"{SOURCE_SET}/{match['user'] or 'session'} {session}",
    )
