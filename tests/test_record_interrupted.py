"""Whatever interrupts recording: listed clips are whole, and whole clips get listed.

Each test plays clips that a number tells (`played_clip`), so that what is found on the disk can be
compared with what was played.
"""

from __future__ import annotations

import csv
import errno
import fcntl
import functools
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from edge_asc.clip_folder import encode_clip, open_clip_folder
from edge_asc.errors import RecordError
from edge_asc.features import Samples
from edge_asc.record import Visit, record
from edge_asc.sources import Chunk
from tests.played_sound import BEGIN, Notes, Played, chunks, noise

ROOT = Path(__file__).parents[1]
UTC_BEGIN = BEGIN.astimezone(timezone.utc).replace(tzinfo=None)
NUM_CLIPS = 3
RATE_HZ = 1000
"""Low: what is tested are steps, not samples."""


@functools.cache
def played_clip(number: int) -> Samples:
    return noise(10.0, seed=number, rate_hz=RATE_HZ)


def played(first: int, num_clips: int) -> Iterator[Chunk]:
    """Clips number `first` and so on, each at a time of its own."""
    for number in range(first, first + num_clips):
        begin = BEGIN + timedelta(seconds=10 * number)
        yield from chunks(played_clip(number), begin, rate_hz=RATE_HZ, chunk_samples=2500)


def record_clips(
    path: Path,
    first: int,
    num_clips: int = NUM_CLIPS,
    min_free_bytes: int = 0,
    told: Callable[[], object] = lambda: None,
) -> list[str]:
    """Record clips into `path`, `told` of each; returns what opening it and recording said."""
    notes = Notes(told)
    with open_clip_folder(path, min_free_bytes=min_free_bytes, say=notes.say) as folder:
        visit = Visit("bus", f"run-{first}", place='a "place", Größe')
        record(Played(played(first, num_clips)), folder, visit, notes, doubt=lambda: None)
    return notes.said


def listed(path: Path) -> dict[str, int]:
    """The listed clips and the number of each; all of them are whole, or the test fails.

    A line that was being written may be cut off: whoever reads the table is told, and it is left
    out here.
    """
    text = (path / "clips.csv").read_bytes() if (path / "clips.csv").exists() else b""
    whole = text[: text.rfind(b"\n") + 1].decode()
    found = {}
    for row in csv.DictReader(whole.splitlines()):
        samples, rate_hz = soundfile.read(path / row["file"], dtype="float32")
        began = datetime.strptime(row["file"], "bus-%Y%m%dT%H%M%SZ.flac")
        number = round((began - UTC_BEGIN).total_seconds() / 10)
        assert rate_hz == RATE_HZ
        np.testing.assert_array_equal(samples, played_clip(number))
        assert row["group"].startswith("run-")
        assert row["place"] == 'a "place", Größe'
        assert row["file"] not in found
        found[row["file"]] = number
    return found


def check_mended(path: Path) -> dict[str, int]:
    """Open the folder as the next recording does; then every clip is listed and nothing is left."""
    before = listed(path)
    with open_clip_folder(path, say=lambda text: None):
        pass
    after = listed(path)
    assert (path / "clips.csv").read_bytes().endswith(b"\n")
    assert set(before) <= set(after)
    assert set(after) == {child.name for child in path.glob("*.flac")}
    hidden = [child.name for child in path.iterdir() if child.name.startswith(".")]
    assert hidden == [".record.lock"]
    return after


STEPS = [
    (Path, "mkdir"),
    (Path, "write_bytes"),
    (Path, "chmod"),
    (Path, "replace"),
    (Path, "unlink"),
    (os, "open"),
    (os, "write"),
    (os, "fsync"),
    (os, "replace"),
    (os, "pread"),
    (os, "ftruncate"),
    (os, "close"),
    (tempfile, "mkstemp"),
    (fcntl, "flock"),
]
"""Everything that recording does to the file system, one call a step."""


