"""One file over HTTP that arrives whole: resumed, tried again, checked, renamed at the end.

DIR/name.part    what has arrived so far; stays after an interruption and is gone on with
DIR/name         the whole file, its size and MD5 as published
"""

from __future__ import annotations

import errno
import hashlib
import http.client
import json
import os
import re
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

from tqdm import tqdm

from edge_asc import __version__
from edge_asc.errors import DataError

CHUNK_BYTES = 1 << 18
MAX_WAIT_S = 60.0
TRY_AGAIN = frozenset({408, 425, 429, 500, 502, 503, 504})
"""HTTP answers that may be another one next time."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """A published file."""

    name: str
    url: str
    size_bytes: int
    md5: str | None
    """Hexadecimal; None where the publisher gives none: then the size alone is checked."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to put up with a bad connection."""

    attempts: int = 8
    """Failures in a row, without one new byte between them, after which to give up."""
    first_wait_s: float = 1.0
    """Before the second attempt; doubled for each further one, up to a minute."""
    timeout_s: float = 60.0
    """Silence that counts as a dropped connection."""
    sleep: Callable[[float], None] = time.sleep


class _DroppedError(Exception):
    """A failure that may be gone at the next attempt."""

    def __init__(self, what: str, wait_s: float = 0.0) -> None:
        super().__init__(what)
        self.wait_s = wait_s


class Progress:
    """A bar on a terminal, elsewhere a line at every tenth; both on stderr."""

    def __init__(self, name: str, total_bytes: int, done_bytes: int = 0) -> None:
        self._name, self._total, self._done = name, max(1, total_bytes), done_bytes
        self._bar = None
        if sys.stderr.isatty():
            self._bar = tqdm(
                total=total_bytes, initial=done_bytes, desc=name, unit="B", unit_scale=True
            )

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.close()

    def add(self, num_bytes: int) -> None:
        """Take in that `num_bytes` more are done."""
        before, self._done = self._done, self._done + num_bytes
        if self._bar is not None:
            self._bar.update(num_bytes)
        elif self._done * 10 // self._total > before * 10 // self._total:
            say(f"{self._name}: {in_units(self._done)} of {in_units(self._total)}")


def fetch(file: RemoteFile, folder: Path, patience: Patience) -> Path:
    """Return the path of `file` in `folder`, downloaded unless it is there and as published.

    A `.part` of an earlier attempt is gone on with where a checksum will tell whether the pieces
    belong together.

    Raises:
        DataError: no connection for too long, an answer that is not the published file, or a full
            disk; what has arrived is kept unless it is wrong.
    """
    path = folder / file.name
    if _is_whole(path, file):
        say(f"{file.name}: already there")
        return path
    folder.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{file.name}.part")
    if file.md5 is None:
        part.unlink(missing_ok=True)
    _retry(lambda: _receive(file, part, patience), file.name, patience, lambda: _size(part))
    if file.md5 is not None and (found := md5_of(part)) != file.md5:
        part.unlink()
        raise DataError(
            f"{file.name}: what arrived has the MD5 {found}, published is {file.md5}; it was"
            " deleted: run the same command again"
        )
    part.replace(path)
    return path


def read_json(url: str, patience: Patience) -> Any:  # noqa: ANN401
    """Return what the JSON at `url` holds. Raises DataError."""

    def read() -> bytes:
        with _open(url, {}, patience.timeout_s) as response:
            return b"".join(_chunks(response))

    text = _retry(read, url, patience, lambda: 0)
    try:
        return json.loads(text)
    except ValueError as error:
        raise DataError(f"{url}: the answer is not JSON ({error}); try again later") from error


def md5_of(path: Path) -> str:
    """MD5 of a file, in hexadecimal: guards against damage, not against forgery."""
    digest = hashlib.md5(usedforsecurity=False)
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def in_units(num_bytes: int) -> str:
    """`num_bytes` for people, such as "5.3 GB"."""
    for unit, size in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if num_bytes >= size:
            return f"{num_bytes / size:.1f} {unit}"
    return f"{num_bytes} bytes"


