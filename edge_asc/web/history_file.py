"""History in a file, which outlasts the program."""

from __future__ import annotations

import math
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import numpy as np

from edge_asc.clock import elapsed_s
from edge_asc.errors import OutputError, OutputUnavailableError
from edge_asc.messages import Gap, Message, Report
from edge_asc.sinks.told import told
from edge_asc.web.history import (
    MAX_SPANS,
    PastGap,
    Rows,
    Span,
    SpanMaker,
    past_gap,
    row_type,
    scene_number,
    time_of,
)
from edge_asc.web.history_database import SceneLists, make_room, open_database

COMMIT_S = 10.0
"""So much is lost when the power goes"""

PIECE_ROWS = 2_000
"""So many are read at a time, so that the log beside the file is never held for long"""

Row = tuple[Any, ...]
"""Of a table"""

_ONE = 65_535
"""Stands for a probability of 1"""


class HistoryFile:
    """An output that keeps what is told, and what the page reads it by."""

    is_main = False
    kept: Literal["memory", "file"] = "file"

    def __init__(
        self, path: Path, max_bytes: int, scenes: tuple[str, ...], *, say: Callable[[str], None]
    ) -> None:
        """Raises OutputError where `path` cannot be used, see `open_database`."""
        self.name = f"history {path}"
        self._path, self._max_bytes, self._scenes, self._say = path, max_bytes, scenes, say
        self._database, self._lists = open_database(path, max_bytes, scenes)
        self._lock = threading.Lock()
        """Of the database: the output's thread writes, the page's reads"""
        self._list_id = next(key for key, value in self._lists.items() if value == scenes)
        self._maker = SpanMaker()
        self._rows: list[Row] = []
        """Not yet committed, as the following two"""
        self._ended: list[Span] = []
        self._gaps: list[PastGap] = []
        self._committed_s = elapsed_s()

    def write(self, message: Message) -> None:
        """Keep a report or a gap; the others say nothing that these do not.

        Raises OutputUnavailableError when there is no room, OutputError for a damaged file.
        """
        is_report = isinstance(message, Report)
        # What is not about sound comes when sound stays away, too.
        if elapsed_s() - self._committed_s >= COMMIT_S or not is_report:
            self._commit()
        if isinstance(message, Report):
            self._add(message)
        elif isinstance(message, Gap):
            self._gaps.append(past_gap(message))

    def close(self) -> None:
        """Write what is left."""
        try:
            self._commit()
        except OutputError as error:
            self._say(f"{self.name}: the last {len(self._rows)} estimates are lost: {error}")
        with self._lock:
            self._database.close()

    def scenes(self) -> tuple[str, ...]:
        others = (scene for scenes in self._lists.values() for scene in scenes)
        return tuple(dict.fromkeys((*self._scenes, *others)))

    def newest_s(self) -> float | None:
        ((newest_ms,),) = self._read("SELECT max(time_ms) FROM estimates")
        return None if newest_ms is None else newest_ms / 1000

    def rows(self, since_s: float, until_s: float) -> Iterator[Rows]:
        after_ms, scenes = math.ceil(1000 * since_s) - 1, self.scenes()
        query = (
            "SELECT * FROM estimates WHERE time_ms > ? AND time_ms <= ? ORDER BY time_ms LIMIT ?"
        )
        while found := self._read(query, after_ms, math.floor(1000 * until_s), PIECE_ROWS):
            after_ms = found[-1][0]
            yield _to_rows(found, self._lists, scenes)

    def spans(self, since_s: float, until_s: float) -> list[Span]:
        found = self._between("spans", since_s, until_s)
        return [Span(scene, start / 1000, end / 1000, mean) for start, end, scene, mean in found]

    def gaps(self, since_s: float, until_s: float) -> list[PastGap]:
        found = self._between("gaps", since_s, until_s)
        return [PastGap(start / 1000, end / 1000, lost_s, why) for start, end, lost_s, why in found]

    def _between(self, table: str, since_s: float, until_s: float) -> list[Row]:
        """The newest that reach into a time, the oldest of them first."""
        query = (
            f"SELECT * FROM {table} WHERE end_ms >= ? AND start_ms <= ?"
            " ORDER BY start_ms DESC LIMIT ?"
        )
        limits = (math.ceil(1000 * since_s), math.floor(1000 * until_s), MAX_SPANS)
        return self._read(query, *limits)[::-1]

    def _read(self, query: str, *values: int) -> list[Row]:
        """Raises OutputError, also once the file is closed."""
        try:
            with self._lock:
                return self._database.execute(query, values).fetchall()
        except sqlite3.Error as error:
            raise OutputError(f"{self.name} cannot be read: {error}") from error

    def _add(self, report: Report) -> None:
        time_s, answer, level = time_of(report), told(report), report.level_dbfs
        ended = self._maker.add(report, time_s)
        if ended is not None:
            self._ended.append(ended)
        tenths = round(10 * level) if level is not None and math.isfinite(level) else None
        number = scene_number(self._scenes, answer.scene)
        shares = np.rint(_ONE * np.clip(answer.probabilities, 0.0, 1.0)).astype("<u2").tobytes()
        self._rows.append((_ms(time_s), self._list_id, number, tenths, shares))

    def _commit(self) -> None:
        """Write what waits, which stays if that fails."""
        try:
            with self._lock, _transaction(self._database):
                self._insert()
        except sqlite3.OperationalError as error:  # no room, or a device that fails
            raise OutputUnavailableError(str(error)) from error
        except sqlite3.Error as error:
            raise OutputError(str(error)) from error
        self._rows, self._ended, self._gaps = [], [], []
        self._committed_s = elapsed_s()

    def _insert(self) -> None:
        make_room(self._database, self._max_bytes)
        self._database.executemany(
            "INSERT OR REPLACE INTO estimates VALUES (?, ?, ?, ?, ?)", self._rows
        )
        spans = [*self._ended, *([self._maker.open] if self._maker.open else [])]
        self._database.executemany(
            "INSERT OR REPLACE INTO spans VALUES (?, ?, ?, ?)",
            [(_ms(span.start_s), _ms(span.end_s), span.scene, span.confidence) for span in spans],
        )
        self._database.executemany(
            "INSERT OR REPLACE INTO gaps VALUES (?, ?, ?, ?)",
            [(_ms(gap.start_s), _ms(gap.end_s), gap.lost_s, gap.cause) for gap in self._gaps],
        )


