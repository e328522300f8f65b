"""A data set as a folder: audio files and one CSV table that describes them (docs/data.md)."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from pathlib import Path

from edge_asc.audio import open_audio
from edge_asc.clip_table import DEFAULT_NAMES, columns_by_role
from edge_asc.context import SceneContext
from edge_asc.errors import DataError
from edge_asc.recordings import context_after
from edge_asc.training.datasets import Clip
from edge_asc.training.datasets.tables import (
    Row,
    check_present,
    check_unique,
    parse_rows,
    read_rows,
)
from edge_asc.windows import MIN_WINDOW_SHARE


@dataclass(frozen=True, slots=True)
class FolderContents:
    """The clips of a data set, and the files of the rows that were left out."""

    clips: list[Clip]
    excluded: list[Path] = field(default_factory=list)
    """Left out by `exclude`, or because their class has no CAS scene."""

    @property
    def num_excluded(self) -> int:
        """How many rows were left out."""
        return len(self.excluded)


def read_folder(
    folder: Path, *, csv_name: str | None = None, exclude: Mapping[str, str] | None = None
) -> list[Clip]:
    """The clips of `folder`, in the table's order: `read_folder_contents` without the count."""
    return read_folder_contents(folder, csv_name=csv_name, exclude=exclude).clips


def read_folder_contents(
    folder: Path,
    *,
    csv_name: str | None = None,
    exclude: Mapping[str, str] | None = None,
    require_audio: bool = True,
) -> FolderContents:
    """Read the table of `folder`: `csv_name`, else `clips.csv`, `recordings.csv` or the only CSV.

    `exclude` maps a column to a shell pattern, or to several with `|` between them; rows that match
    any of them are left out:
    `{"licence": "CC BY-SA*"}`. An empty label is a clip without label; an empty city or time is
    unknown; without a group column each file is its own group; without a source_set column it is
    the folder's name. `require_audio` False: the files need not be there.

    Raises DataError, naming table and line, for whatever is not as docs/data.md says.
    """
    table = _find_table(folder, csv_name)
    rows = read_rows(table)
    columns = columns_by_role(table, list(rows[0].values))
    patterns = dict(exclude or {})
    _check_exclude(table, patterns, list(rows[0].values))
    kept = [row for row in rows if not _matches(row.values, patterns)]
    left_out = [row for row in rows if _matches(row.values, patterns)]
    clips = parse_rows(kept, lambda row: _clip(row, folder, columns))
    check_unique(kept, [clip.path.relative_to(folder).as_posix() for clip in clips])
    if require_audio:
        check_present(table, clips)
    return FolderContents(clips, [folder / row.values[columns["file"]] for row in left_out])


def _find_table(folder: Path, csv_name: str | None) -> Path:
    if not folder.is_dir():
        raise DataError(
            f"{folder} is not a folder; a data set is a folder with audio and a CSV table"
        )
    found = sorted(path.name for path in folder.glob("*.csv"))
    wanted = (csv_name,) if csv_name is not None else DEFAULT_NAMES
    for name in wanted:
        if name in found:
            return folder / name
    if csv_name is None and len(found) == 1:
        return folder / found[0]
    expected = (
        " or ".join(wanted) if csv_name is not None else "clips.csv, recordings.csv or just one CSV"
    )
    raise DataError(f"{folder} holds no {expected}; CSV files found: {', '.join(found) or 'none'}")


def _check_exclude(table: Path, patterns: Mapping[str, str], found: Sequence[str]) -> None:
    """A misspelt column must not let through what was to be left out."""
    missing = [name for name in patterns if name not in found]
    if missing:
        raise DataError(
            f"{table}: cannot exclude by column {', '.join(map(repr, missing))};"
            f" columns found: {', '.join(found)}"
        )


def _matches(values: Mapping[str, str], patterns: Mapping[str, str]) -> bool:
    return any(
        fnmatchcase(values[name], one)
        for name, pattern in patterns.items()
        for one in pattern.split("|")
    )


def _clip(row: Row, folder: Path, columns: Mapping[str, str]) -> Clip:
    def value(role: str) -> str | None:
        return (row.values[columns[role]] or None) if role in columns else None

    city, time = value("city"), value("time")
    path = _audio_path(row, folder, value("file"))
    source_set = value("source_set") or folder.resolve().name
    return Clip(
        path=path,
        start_s=0.0,
        duration_s=None,
        scene=value("label"),
        context=SceneContext(
            None if city is None else row.city(city, "; leave it empty if unknown"),
            None if time is None else row.local_time(time, "; leave it empty if unknown"),
        ),
        group=value("group") or f"{source_set}/{path.relative_to(folder).as_posix()}",
        fold=value("fold"),
        source_set=source_set,
    )


def _audio_path(row: Row, folder: Path, file: str | None) -> Path:
    if file is None:
        raise row.error("no file name")
    relative = os.path.normpath(file)
    if os.path.isabs(relative) or relative.split(os.sep)[0] in (os.pardir, os.curdir):
        raise row.error(f"file must be a path inside {folder}, got {file!r}")
    return folder / relative


def cut_windows(clips: Sequence[Clip], window_s: float, hop_s: float) -> list[Clip]:
    """Cut clips longer than `window_s` into windows that begin every `hop_s` seconds.

        |--------- recording, 26 s -----|
        |-- 0..10 --|                           window_s = hop_s = 10
                    |- 10..20 --|
                                |-20..26|       kept: at least half full; padded in the features

    The first window that the recording no longer fills ends the list: kept if at least half full,
    else dropped. A clip no longer than the window stays as it is. A row's time is that of
    its beginning, so it advances with the windows; they keep label, group, fold
    and context of their recording. Raises AudioError for a file whose length cannot be read.
    """
    if not 0.0 < hop_s <= window_s:
        raise ValueError(f"hop_s must be in (0, window_s={window_s}], got {hop_s}")
    return [window for clip in clips for window in _windows(clip, window_s, hop_s)]


def _windows(clip: Clip, window_s: float, hop_s: float) -> list[Clip]:
    length_s = clip.duration_s if clip.duration_s is not None else _file_s(clip.path) - clip.start_s
    if length_s <= window_s:
        return [clip]
    num_full = int((length_s - window_s) / hop_s + 1e-9) + 1
    rest_s = length_s - num_full * hop_s
    lengths = [window_s] * num_full + ([rest_s] if rest_s >= MIN_WINDOW_SHARE * window_s else [])
    return [
        replace(
            clip,
            start_s=clip.start_s + index * hop_s,
            duration_s=duration_s,
            context=context_after(clip.context, index * hop_s),
        )
        for index, duration_s in enumerate(lengths)
    ]


def _file_s(path: Path) -> float:
    with open_audio(path) as file:
        return float(file.frames / file.samplerate)
