"""A full disk tears no two lines."""

from __future__ import annotations

import errno
import io

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
