"""A full disk tears no two lines."""

from __future__ import annotations

import errno
import io
import resource
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge_asc.sinks.lines import Lines


class SmallDisk(io.StringIO):
    """Takes what fits, then refuses; a person makes room by raising `room`."""

    def __init__(self, room: int) -> None:
        super().__init__()
        self.room = room

    def write(self, text: str) -> int:
        super().write(text[: self.room])
        fits, self.room = len(text) <= self.room, max(0, self.room - len(text))
        if not fits:
            raise OSError(errno.ENOSPC, "No space left on device")
        return len(text)


def test_a_line_after_a_torn_one_begins_anew() -> None:
    disk = SmallDisk(12)
    lines = Lines(disk)
    lines.write("first")
    for _ in range(2):
        with pytest.raises(OSError, match="No space"):
            lines.write("second")
    disk.room = 100
    lines.write("third")
    lines.write("fourth")
    assert disk.getvalue() == "first\nsecond\nthird\nfourth\n"[:12] + "\nthird\nfourth\n"


@pytest.fixture
def files_of_ten_bytes() -> Iterator[None]:
    """No file of this process may grow beyond ten bytes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_line_that_was_refused_does_not_come_later(
    tmp_path: Path, files_of_ten_bytes: None
) -> None:
    path = tmp_path / "lines.txt"
    with path.open("w", encoding="ascii") as stream:
        lines = Lines(stream)
        lines.write("first")
        for _ in range(3):
            with pytest.raises(OSError, match="too large"):
                lines.write("second")
        hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
        resource.setrlimit(resource.RLIMIT_FSIZE, (100, hard))
        lines.write("third")
    assert path.read_text() == "first\nseco\nthird\n"
