"""The SQLite file behind `--history`: opening, checking, keeping it small.

WAL with synchronous=FULL: a commit is one sync of the log beside the file, so that neither a killed
process nor a power cut loses what was committed or leaves half of it. The file is locked for this
program alone: another one that reads for long would keep the log from being emptied.
"""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

from edge_asc.errors import OutputError

APPLICATION_ID = 0x65617363
"""In SQLite's header: whose file it is; "easc" in ASCII"""

SCHEMA_VERSION = 1
"""As `user_version`"""

_SCHEMA = """
CREATE TABLE scene_lists (id INTEGER PRIMARY KEY, scenes TEXT NOT NULL UNIQUE);
CREATE TABLE estimates (
    time_ms INTEGER PRIMARY KEY,
    scene_list INTEGER NOT NULL REFERENCES scene_lists,
    scene INTEGER NOT NULL,
    level_tenths_dbfs INTEGER,
    probabilities BLOB NOT NULL
);
CREATE TABLE spans (
    start_ms INTEGER PRIMARY KEY,
    end_ms INTEGER NOT NULL,
    scene TEXT NOT NULL,
    confidence REAL
);
CREATE TABLE gaps (
    start_ms INTEGER PRIMARY KEY,
    end_ms INTEGER NOT NULL,
    lost_s REAL NOT NULL,
    cause TEXT NOT NULL
);
"""
"""Times are milliseconds since 1970. `scenes` is a list in JSON, `scene` a place in it, -1 for
unknown, -2 for undecided; `probabilities` are in its order, each 16 bits, little-endian, 65535 = 1.
"""

PAGE_BYTES = 4096
WAL_BYTES = 2_000_000
"""The log beside the file stays below this: at half of it, it is emptied into the file."""

_BATCH_ROWS = 5_000
"""The oldest rows go in batches of so many: an hour and a half, 0.2 MB"""

_LEFT_ALONE = "it was left as it is; name another file, or move it away"


SceneLists = dict[int, tuple[str, ...]]
"""Of all models that wrote into a file, by their ids"""


def open_database(
    path: Path, max_bytes: int, scenes: tuple[str, ...]
) -> tuple[sqlite3.Connection, SceneLists]:
    """The history in `path`, made if there is none; with its log at most `max_bytes`.

    `scenes` is among its lists. Raises OutputError for a file that is something else, damaged or
    newer, and leaves it alone.
    """
    if not path.absolute().parent.is_dir():
        raise OutputError(f"{path}: there is no folder {path.parent}; make it first")
    if path.exists() and path.stat().st_size:
        _check(path)
    try:
        database = sqlite3.connect(path, timeout=1.0, isolation_level=None, check_same_thread=False)
    except sqlite3.Error as error:
        raise _unusable(path, error) from error
    try:
        _set_up(database, max_bytes)
        return database, _scene_lists(database, scenes)
    except sqlite3.Error as error:
        database.close()
        raise _unusable(path, error) from error


def make_room(database: sqlite3.Connection, max_bytes: int) -> bool:
    """Delete the oldest rows if the file is nearly full; whether any were deleted."""
    used = _number(database, "page_count") - _number(database, "freelist_count")
    if used < 0.97 * _max_pages(max_bytes):
        return False
    (last,) = database.execute(
        "SELECT max(time_ms) FROM (SELECT time_ms FROM estimates ORDER BY time_ms LIMIT ?)",
        (_BATCH_ROWS,),
    ).fetchone()
    if last is None:
        return False
    database.execute("DELETE FROM estimates WHERE time_ms <= ?", (last,))
    database.execute("DELETE FROM spans WHERE end_ms <= ?", (last,))
    database.execute("DELETE FROM gaps WHERE end_ms <= ?", (last,))
    return True


def _check(path: Path) -> None:
    """Raise OutputError unless `path` is a history that this program can go on with."""
    try:
        uri = f"{path.absolute().as_uri()}?mode=ro"
        with closing(sqlite3.connect(uri, uri=True, timeout=1.0)) as database:
            if _number(database, "application_id") != APPLICATION_ID:
                raise OutputError(f"{path} is another program's SQLite file; {_LEFT_ALONE}")
            version = _number(database, "user_version")
            if version > SCHEMA_VERSION:
                raise OutputError(
                    f"{path} was made by a newer edge-asc: it has schema {version}, this program"
                    f" knows up to {SCHEMA_VERSION}; upgrade edge-asc, or name another file"
                )
            (verdict,) = database.execute("PRAGMA quick_check(1)").fetchone()
    except sqlite3.OperationalError as error:
        raise _unusable(path, error) from error
    except sqlite3.DatabaseError as error:
        raise OutputError(
            f"{path} is no SQLite file, or a damaged one ({error}); {_LEFT_ALONE}"
        ) from error
    if verdict != "ok":
        last_line = verdict.splitlines()[-1]
        raise OutputError(f"{path} is damaged ({last_line}); {_LEFT_ALONE}")


def _unusable(path: Path, error: sqlite3.Error) -> OutputError:
    if "locked" in str(error):
        return OutputError(f"{path} is used by another program, perhaps another `edge-asc listen`")
    return OutputError(f"{path} cannot be used: {error}; name another file")


def _set_up(database: sqlite3.Connection, max_bytes: int) -> None:
    database.execute("PRAGMA locking_mode = EXCLUSIVE")
    database.execute(f"PRAGMA page_size = {PAGE_BYTES}")
    database.execute("PRAGMA auto_vacuum = INCREMENTAL")  # before the first table
    database.execute("PRAGMA journal_mode = WAL")
    database.execute("PRAGMA synchronous = FULL")
    database.execute(f"PRAGMA wal_autocheckpoint = {WAL_BYTES // 2 // PAGE_BYTES}")
    database.execute(f"PRAGMA journal_size_limit = {WAL_BYTES // 2}")
    if not _number(database, "user_version"):
        database.executescript(
            f"BEGIN; {_SCHEMA} PRAGMA application_id = {APPLICATION_ID};"
            f" PRAGMA user_version = {SCHEMA_VERSION}; COMMIT;"
        )
    # It was allowed to be larger the last time.
    while make_room(database, max_bytes):
        # As a script, because execute() would free one page and stop.
        database.executescript("PRAGMA incremental_vacuum; PRAGMA wal_checkpoint(TRUNCATE);")
    database.execute(f"PRAGMA max_page_count = {_max_pages(max_bytes)}")


def _scene_lists(database: sqlite3.Connection, scenes: tuple[str, ...]) -> SceneLists:
    database.execute("INSERT OR IGNORE INTO scene_lists (scenes) VALUES (?)", (json.dumps(scenes),))
    found = database.execute("SELECT id, scenes FROM scene_lists ORDER BY id")
    return {list_id: tuple(json.loads(names)) for list_id, names in found}


def _max_pages(max_bytes: int) -> int:
    return (max_bytes - WAL_BYTES) // PAGE_BYTES


def _number(database: sqlite3.Connection, pragma: str) -> int:
    (value,) = database.execute(f"PRAGMA {pragma}").fetchone()
    return int(value)