def full_disk(error: OSError, path: Path, advice: str) -> DataError | OSError:
    """What to raise for `error` while writing `path`: an explanation if the disk is full."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return DataError(f"{path}: the disk is full; make room and {advice}")
    return error


def say(text: str) -> None:
    """Print a line on stderr."""
    print(text, file=sys.stderr, flush=True)


def _retry(work: Callable[[], T], name: str, patience: Patience, position: Callable[[], int]) -> T:
    """Do `work` until it is done; a higher `position` than before shows that trying helps."""
    failures, furthest = 0, position()
    while True:
        try:
            return work()
        except _DroppedError as error:
            failures = 1 if position() > furthest else failures + 1
            furthest = max(furthest, position())
            if failures >= patience.attempts:
                raise DataError(
                    f"{name}: {error}; gave up after {failures} attempts in a row: see to the"
                    " connection and run the same command again, it goes on from here"
                ) from error
            wait_s = min(max(patience.first_wait_s * 2 ** (failures - 1), error.wait_s), MAX_WAIT_S)
            say(f"{name}: {error}; again in {wait_s:.0f} s")
            patience.sleep(wait_s)


def _receive(file: RemoteFile, part: Path, patience: Patience) -> None:
    """Bring `part` from what it has to the whole of `file`, in one connection."""
    done = _size(part)
    if done > file.size_bytes:
        part.unlink()
        done = 0
    if done == file.size_bytes > 0:
        return
    headers = {"Range": f"bytes={done}-"} if done else {}
    try:
        response = _open(file.url, headers, patience.timeout_s)
    except _RangeRefusedError as error:
        part.unlink()
        raise _DroppedError("the server cannot go on from there; starting anew") from error
    with response:
        if response.status != http.client.PARTIAL_CONTENT:
            done = 0  # The whole file comes, whatever was asked for.
        _check_lengths(file, response, done)
        _append(file, part, response, done)


class _RangeRefusedError(Exception):
    """HTTP 416: the file ends before the asked range."""


def _open(url: str, headers: dict[str, str], timeout_s: float) -> http.client.HTTPResponse:
    if not url.startswith(("https://", "http://")):
        raise DataError(f"{url}: only http and https addresses are fetched")
    headers = {"User-Agent": f"edge-asc/{__version__}", **headers}
    request = urllib.request.Request(url, headers=headers)
    try:
        response: http.client.HTTPResponse = urllib.request.urlopen(request, timeout=timeout_s)
        return response
    except urllib.error.HTTPError as error:
        with error:
            status, reason = error.code, error.reason
            wait = error.headers.get("Retry-After", "")
        if status == http.client.REQUESTED_RANGE_NOT_SATISFIABLE and request.has_header("Range"):
            raise _RangeRefusedError from error
        if status in TRY_AGAIN:
            wait_s = float(wait) if wait.isdecimal() else 0.0
            raise _DroppedError(f"the server says {status} {reason}", wait_s) from error
        raise DataError(
            f"{url}: the server says {status} {reason}; open the record in a browser: it may have"
            " moved or ask for a login"
        ) from error
    except (OSError, http.client.HTTPException) as error:
        raise _DroppedError(f"no connection ({error})") from error


def _chunks(response: http.client.HTTPResponse) -> Iterator[bytes]:
    """What arrives, as it arrives."""
    while True:
        try:
            chunk = response.read1(CHUNK_BYTES)
        except (OSError, http.client.HTTPException) as error:
            raise _DroppedError(f"the connection broke ({error})") from error
        if not chunk:
            return
        yield chunk


def _check_lengths(file: RemoteFile, response: http.client.HTTPResponse, done: int) -> None:
    """Refuse an answer that announces another file than the published one."""
    if response.status == http.client.PARTIAL_CONTENT:
        range_text = response.headers.get("Content-Range", "")
        match = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", range_text)
        if match is None or int(match[1]) != done:
            raise DataError(
                f"{file.name}: asked for the bytes from {done} on, the server sends"
                f" {range_text!r}; delete {file.name}.part and run the same command again"
            )
    announced = response.headers.get("Content-Length")
    if announced is not None and int(announced) != file.size_bytes - done:
        raise DataError(
            f"{file.name}: published with {file.size_bytes} bytes, but the server has"
            f" {done + int(announced)}; try again later, or look at the record in a browser"
        )


def _append(file: RemoteFile, part: Path, response: http.client.HTTPResponse, done: int) -> None:
    try:
        with (
            part.open("ab" if done else "wb") as out,
            Progress(file.name, file.size_bytes, done) as progress,
        ):
            for chunk in _chunks(response):
                done += len(chunk)
                if done > file.size_bytes:
                    break
                out.write(chunk)
                progress.add(len(chunk))
            out.flush()
            os.fsync(out.fileno())
    except OSError as error:
        raise full_disk(error, part, "run the same command again: it goes on from here") from error
    if done > file.size_bytes:
        part.unlink()
        raise DataError(
            f"{file.name}: more than the published {file.size_bytes} bytes arrived; what came was"
            " deleted: try again later"
        )
    if done < file.size_bytes:
        raise _DroppedError(
            f"the connection ended after {in_units(done)} of {in_units(file.size_bytes)}"
        )


def _is_whole(path: Path, file: RemoteFile) -> bool:
    if not path.is_file() or _size(path) != file.size_bytes:
        return False
    return file.md5 is None or md5_of(path) == file.md5


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0
