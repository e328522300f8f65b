"""Files that appear, and lines that are added to them, whole or not at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; it becomes `path` when the block ends without an error.

    The temporary name keeps the suffix, because some writers choose their format by it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.stem}-", suffix=path.suffix)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        with temporary.open("rb") as written:
            os.fsync(written.fileno())
        temporary.chmod(0o644)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def sync_folder(path: Path) -> None:
    """Make what was created and renamed in a folder last beyond a loss of power."""
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def append_line(
    path: Path, line: bytes, *, header: bytes | None = None, lasting: bool = True
) -> None:
    """Add `line`, which ends in a line break, to a file: wholly or not at all. Raises OSError.

    A file that is empty gets `header` before it, one that is not there is made; without `header`
    it must be there. `lasting`: beyond a loss of power, too. Nothing else of the file is written,
    which spares an SD card.
    """
    create = 0 if header is None else os.O_CREAT
    handle = os.open(path, os.O_RDWR | os.O_APPEND | create, 0o666)
    try:
        size = os.fstat(handle).st_size
        if size == 0:
            line = (header or b"") + line
        # A loss of power, or an editor, may have left no end to its last line.
        elif os.pread(handle, 1, size - 1) != b"\n":
            line = b"\n" + line
        try:
            write_all(handle, line)
            if lasting:
                os.fsync(handle)
        except OSError:
            os.ftruncate(handle, size)
            raise
    finally:
        os.close(handle)


def write_all(handle: int, data: bytes) -> None:
    """Write all of `data`; a disk that is nearly full takes a part of it first. Raises OSError."""
    view = memoryview(data)
    while view:
        view = view[os.write(handle, view) :]
