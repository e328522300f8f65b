"""A file arrives whole from a server that does its worst, on this machine."""

from __future__ import annotations

import errno
import hashlib
import json
import socket
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_asc.errors import DataError
from edge_asc.training.http_download import (
    Patience,
    Progress,
    RemoteFile,
    fetch,
    in_units,
    md5_of,
    read_json,
)

CONTENT = np.random.default_rng(0).bytes(100_000)
MD5 = hashlib.md5(CONTENT, usedforsecurity=False).hexdigest()

Fault = Callable[["Handler", int], None]


class Handler(BaseHTTPRequestHandler):
    """Serves CONTENT with ranges; each request first meets the next fault, if one is left."""

    server: Publisher

    def do_GET(self) -> None:
        wanted = self.headers.get("Range")
        self.server.ranges.append(wanted)
        start = int(wanted[len("bytes=") : -1]) if wanted else 0
        fault = self.server.faults.pop(0) if self.server.faults else answer
        fault(self, start)

    def send(self, body: bytes, status: int, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


def answer(handler: Handler, start: int, content: bytes = CONTENT, stop: int | None = None) -> None:
    """What a good server does; it hangs up after byte `stop`."""
    headers = {"Content_Length": str(len(content) - start)}
    if start:
        headers["Content_Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
    handler.send(content[start:stop], 206 if start else 200, **headers)


def drop_after(stop: int) -> Fault:
    return lambda handler, start: answer(handler, start, stop=max(start, stop))


def reset_after(stop: int) -> Fault:
    """As a router that forgets the connection: no orderly end."""

    def fault(handler: Handler, start: int) -> None:
        answer(handler, start, stop=stop)
        handler.wfile.flush()
        linger = b"\1\0\0\0\0\0\0\0"  # on, for 0 s
        handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        handler.connection.close()

    return fault


def close_at_once(handler: Handler, start: int) -> None:
    handler.connection.shutdown(socket.SHUT_RDWR)


def ignore_range(handler: Handler, start: int) -> None:
    answer(handler, 0)


def wrong_bytes(handler: Handler, start: int) -> None:
    answer(handler, start, content=CONTENT[:-1] + bytes([CONTENT[-1] ^ 1]))


def longer_than_published(handler: Handler, start: int) -> None:
    answer(handler, start, content=CONTENT + b"!")


def endless(handler: Handler, start: int) -> None:
    """More than published, and no word about the length, until the client hangs up."""
    handler.send(CONTENT, 200)
    while True:
        handler.wfile.write(b"!" * 1_000)


def another_range(handler: Handler, start: int) -> None:
    handler.send(CONTENT[start + 1 :], 206, Content_Range=f"bytes {start + 1}-99999/100000")


def stall(handler: Handler, start: int) -> None:
    answer(handler, start, stop=1)
    handler.wfile.flush()
    time.sleep(0.3)


def status(code: int, **headers: str) -> Fault:
    return lambda handler, start: handler.send(b"", code, **headers)


class Publisher(ThreadingHTTPServer):
    """Remembers what was asked of it."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.faults: list[Fault] = []
        self.ranges: list[str | None] = []
        self.url = f"http://127.0.0.1:{self.server_port}/set.zip"

    def handle_error(self, request: object, client_address: object) -> None:
        """A connection that a fault has broken is no error of the test."""


@pytest.fixture(scope="module")
def running() -> Iterator[Publisher]:
    with Publisher() as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture
def publisher(running: Publisher) -> Publisher:
    running.faults.clear()
    running.ranges.clear()
    return running


@pytest.fixture
def waits() -> list[float]:
    """The seconds that were to be waited, one by one."""
    return []


@pytest.fixture
def patience(waits: list[float]) -> Patience:
    return Patience(attempts=4, timeout_s=5.0, sleep=waits.append)


def published(server: Publisher, md5: str | None = MD5) -> RemoteFile:
    return RemoteFile("set.zip", server.url, len(CONTENT), md5)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_good_server_is_asked_once(publisher, patience, waits, tmp_path, capsys):
    path = fetch(published(publisher), tmp_path / "new" / "folder", patience)
    assert path.read_bytes() == CONTENT
    assert names(path.parent) == ["set.zip"]
    assert publisher.ranges == [None]
    assert waits == []
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.splitlines()[-1] == "set.zip: 100.0 kB of 100.0 kB"


def test_a_dropped_connection_is_gone_on_with(publisher, patience, waits, tmp_path, capsys):
    publisher.faults += [drop_after(40_000), drop_after(60_000), drop_after(99_999)]
    path = fetch(published(publisher), tmp_path, patience)
    assert path.read_bytes() == CONTENT
    assert publisher.ranges == [None, "bytes=40000-", "bytes=60000-", "bytes=99999-"]
    # Each attempt brought something, so none was waited for longer than the first time.
    assert waits == [1.0, 1.0, 1.0]
    assert "ended after 40.0 kB of 100.0 kB; again in 1 s" in capsys.readouterr().err


@settings(max_examples=15, deadline=None)
@given(stops=st.lists(st.integers(0, 100_000), max_size=5))
def test_wherever_it_drops_only_what_is_missing_is_asked_for(running, stops):
    running.faults[:] = [drop_after(stop) for stop in stops]
    running.ranges.clear()
    with tempfile.TemporaryDirectory() as folder:
        patience = Patience(attempts=9, sleep=lambda _: None)
        assert fetch(published(running), Path(folder), patience).read_bytes() == CONTENT
    starts = [int(text[6:-1]) if text else 0 for text in running.ranges]
    arrived = list(np.maximum.accumulate([0, *stops]))
    assert starts == arrived[: len(starts)]


@pytest.mark.parametrize(
    "fault", [close_at_once, drop_after(0), reset_after(50_000), status(503), status(500), stall]
)
def test_a_passing_fault_is_waited_for(publisher, waits, tmp_path, fault):
    publisher.faults += [fault, fault]
    patience = Patience(attempts=3, timeout_s=0.1, sleep=waits.append)
    assert fetch(published(publisher), tmp_path, patience).read_bytes() == CONTENT
    assert len(waits) == 2
    assert publisher.ranges[0] is None


def test_a_fault_that_stays_ends_in_an_error_and_keeps_what_came(
    publisher, patience, waits, tmp_path
):
    publisher.faults += [drop_after(40_000), *[close_at_once] * 20]
    with pytest.raises(DataError, match=r"gave up after 4 attempts in a row.*goes on from here"):
        fetch(published(publisher), tmp_path, patience)
    assert waits == [1.0, 2.0, 4.0]
    assert (tmp_path / "set.zip.part").read_bytes() == CONTENT[:40_000]
    publisher.faults.clear()
    publisher.ranges.clear()
    assert fetch(published(publisher), tmp_path, patience).read_bytes() == CONTENT
    assert publisher.ranges == ["bytes=40000-"]


@pytest.mark.parametrize(("asked", "waited"), [("7", 7.0), ("3600", 60.0), ("tomorrow", 1.0)])
def test_a_server_that_names_a_pause_gets_it(publisher, patience, waits, tmp_path, asked, waited):
    publisher.faults.append(status(429, Retry_After=asked))
    fetch(published(publisher), tmp_path, patience)
    assert waits == [waited]


def test_nobody_listening(patience, waits, tmp_path):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}/set.zip"
    with pytest.raises(DataError, match=r"set.zip: no connection \(.*refused"):
        fetch(RemoteFile("set.zip", url, 5, MD5), tmp_path, patience)
    assert len(waits) == 3


@pytest.mark.parametrize("code", [403, 404, 410])
def test_a_refusal_is_not_asked_again(publisher, patience, tmp_path, code):
    publisher.faults.append(status(code))
    with pytest.raises(DataError, match=rf"the server says {code} .*in a browser"):
        fetch(published(publisher), tmp_path, patience)
    assert len(publisher.ranges) == 1


def test_a_server_without_ranges_starts_anew(publisher, patience, tmp_path):
    publisher.faults += [drop_after(40_000), ignore_range]
    assert fetch(published(publisher), tmp_path, patience).read_bytes() == CONTENT
    assert publisher.ranges == [None, "bytes=40000-"]


def test_a_refused_range_starts_anew(publisher, patience, tmp_path):
    publisher.faults += [drop_after(40_000), status(416)]
    assert fetch(published(publisher), tmp_path, patience).read_bytes() == CONTENT
    assert publisher.ranges == [None, "bytes=40000-", None]


def test_wrong_bytes_are_deleted(publisher, patience, tmp_path):
    publisher.faults.append(wrong_bytes)
    with pytest.raises(DataError, match=f"published is {MD5}; it was deleted"):
        fetch(published(publisher), tmp_path, patience)
    assert names(tmp_path) == []


@pytest.mark.parametrize(
    ("faults", "message", "left"),
    [
        ([longer_than_published], "with 100000 bytes, but the server has 100001", []),
        (
            [drop_after(40_000), longer_than_published],
            "with 100000 bytes, but the server has 100001",
            ["set.zip.part"],
        ),
        ([endless], "more than the published 100000 bytes", []),
        (
            [drop_after(40_000), another_range],
            "bytes from 40000 on, the server sends 'bytes 40001-99999/100000'",
            ["set.zip.part"],
        ),
    ],
)
def test_another_length_than_published_is_refused(
    publisher, patience, tmp_path, faults, message, left
):
    publisher.faults += faults
    with pytest.raises(DataError, match=message):
        fetch(published(publisher), tmp_path, patience)
    assert names(tmp_path) == left


def test_a_whole_file_is_verified_and_left_alone(publisher, patience, tmp_path, capsys):
    (tmp_path / "set.zip").write_bytes(CONTENT)
    fetch(published(publisher), tmp_path, patience)
    assert publisher.ranges == []
    assert "already there" in capsys.readouterr().err


@pytest.mark.parametrize("damaged", [CONTENT[:-1], CONTENT[:-1] + b"\0"])
def test_a_damaged_file_is_replaced(publisher, patience, tmp_path, damaged):
    (tmp_path / "set.zip").write_bytes(damaged)
    assert fetch(published(publisher), tmp_path, patience).read_bytes() == CONTENT
    assert names(tmp_path) == ["set.zip"]


@pytest.mark.parametrize(("part", "ranges"), [(CONTENT, []), (CONTENT + b"!", [None])])
def test_a_part_as_long_as_the_file_or_longer(publisher, patience, tmp_path, part, ranges):
    """As long: only the renaming was missing. Longer: of another file."""
    (tmp_path / "set.zip.part").write_bytes(part)
    assert fetch(published(publisher), tmp_path, patience).read_bytes() == CONTENT
    assert publisher.ranges == ranges


def test_without_a_checksum_pieces_of_two_days_are_not_mixed(publisher, patience, tmp_path):
    (tmp_path / "set.zip.part").write_bytes(b"x" * 40_000)
    file = published(publisher, md5=None)
    assert fetch(file, tmp_path, patience).read_bytes() == CONTENT
    assert publisher.ranges == [None]
    fetch(file, tmp_path, patience)
    assert publisher.ranges == [None]  # the size is as published


def test_an_interrupted_download_goes_on_later(publisher, patience, tmp_path, monkeypatch):
    def interrupt(self: Progress, num_bytes: int) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Progress, "add", interrupt)
        with pytest.raises(KeyboardInterrupt):
            fetch(published(publisher), tmp_path, patience)
    arrived = (tmp_path / "set.zip.part").stat().st_size
    assert 0 < arrived <= len(CONTENT)
    publisher.ranges.clear()
    assert fetch(published(publisher), tmp_path, patience).read_bytes() == CONTENT
    assert publisher.ranges == ([f"bytes={arrived}-"] if arrived < len(CONTENT) else [])


def test_a_full_disk_is_told_and_keeps_what_fitted(publisher, patience, tmp_path, monkeypatch):
    publisher.faults.append(drop_after(40_000))
    open_file = Path.open

    class FullDisk:
        """A file on a disk that takes nothing more."""

        def __init__(self, path: Path, mode: str) -> None:
            self.file = open_file(path, mode)

        def __enter__(self) -> FullDisk:
            return self

        def __exit__(self, *error: object) -> None:
            self.file.close()

        def write(self, chunk: bytes) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

    def open_full(path: Path, mode: str = "r") -> object:
        return FullDisk(path, mode) if mode == "ab" else open_file(path, mode)

    monkeypatch.setattr(Path, "open", open_full)
    with pytest.raises(DataError, match=r"set.zip.part: the disk is full; make room and run"):
        fetch(published(publisher), tmp_path, patience)
    assert (tmp_path / "set.zip.part").stat().st_size == 40_000


def test_any_other_write_error_keeps_its_own_words(publisher, patience, tmp_path):
    (tmp_path / "set.zip.part").mkdir()
    with pytest.raises(IsADirectoryError):
        fetch(published(publisher), tmp_path, patience)


def test_only_web_addresses_are_fetched(patience, tmp_path):
    (tmp_path / "secret").write_bytes(CONTENT)
    file = RemoteFile("set.zip", (tmp_path / "secret").as_uri(), len(CONTENT), MD5)
    with pytest.raises(DataError, match="only http and https"):
        fetch(file, tmp_path / "to", patience)


def test_json_is_read_with_patience(publisher, patience, waits):
    text = json.dumps({"title": "Xi'an ünd"}).encode()
    publisher.faults += [close_at_once, lambda handler, _: handler.send(text, 200)]
    assert read_json(publisher.url, patience) == {"title": "Xi'an ünd"}
    assert waits == [1.0]
    publisher.faults.append(lambda handler, _: handler.send(b"<html>", 200))
    with pytest.raises(DataError, match="not JSON"):
        read_json(publisher.url, patience)


def test_progress_is_a_line_at_every_tenth(capsys):
    with Progress("a.zip", 1_000, done_bytes=250) as progress:
        for _ in range(75):
            progress.add(10)
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "a.zip: 300 bytes of 1.0 kB"
    assert len(lines) == 8


def test_progress_is_a_bar_on_a_terminal(monkeypatch, capsys):
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    with Progress("a.zip", 1_000_000, done_bytes=500_000) as progress:
        progress.add(500_000)
    assert "a.zip: 100%" in capsys.readouterr().err


def test_units():
    assert [in_units(n) for n in (999, 1_000, 5_271_935_462)] == ["999 bytes", "1.0 kB", "5.3 GB"]


def test_md5_is_the_one_of_rfc_1321(tmp_path):
    """RFC 1321, section A.5: MD5 ("abc")."""
    (tmp_path / "abc").write_bytes(b"abc")
    assert md5_of(tmp_path / "abc") == "900150983cd24fb0d6963f7d28e17f72"
