"""The table of a folder of clips: which columns it may have, and how `record` adds a line."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path

from edge_asc.errors import DataError

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
"""Columns for people; rows can be left out by them, nothing else uses them."""

ALLOWED = (*(name for names in ROLES.values() for name in names), *DESCRIPTIVE)

DEFAULT_NAMES = ("clips.csv", "recordings.csv")

RECORDED = (
    "file",
    "label",
    "group",
    "city",
    "time",
    "duration_s",
    "original_sample_rate_hz",
    "place",
    "source",
)
"""The columns of a table that `record` begins."""


def columns_by_role(table: Path, found: Sequence[str]) -> dict[str, str]:
    """Which of the columns `found` plays which role.

    Raises DataError for an unknown column, two of one role, and none for the file or the label.
    """
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


def table_path(folder: Path) -> Path:
    """The table of `folder`, where a new one is to be if there is none.

    Raises DataError for several of which none is called as a table is by default.
    """
    found = sorted(path.name for path in folder.glob("[!.]*.csv"))
    for name in DEFAULT_NAMES:
        if name in found:
            return folder / name
    if len(found) > 1:
        raise DataError(
            f"{folder} holds {', '.join(found)}: which of them is the table? Call it clips.csv, or"
            " record into another folder"
        )
    return folder / (found[0] if found else DEFAULT_NAMES[0])


class TableText:
    """A table as it stands in its file: its columns, what it lists, and lines that fit it."""

    def __init__(self, path: Path, text: bytes) -> None:
        self._path = path
        header, *rows = self._parse(text)
        self._header = [name.strip() for name in header]
        self._columns = columns_by_role(path, self._header)
        self.files = {self._value(row, "file") for row in rows}
        self.groups = {self._value(row, "group") for row in rows}

    def _parse(self, text: bytes) -> list[list[str]]:
        try:
            rows = csv.reader(io.StringIO(text.decode("utf-8-sig"), newline=""), strict=True)
            lines = [(rows.line_num, row) for row in rows if row]
        except (UnicodeDecodeError, csv.Error) as error:
            raise DataError(f"{self._path} is not a CSV table in UTF-8: {error}") from error
        if not lines:
            raise DataError(f"{self._path} is empty; delete it, or give it a header")
        width = len(lines[0][1])
        for number, row in lines:
            if len(row) != width:
                raise DataError(
                    f"{self._path}, line {number}: {len(row)} fields, but the header has {width};"
                    " mend that line first"
                )
        return [row for _, row in lines]

    def _value(self, row: Sequence[str], role: str) -> str:
        column = self._columns.get(role)
        return "" if column is None else row[self._header.index(column)].strip()

    def require(self, roles: Sequence[str]) -> None:
        """Raise DataError if the table has no column for one of `roles`."""
        for role in roles:
            if role not in self._columns and role not in self._header:
                names = " or ".join(ROLES.get(role, (role,)))
                raise DataError(
                    f"{self._path}: no column {names}, which a recorded clip needs; columns found:"
                    f" {', '.join(self._header)}. Add it, or record into another folder"
                )

    def line(self, values: Mapping[str, str]) -> bytes:
        """The line of a clip, from `values` by role; other columns stay empty."""
        roles = {name: role for role, name in self._columns.items()}
        return csv_line([values.get(roles.get(name, name), "") for name in self._header])


def csv_line(fields: Sequence[str]) -> bytes:
    """`fields` as one line of a table."""
    out = io.StringIO(newline="")
    csv.writer(out, lineterminator="\n").writerow(fields)
    return out.getvalue().encode()
