"""A file is whole or absent, and so is a line that is added to one."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from edge_asc.atomic import append_line, atomic_path


def test_the_file_appears_with_its_content(tmp_path: Path) -> None:
    target = tmp_path / "new" / "file.bin"
    with atomic_path(target) as temporary:
        temporary.write_bytes(b"content")
        assert not target.exists()
    assert target.read_bytes() == b"content"
    assert [entry.name for entry in target.parent.iterdir()] == ["file.bin"]


def test_an_error_leaves_the_old_file_and_no_rest(tmp_path: Path) -> None:
    target = tmp_path / "file.bin"
    target.write_bytes(b"old")

    def write_half() -> None:
        with atomic_path(target) as temporary:
            temporary.write_bytes(b"half")
            raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        write_half()
    assert target.read_bytes() == b"old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["file.bin"]


class TestAppending:
    @pytest.fixture
    def table(self, tmp_path: Path) -> Path:
        path = tmp_path / "clips.csv"
        path.write_bytes(b"file,label\na,b\n")
        return path

    def test_a_line_is_one_write(self, table: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        written: list[bytes] = []
        write = os.write

        def remember(handle: int, data: memoryview) -> int:
            written.append(bytes(data))
            return write(handle, data)

        monkeypatch.setattr(os, "write", remember)
        append_line(table, b"c,d\n")
        assert written == [b"c,d\n"]
        assert table.read_bytes() == b"file,label\na,b\nc,d\n"

    def test_a_last_line_without_an_end_gets_one(self, table: Path) -> None:
        table.write_bytes(b"file,label\na,b")
        append_line(table, b"c,d\n")
        assert table.read_bytes() == b"file,label\na,b\nc,d\n"

    def test_half_a_line_is_taken_back(self, table: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        write = os.write

        def nearly_full(handle: int, data: memoryview) -> int:
            if len(data) < 4:
                raise OSError(errno.ENOSPC, "No space left on device")
            return write(handle, data[:2])

        monkeypatch.setattr(os, "write", nearly_full)
        with pytest.raises(OSError, match="No space left"):
            append_line(table, b"c,d\n")
        assert table.read_bytes() == b"file,label\na,b\n"

    def test_a_table_that_is_gone_is_not_begun_without_a_header(self, tmp_path: Path) -> None:
        with pytest.raises(FileNotFoundError):
            append_line(tmp_path / "clips.csv", b"c,d\n")
        assert not list(tmp_path.iterdir())

    def test_a_header_begins_what_is_empty_or_not_there(self, tmp_path: Path) -> None:
        table = tmp_path / "log.csv"
        for line in (b"a,b\n", b"c,d\n"):
            append_line(table, line, header=b"file,label\n", lasting=False)
        assert table.read_bytes() == b"file,label\na,b\nc,d\n"
        table.write_bytes(b"")
        append_line(table, b"a,b\n", header=b"file,label\n", lasting=False)
        assert table.read_bytes() == b"file,label\na,b\n"
