"""A data set as a folder: audio files and one CSV table that describes them (docs/data.md)."""

from __future__ import annotations

import csv
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from fnmatch import fnmatchcase
from pathlib import Path

from edge_asc.audio import open_audio
from edge_asc.context import SceneContext
from edge_asc.errors import ContextError, DataError
from edge_asc.recordings import context_after
from edge_asc.scenes import find_city
from edge_asc.training.datasets import Clip
from edge_asc.windows import MIN_WINDOW_SHARE

ROLES: Mapping[str, tuple[str, ...]] = {
    "file": ("file",),
    "label": ("label", "scene"),
    "fold": ("fold",),
    "group": ("group", "source_group", "freesound_id"),
    "city": ("city", "location"),
    "time": ("time", "record_time", "local_time"),
    "source_set": ("source_set",),
}
"""What a column can mean, and the names it may have."""

DESCRIPTIVE = (
    "author",
    "duration_s",
    "licence",
    "license",
    "note",
    "original_sample_rate_hz",
    "place",
    "source",
    "title",
)
"""Columns for people; `exclude` can use them, nothing else does."""

ALLOWED = (*(name for names in ROLES.values() for name in names), *DESCRIPTIVE)

DEFAULT_NAMES = ("clips.csv", "recordings.csv")

# A date alone is refused: it would silently mean midnight.
_TIME = re.compile(r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d(:\d\d(\.\d+)?)?([+-]\d\d:\d\d)?")


@dataclass(frozen=True, slots=True)
class FolderContents:
    """The clips of a folder and how many rows `exclude` left out."""

    clips: list[Clip]
    num_excluded: int


@dataclass(frozen=True, slots=True)
class _Row:
    table: Path
    line: int
    values: dict[str, str]

    def error(self, what: str) -> DataError:
        return DataError(f"{self.table}, line {self.line}: {what}")


def read_folder(
    folder: Path, *, csv_name: str | None = None, exclude: Mapping[str, str] | None = None
) -> list[Clip]:
    """The clips of `folder`, in the table's order: `read_folder_contents` without the count."""
    return read_folder_contents(folder, csv_name=csv_name, exclude=exclude).clips


def read_folder_contents(
    folder: Path, *, csv_name: str | None = None, exclude: Mapping[str, str] | None = None
) -> FolderContents:
    """Read the table of `folder`: `csv_name`, else `clips.csv`, `recordings.csv` or the only CSV.

    `exclude` maps a column to a shell pattern; rows that match any of them are left out:
    `{"licence": "CC BY-SA*"}`. An empty label is a clip without label; an empty city or time is
    unknown; without a group column each file is its own group; without a source_set column it is
    the folder's name.

    Raises DataError, naming table and line, for whatever is not as docs/data.md says.
    """
    table = _find_table(folder, csv_name)
    rows = _read_rows(table)
    columns = _columns_by_role(table, list(rows[0].values))
    patterns = dict(exclude or {})
    _check_exclude(table, patterns, list(rows[0].values))
    kept = [row for row in rows if not _matches(row.values, patterns)]
    clips = [_clip(row, folder, columns) for row in kept]
    _check_unique(clips, kept)
    _check_present(table, clips)
    return FolderContents(clips, len(rows) - len(kept))


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


def _read_rows(table: Path) -> list[_Row]:
    """All rows; a byte order mark, as Excel and the CAS 2023 tables have it, is skipped."""
    rows = []
    try:
        with table.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.reader(file, strict=True)
            header = [name.strip() for name in next(reader, [])]
            for fields in reader:
                if not fields:
                    continue
                if len(fields) != len(header):
                    raise DataError(
                        f"{table}, line {reader.line_num}: {len(fields)} fields, but the header has"
                        f" {len(header)}; a field with a comma needs quotes"
                    )
                values = {name: field.strip() for name, field in zip(header, fields, strict=True)}
                rows.append(_Row(table, reader.line_num, values))
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{table} is not a CSV table in UTF-8: {error}") from error
    if not rows:
        raise DataError(
            f"{table} has no rows; it wants a header with file and label, then a line a clip"
        )
    return rows


def _columns_by_role(table: Path, found: Sequence[str]) -> dict[str, str]:
    """Which of the columns `found` plays which role."""
    listing = f"columns found: {', '.join(found)}; allowed: {', '.join(ALLOWED)}"
    unknown = [name for name in found if name not in ALLOWED]
    if unknown:
        raise DataError(f"{table}: unknown column {', '.join(map(repr, unknown))}; {listing}")
    columns = {}
    for role, names in ROLES.items():
        present = [name for name in names if name in found]
        if len(present) > 1:
            raise DataError(
                f"{table}: {' and '.join(present)} both mean the {role}; keep one; {listing}"
            )
        if present:
            columns[role] = present[0]
        elif role in ("file", "label"):
            raise DataError(f"{table}: no column {' or '.join(names)}; {listing}")
    return columns


def _check_exclude(table: Path, patterns: Mapping[str, str], found: Sequence[str]) -> None:
    """A misspelt column must not let through what was to be left out."""
    missing = [name for name in patterns if name not in found]
    if missing:
        raise DataError(
            f"{table}: cannot exclude by column {', '.join(map(repr, missing))};"
            f" columns found: {', '.join(found)}"
        )


def _matches(values: Mapping[str, str], patterns: Mapping[str, str]) -> bool:
    return any(fnmatchcase(values[name], pattern) for name, pattern in patterns.items())


def _clip(row: _Row, folder: Path, columns: Mapping[str, str]) -> Clip:
    def value(role: str) -> str | None:
        return (row.values[columns[role]] or None) if role in columns else None

    path = _audio_path(row, folder, value("file"))
    source_set = value("source_set") or folder.resolve().name
    return Clip(
        path=path,
        start_s=0.0,
        duration_s=None,
        scene=value("label"),
        context=SceneContext(_city(row, value("city")), _local_time(row, value("time"))),
        group=value("group") or f"{source_set}/{path.relative_to(folder).as_posix()}",
        fold=value("fold"),
        source_set=source_set,
    )


def _audio_path(row: _Row, folder: Path, file: str | None) -> Path:
    if file is None:
        raise row.error("no file name")
    relative = os.path.normpath(file)
    if os.path.isabs(relative) or relative.split(os.sep)[0] in (os.pardir, os.curdir):
        raise row.error(f"file must be a path inside {folder}, got {file!r}")
    return folder / relative


def _city(row: _Row, name: str | None) -> str | None:
    try:
        return None if name is None else find_city(name)
    except ContextError as error:
        raise row.error(f"{error}; leave it empty if unknown") from error


def _local_time(row: _Row, text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        if _TIME.fullmatch(text):
            return datetime.fromisoformat(text)
        reason = "not of that form"
    except ValueError as error:
        reason = str(error)
    raise row.error(
        f"time must be YYYY-MM-DD HH:MM[:SS], got {text!r} ({reason}); empty if unknown"
    )


def _check_unique(clips: Sequence[Clip], rows: Sequence[_Row]) -> None:
    lines: dict[Path, int] = {}
    for clip, row in zip(clips, rows, strict=True):
        first = lines.setdefault(clip.path, row.line)
        if first != row.line:
            raise row.error(f"{clip.path.name} is already in line {first}; a file has one row")


def _check_present(table: Path, clips: Sequence[Clip]) -> None:
    missing = [str(clip.path) for clip in clips if not clip.path.is_file()]
    if missing:
        raise DataError(
            f"{table}: {len(missing)} of {len(clips)} audio files are missing:"
            f" {', '.join(missing[:3])}{', ...' if len(missing) > 3 else ''}"
        )


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
