"""A folder of clips that grows, and survives a loss of power at any moment.

    DIR/clips.csv                          one line a clip
    DIR/bus-20261122T083000Z.flac          the clip that began then, UTC
    DIR/.bus-20261122T083000Z.flac.part    a clip that is being written
    DIR/.record.lock                       held by the one that records

A clip is written under its hidden name, synced, renamed, and then listed. It carries what its line
says in its own tags. So whatever interrupts this, each listed clip is whole, and a whole clip that
is not listed yet is listed when the folder is opened the next time.
"""

from __future__ import annotations

import fcntl
import io
import itertools
import json
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import soundfile

from edge_asc.atomic import append_line, atomic_path, sync_folder, write_all
from edge_asc.clip_table import (
    RECORDED,
    TableText,
    csv_line,
    table_path,
)
from edge_asc.errors import RecordError
from edge_asc.features import Samples

MEGABYTE = 1_000_000
MAX_BYTES = 1000 * MEGABYTE
MIN_FREE_BYTES = 100 * MEGABYTE
"""A system without room for its own files fails in worse ways than a recording that ends."""

AUDIO_SUFFIXES = frozenset({".wav", ".flac", ".ogg", ".mp3", ".aif", ".aiff"})

REQUIRED = ("file", "label", "group", "time")
"""Columns without which a clip would lose what it is collected for: without a group, training
could test on the visit that it learnt."""

_TAG = "edge-asc clip"
_OUR_NAME = re.compile(r".+-\d{8}T\d{6}Z(-\d+)?\.flac")

Say = Callable[[str], None]


def encode_clip(samples: Samples, sample_rate_hz: int, values: Mapping[str, str]) -> bytes:
    """`samples`, shape (num_samples,), as FLAC of 24 bits, with `values` in its comment.

    What a microphone of 16 or 24 bits sent comes back bit for bit; more than full scale is clipped.
    Raises RecordError for a rate that FLAC does not know.
    """
    out = io.BytesIO()
    try:
        with soundfile.SoundFile(out, "w", sample_rate_hz, 1, "PCM_24", format="FLAC") as file:
            file.title = values["label"]
            file.comment = json.dumps({_TAG: 1, **values})
            file.write(samples)
    except soundfile.LibsndfileError as error:
        raise RecordError(
            f"sound at {sample_rate_hz} Hz cannot be kept as FLAC: {error}; set the source to 8,000"
            " to 192,000 Hz"
        ) from error
    return out.getvalue()


def read_tags(path: Path) -> dict[str, str] | None:
    """What `encode_clip` wrote beside the sound of `path`; None for another file.

    Raises RecordError for a clip that was recorded here and cannot be decoded to its end.
    """
    try:
        with soundfile.SoundFile(path) as file:
            values = json.loads(file.comment or "null")
            if not isinstance(values, dict) or values.pop(_TAG, None) != 1:
                return None
            file.read()
    except json.JSONDecodeError:
        return None
    except soundfile.LibsndfileError as error:
        if _OUR_NAME.fullmatch(path.name):
            raise RecordError(f"{path.name} cannot be read: {error}") from error
        return None
    return {role: str(value) for role, value in values.items()}


@dataclass(slots=True)
class ClipFolder:
    """An open folder that clips are added to."""

    path: Path
    table_path: Path
    table: TableText
    """As it was when the folder was opened"""
    num_bytes: int
    """Size of all sound in the folder"""
    max_bytes: int = MAX_BYTES
    min_free_bytes: int = MIN_FREE_BYTES

    def new_group(self, name: str) -> str:
        """`name`, with a number if the table already has that group."""
        return next(other for other in _numbered(name) if other not in self.table.groups)

    def why_full(self, more_bytes: int = 0) -> str | None:
        """Why a file of `more_bytes` has no room, None if it has."""
        if self.num_bytes + more_bytes > self.max_bytes:
            return (
                f"{self.path} holds {self.num_bytes / MEGABYTE:.1f} MB of sound, and"
                f" {self.max_bytes / MEGABYTE:g} MB is the most (--max-size)"
            )
        found = os.statvfs(self.path)
        if found.f_bavail * found.f_frsize - more_bytes < self.min_free_bytes:
            return (
                f"less than {self.min_free_bytes / MEGABYTE:g} MB would be left on the disk of"
                f" {self.path}"
            )
        return None

    def add(self, name: str, clip: bytes, values: Mapping[str, str]) -> str:
        """Keep `clip` as `name`.flac, with a number if there is one; list it with `values`.

        Returns the file's name. Raises RecordError; then what was added before is whole and
        listed, and of this clip there is nothing, or all but its line.
        """
        with _telling_errors(self.path):
            file = self._write(name, clip)
            self.num_bytes += len(clip)
            append_line(self.table_path, self.table.line({**values, "file": file}))
        return file

    def _write(self, name: str, clip: bytes) -> str:
        temporary = self.path / f".{name}.flac.part"
        reserved: Path | None = None
        try:
            handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
            try:
                write_all(handle, clip)
                os.fsync(handle)
            finally:
                os.close(handle)
            reserved = self._reserve(name)
            os.replace(temporary, reserved)
        except OSError:
            for path in (temporary, reserved):
                with suppress(OSError):
                    if path is not None:
                        path.unlink()
            raise
        sync_folder(self.path)
        return reserved.name

    def _reserve(self, name: str) -> Path:
        """An empty file of a name that no file had: renaming would replace one without a word.

        A hard link would do both at once, but memory cards of cameras (FAT) have none.
        """
        for other in _numbered(name):
            path = self.path / f"{other}.flac"
            try:
                os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644))
            except FileExistsError:
                continue
            return path
        raise AssertionError("numbers do not end")


