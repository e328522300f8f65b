"""Tables that describe recordings: rows that know their line, and what their fields mean."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TypeVar

from edge_asc.errors import ContextError, DataError
from edge_asc.scenes import find_city, find_scene
from edge_asc.training.datasets import Clip

Parsed = TypeVar("Parsed")

# A date alone is refused: it would silently mean midnight.
_TIME = re.compile(r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d(:\d\d(\.\d+)?)?([+-]\d\d:\d\d)?")


class TableError(DataError):
    """Rows that are wrong; the text is that of the first and how many more there are."""

    def __init__(self, problems: Sequence[str]) -> None:
        more = f" (and {len(problems) - 1} more like it)" if len(problems) > 1 else ""
        super().__init__(problems[0] + more)
        self.problems = tuple(problems)


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a table."""

    table: Path
    line: int
    values: dict[str, str]

    def error(self, what: str) -> DataError:
        """What is wrong with this row, with the place."""
        return DataError(f"{self.table}, line {self.line}: {what}")

    def city(self, name: str, advice: str = "") -> str:
        """The CAS city called `name`. Raises DataError that ends in `advice`."""
        try:
            return find_city(name)
        except ContextError as error:
            raise self.error(f"{error}{advice}") from error

    def scene(self, name: str) -> str:
        """The CAS scene called `name`. Raises DataError."""
        try:
            return find_scene(name)
        except ContextError as error:
            raise self.error(str(error)) from error

    def local_time(self, text: str, advice: str = "") -> datetime:
        """The date and time of `text`, to the minute at least. Raises DataError with `advice`."""
        try:
            if _TIME.fullmatch(text):
                return datetime.fromisoformat(text)
            reason = "not of that form"
        except ValueError as error:
            reason = str(error)
        raise self.error(f"time must be YYYY-MM-DD HH:MM[:SS], got {text!r} ({reason}){advice}")


def read_rows(table: Path, *, delimiter: str = ",") -> list[Row]:
    """All rows; a byte order mark, as Excel and the CAS 2023 tables have it, is skipped.

    Raises DataError for a table that is not there, has no rows or is not CSV in UTF-8.
    """
    rows = []
    try:
        with table.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.reader(file, delimiter=delimiter, strict=True)
            header = [name.strip() for name in next(reader, [])]
            for fields in reader:
                if not fields:
                    continue
                if len(fields) != len(header):
                    raise DataError(
                        f"{table}, line {reader.line_num}: {len(fields)} fields, but the header has"
                        f" {len(header)}; a field with a {_spoken(delimiter)} needs quotes"
                    )
                values = {name: field.strip() for name, field in zip(header, fields, strict=True)}
                rows.append(Row(table, reader.line_num, values))
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{table} is not a CSV table in UTF-8: {error}") from error
    except OSError as error:
        raise DataError(f"{table} cannot be read: {error.strerror}") from error
    if not rows:
        raise DataError(f"{table} has no rows; it wants a header, then a line a clip")
    return rows


def _spoken(delimiter: str) -> str:
    return {",": "comma", "\t": "tab"}[delimiter]


def require_columns(rows: Sequence[Row], wanted: Sequence[str]) -> None:
    """Raise DataError if the table of `rows` lacks a column."""
    found = list(rows[0].values)
    missing = [name for name in wanted if name not in found]
    if missing:
        raise DataError(
            f"{rows[0].table}: no column {' or '.join(missing)}; columns found: {', '.join(found)};"
            f" wanted: {', '.join(wanted)}"
        )


def parse_rows(rows: Sequence[Row], parse: Callable[[Row], Parsed]) -> list[Parsed]:
    """`parse` of every row. Raises TableError with all rows for which it raises DataError."""
    parsed, problems = [], []
    for row in rows:
        try:
            parsed.append(parse(row))
        except DataError as error:
            problems.append(str(error))
    if problems:
        raise TableError(problems)
    return parsed


def check_unique(rows: Sequence[Row], names: Sequence[str]) -> None:
    """Raise TableError if two of `rows` have the same of `names`, one a row."""
    first: dict[str, Row] = {}
    problems = []
    for row, name in zip(rows, names, strict=True):
        known = first.setdefault(name, row)
        if known is not row:
            where = "" if known.table == row.table else f" of {known.table}"
            problems.append(
                str(row.error(f"{name} is already in line {known.line}{where}; a file has one row"))
            )
    if problems:
        raise TableError(problems)


def check_present(where: Path, clips: Sequence[Clip]) -> None:
    """Raise DataError, with some names, if audio files of `clips` are missing."""
    missing = [str(clip.path) for clip in clips if not clip.path.is_file()]
    if missing:
        raise DataError(
            f"{where}: {len(missing)} of {len(clips)} audio files are missing:"
            f" {', '.join(missing[:3])}{', ...' if len(missing) > 3 else ''}"
        )