@contextmanager
def _transaction(database: sqlite3.Connection) -> Iterator[None]:
    """All of it or nothing."""
    database.execute("BEGIN IMMEDIATE")
    try:
        yield
        database.execute("COMMIT")
    finally:
        if database.in_transaction:
            database.execute("ROLLBACK")


def _ms(time_s: float) -> int:
    return round(1000 * time_s)


def _to_rows(found: list[Row], lists: SceneLists, scenes: tuple[str, ...]) -> Rows:
    """Rows of the table `estimates`, with a column for each of `scenes`."""
    times_ms, list_ids, numbers, tenths, shares = zip(*found, strict=True)
    rows = np.zeros(len(found), row_type(len(scenes)))
    rows["time_s"] = np.array(times_ms) / 1000
    rows["level_dbfs"] = np.array(tenths, np.float64) / 10
    rows["probabilities"] = math.nan
    ids, own_numbers = np.array(list_ids), np.array(numbers)
    for list_id in set(list_ids):
        own = lists[list_id]
        places = np.array([scenes.index(scene) for scene in own])
        (which,) = np.nonzero(ids == list_id)
        values = np.frombuffer(b"".join(shares[index] for index in which), "<u2")
        rows["probabilities"][which[:, None], places] = values.reshape(-1, len(own)) / _ONE
        number = own_numbers[which]
        rows["scene"][which] = np.where(number < 0, number, places[number])
    return rows
