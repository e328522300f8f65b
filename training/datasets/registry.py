"""The data sets that can be read, by name or by what their folder looks like."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from edge_asc.errors import DataError
from edge_asc.training.datasets import cas2023, cochlscene, tau2020
from edge_asc.training.datasets.folder import FolderContents, read_folder_contents

SETS = ("cas2023", "tau2020", "cochlscene", "folder")
"""Three published layouts, and any folder with a table of its own (docs/data.md)."""

SYNTHETIC_MARK = "SYNTHETIC.txt"
"""A file of this name says that the sound beside it was made, not recorded."""


def detect_set(folder: Path) -> str:
    """Which of `SETS` the `folder` holds. Raises DataError if none, or more than one."""
    if not folder.is_dir():
        raise DataError(
            f"{folder} is not a folder; a data set is a folder with audio and what describes it"
        )
    looks_like = {
        "cas2023": any(cas2023.find_table(folder, part) for part in cas2023.PARTS),
        "tau2020": (folder / tau2020.META).is_file() and (folder / tau2020.SETUP).is_dir(),
        "cochlscene": all((folder / name).is_dir() for name in cochlscene.FOLDS),
    }
    found = [name for name, is_it in looks_like.items() if is_it]
    if len(found) > 1:
        raise DataError(
            f"{folder} looks like {' and '.join(found)}; give each set a folder of its own"
        )
    if not found and not any(folder.glob("*.csv")):
        raise DataError(
            f"{folder} holds none of {', '.join(SETS)}: no {cas2023.PARTS[0].table}, no"
            f" {tau2020.META} with {tau2020.SETUP}, no {', '.join(cochlscene.FOLDS)}, and no CSV"
            " table; is the set in a folder inside it?"
        )
    return found[0] if found else "folder"


def read_set(
    folder: Path,
    name: str | None = None,
    *,
    exclude: Mapping[str, str] | None = None,
    require_audio: bool = True,
) -> FolderContents:
    """The clips of data set `name` (None: `detect_set`) in `folder`.

    `exclude` leaves out rows by their columns, as `read_folder_contents` says, and works for
    "folder" sets only. `require_audio` False: the files need not be there.

    Clips of a folder with `SYNTHETIC_MARK` say that they are synthetic in their source set.

    Raises DataError for an unknown name and for whatever is wrong with the set.
    """
    contents = _read_set(folder, name or detect_set(folder), exclude, require_audio)
    if not (folder / SYNTHETIC_MARK).is_file():
        return contents
    marked = [replace(c, source_set=f"{c.source_set} (synthetic)") for c in contents.clips]
    return replace(contents, clips=marked)


def _read_set(
    folder: Path, name: str, exclude: Mapping[str, str] | None, require_audio: bool
) -> FolderContents:
    if name == "folder":
        return read_folder_contents(folder, exclude=exclude, require_audio=require_audio)
    if exclude:
        raise DataError(
            f"{folder}: rows of {name} cannot be excluded by column {', '.join(exclude)};"
            " that works for folders with a table of their own"
        )
    if name == "cas2023":
        return FolderContents(cas2023.read_cas2023(folder, require_audio=require_audio))
    if name == "tau2020":
        return tau2020.read_tau2020(folder, require_audio=require_audio)
    if name == "cochlscene":
        return cochlscene.read_cochlscene(folder, require_audio=require_audio)
    raise DataError(f"data set must be one of {', '.join(SETS)}, got {name!r}")