@contextmanager
def open_clip_folder(
    path: Path,
    *,
    also_required: Sequence[str] = (),
    max_bytes: int = MAX_BYTES,
    min_free_bytes: int = MIN_FREE_BYTES,
    say: Say,
) -> Iterator[ClipFolder]:
    """Open a folder, made if it is not there, for this process alone.

    Mends what a loss of power left in it; `say` gets a line for each thing. `also_required`:
    columns that its table must have besides `REQUIRED`. Raises RecordError, and DataError for a
    table that clips cannot be added to.
    """
    with _telling_errors(path):
        path.mkdir(parents=True, exist_ok=True)
        lock = os.open(path / ".record.lock", os.O_RDWR | os.O_CREAT, 0o644)
    try:
        with _telling_errors(path):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            where = table_path(path)
            _remove_unfinished(path, where, say)
            table = _mended_table(where, (*REQUIRED, *also_required), say)
            num_bytes = sum(file.stat().st_size for file in _sound_files(path))
        yield ClipFolder(path, where, table, num_bytes, max_bytes, min_free_bytes)
    finally:
        os.close(lock)


def _remove_unfinished(folder: Path, table: Path, say: Say) -> None:
    """Remove what was being written when the power went, or was reserved and not yet written."""
    for path in (*folder.glob(".*.flac.part"), *folder.glob(f".{table.stem}-*.csv")):
        path.unlink()
        say(f"removed {path.name}, which was never finished")
    for path in folder.glob("*.flac"):
        if _OUR_NAME.fullmatch(path.name) and path.stat().st_size == 0:
            path.unlink()
            say(f"removed {path.name}, which is empty")


def _mended_table(path: Path, required: Sequence[str], say: Say) -> TableText:
    """The table, begun if there is none, with a line for every clip."""
    before = path.read_bytes() if path.exists() else b""
    # Some file systems have made a file longer and not yet filled it when the power goes.
    text = before.rstrip(b"\0") or csv_line(RECORDED)
    lines = text[: text.rfind(b"\n") + 1] or text + b"\n"
    table = TableText(path, lines)
    table.require(required)
    unlisted = dict(_unlisted(path.parent, table, say))
    if rest := text[len(lines) :]:
        if any(line.startswith(rest) for line in unlisted.values()):
            say(f"removed a line of {path.name} that was cut off: {rest.decode(errors='replace')}")
        else:  # whoever wrote it left out the end of the last line
            lines += rest + b"\n"
            unlisted = dict(_unlisted(path.parent, TableText(path, lines), lambda text: None))
    after = lines + b"".join(unlisted.values())
    if after != before:
        with atomic_path(path) as temporary:
            temporary.write_bytes(after)
        sync_folder(path.parent)
    for name in unlisted:
        say(f"listed {name}, which was not in {path.name} yet")
    return TableText(path, after)


def _unlisted(folder: Path, table: TableText, say: Say) -> Iterator[tuple[str, bytes]]:
    """Clips that were recorded here and are not in `table`: name and line of each."""
    for path in sorted(folder.glob("[!.]*.flac")):
        if path.name in table.files:
            continue
        try:
            values = read_tags(path)
        except RecordError as error:
            say(f"not listed: {error}")
            continue
        if values is not None:
            yield path.name, table.line({**values, "file": path.name})


def _sound_files(folder: Path) -> Iterator[Path]:
    for path in folder.rglob("*"):
        if path.suffix.lower() in AUDIO_SUFFIXES and path.is_file():
            yield path


@contextmanager
def _telling_errors(folder: Path) -> Iterator[None]:
    """What the system refuses is told with what it means for the clips."""
    try:
        yield
    except BlockingIOError:
        raise RecordError(
            f"another `edge-asc record` is at work in {folder}; wait for it, or record into another"
            " folder"
        ) from None
    except OSError as error:
        raise RecordError(
            f"cannot record into {folder}: {error.strerror or error}; every clip that is listed"
            " there is whole"
        ) from error


def _numbered(name: str) -> Iterator[str]:
    """`name`, `name`-2, `name`-3, ..."""
    yield name
    yield from (f"{name}-{number}" for number in itertools.count(2))