@contextmanager
def interrupted(at: int, interrupt: Callable[[], None]) -> Iterator[list[str]]:
    """Call `interrupt` instead of step number `at`; the list yielded names the steps taken.

    Of what is being written, half has been written by then; what is to be closed is closed.
    """
    taken: list[str] = []

    def stand_in(name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(real)
        def step(*arguments: Any, **options: Any) -> Any:
            taken.append(name)
            if len(taken) - 1 == at:
                if name in ("write", "write_bytes"):
                    target, data = arguments
                    real(target, data[: len(data) // 2])
                if name == "close":
                    real(*arguments)
                interrupt()
            return real(*arguments, **options)

        return step

    with pytest.MonkeyPatch.context() as patch:
        for module, name in STEPS:
            patch.setattr(module, name, stand_in(name, getattr(module, name)))
        yield taken


def fail() -> None:
    raise OSError(errno.EIO, "Input/output error")


def prepare(path: Path, state: str) -> None:
    """A folder as a recording may find it: with two clips, unless it is new."""
    if state == "new":
        return
    first = path.parent / "first"
    if not first.exists():
        record_clips(first, 100, 2)
    shutil.copytree(first, path)
    if state == "after a loss of power":
        table = path / "clips.csv"
        table.write_bytes(table.read_bytes()[:-9])
        (path / ".bus-20260517T063000Z.flac.part").write_bytes(b"half a clip")
        (path / "bus-20260517T063000Z.flac").touch()


STATES = ["new", "in order", "after a loss of power"]


@pytest.mark.parametrize("state", STATES)
def test_an_error_at_any_step_leaves_listed_clips_whole(tmp_path: Path, state: str) -> None:
    prepare(tmp_path / "all", state)
    with interrupted(-1, fail) as steps:
        record_clips(tmp_path / "all", 0)
    already = 0 if state == "new" else 2
    assert len(check_mended(tmp_path / "all")) == already + NUM_CLIPS
    assert {"flock", "open", "write", "fsync", "replace", "pread"} <= set(steps)
    num_listed = []
    for at, step in enumerate(steps):
        path = tmp_path / str(at)
        prepare(path, state)
        with interrupted(at, fail):
            if at == len(steps) - 1:  # closing the lock, after all is done
                with pytest.raises(OSError, match="Input/output error"):
                    record_clips(path, 0)
            else:
                with pytest.raises(RecordError, match="Input/output error; every clip that is"):
                    record_clips(path, 0)
        num_listed.append(len(listed(path)) if path.exists() else 0)
        if state != "after a loss of power":
            assert not list(path.glob(".*.part")), step
        if path.exists():
            mended = check_mended(path)
            assert already <= len(mended) <= already + NUM_CLIPS, step
            record_clips(path, 50)
            assert len(check_mended(path)) == len(mended) + NUM_CLIPS, step
    assert num_listed[-1] == already + NUM_CLIPS
    assert num_listed == sorted(num_listed), "what is listed stays listed"


def killed_at_each_step(path: Path, state: str) -> None:
    """Print, for a process that is killed at each step, how many clips are listed, and mended."""
    at = 0
    while True:
        here = path / str(at)
        prepare(here, state)
        child = os.fork()
        if child == 0:
            with interrupted(at, lambda: os.kill(os.getpid(), signal.SIGKILL)):
                record_clips(here, 0)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        before = len(listed(here)) if here.exists() else 0
        print(before, len(check_mended(here)) if here.exists() else 0, flush=True)
        if status == 0:
            return
        at += 1


def in_a_process(function: str, *arguments: str) -> list[list[int]]:
    """The numbers that a function of this module prints, run where no thread is lost by a fork."""
    code = f"from tests.test_record_interrupted import *; {function}(*sys.argv[1:])"
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )
    assert done.returncode == 0, done.stderr
    return [[int(number) for number in line.split()] for line in done.stdout.splitlines()]


def print_killed_at_each_step(path: str, state: str) -> None:
    killed_at_each_step(Path(path), state)


@pytest.mark.parametrize("state", STATES)
def test_a_process_killed_at_any_step(tmp_path: Path, state: str) -> None:
    counts = in_a_process("print_killed_at_each_step", str(tmp_path), state)
    already = 0 if state == "new" else 2
    assert len(counts) > 35
    assert counts[-1] == [already + NUM_CLIPS] * 2
    before, after = [count for count, _ in counts], [count for _, count in counts]
    assert after == sorted(after)
    assert all(listed <= mended <= listed + 1 for listed, mended in counts)
    assert set(after) == set(range(already, already + NUM_CLIPS + 1))
    if state != "after a loss of power":  # there, one of the two is not listed to begin with
        assert before == sorted(before)


def print_killed_at_random(path: str, seed: str, num_kills: str) -> None:
    """Kill recorders, one after the other in one folder: each after a random number of clips and a
    random part of what the next one takes; print how many clips are listed, and how many are there.
    """
    moments = random.Random(int(seed))
    folder = Path(path)
    for kill in range(int(num_kills)):
        told, tell = os.pipe()
        child = os.fork()
        if child == 0:
            told_of_clip = functools.partial(os.write, tell, b".")
            record_clips(folder, 1000 * kill, 1000, told=told_of_clip)
            os._exit(0)
        began_s = time.monotonic()
        num_clips = moments.randint(1, 4)
        for _ in range(num_clips):
            os.read(told, 1)
        time.sleep(moments.random() * (time.monotonic() - began_s) / num_clips)
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        assert status == signal.SIGKILL
        os.close(told)
        os.close(tell)
        print(len(listed(folder)), len(list(folder.glob("[!.]*.flac"))), flush=True)
    print(len(check_mended(folder)), 0)


def test_processes_killed_at_random_moments(tmp_path: Path) -> None:
    counts = in_a_process("print_killed_at_random", str(tmp_path / "clips"), "20231", "25")
    *kills, (mended, _) = counts
    assert len(kills) == 25
    # One file at most is reserved, or not listed yet.
    assert all(files - 1 <= found <= files for found, files in kills)
    found = [found for found, _ in kills]
    assert found == sorted(set(found)), "each adds some, and none is lost"
    assert kills[-1][0] <= mended <= kills[-1][1]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 1 MB."""
    path = tmp_path / "disk"
    path.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(path)]
    done = subprocess.run(mount, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"needs to mount a file system: {done.stderr.strip()}")
    yield path
    subprocess.run(["umount", str(path)], check=True)


def test_a_full_disk(small_disk: Path) -> None:
    clip_bytes = len(encode_clip(played_clip(0), RATE_HZ, {"label": "bus"}))
    with pytest.raises(RecordError, match="No space left on device; every clip that is listed"):
        # As if there had been room when it was looked for.
        record_clips(small_disk / "clips", 0, 200, min_free_bytes=-(2**20))
    found = listed(small_disk / "clips")
    pages = -(-clip_bytes // 4096)
    assert len(found) * pages < 256 < (len(found) + 2) * pages
    assert sorted(found.values()) == list(range(len(found)))
    assert {child.name for child in (small_disk / "clips").iterdir()} == {
        ".record.lock",
        "clips.csv",
        *found,
    }
    assert check_mended(small_disk / "clips") == found


def test_a_disk_that_is_full_when_the_line_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = os.write

    def nearly_full(handle: int, data: memoryview) -> int:
        if bytes(data).startswith(b"fLaC") or data.nbytes > 1000:
            return write(handle, data)
        raise OSError(errno.ENOSPC, "No space left on device")

    record_clips(tmp_path, 0, 1)
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", nearly_full)
        with pytest.raises(RecordError, match="No space left on device"):
            record_clips(tmp_path, 1, 1)
    assert list(listed(tmp_path).values()) == [0]
    assert record_clips(tmp_path, 2, 1) == [
        "listed bus-20260517T063010Z.flac, which was not in clips.csv yet"
    ]
    assert list(listed(tmp_path).values()) == [0, 1, 2]
