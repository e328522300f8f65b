"""Pipes that are heard live: standard input, and what commands write."""

from __future__ import annotations

import os
import shlex
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from edge_asc.clock import elapsed_s
from edge_asc.errors import AudioError, SourceError
from edge_asc.sources import RawFormat, open_source
from edge_asc.sources.flow import Block
from edge_asc.sources.live import LiveSource
from edge_asc.sources.pipes import Command
from edge_asc.sources.recorded_pcm import RecordedPcm

FRAMES = np.arange(-4_000, 4_000).astype("<i2")


def python(program: str) -> str:
    return shlex.join([sys.executable, "-c", program])


def hear(command: str) -> Iterator[Block]:
    session = Command(command, RawFormat(16_000)).open()
    try:
        yield from session.blocks()
    finally:
        session.close()


def test_what_a_command_writes(tmp_path: Path) -> None:
    path = tmp_path / "sound with spaces.raw"
    path.write_bytes(FRAMES.tobytes())
    blocks: list[Block] = []
    before_s = elapsed_s()
    with pytest.raises(SourceError, match=r"^cat ended with exit code 0$"):
        blocks.extend(hear(f"cat '{path}'"))
    samples = np.concatenate([block.samples for block in blocks])
    np.testing.assert_array_equal(samples, FRAMES / np.float32(2**15))
    assert {block.sample_rate_hz for block in blocks} == {16_000}
    assert all(before_s <= block.arrived_s <= elapsed_s() for block in blocks)


def test_a_command_that_fails_says_its_last_words() -> None:
    program = "import sys; print('first', file=sys.stderr); sys.exit('no such stream')"
    with pytest.raises(SourceError, match=r"ended with exit code 1: first; no such stream"):
        next(hear(python(program)))


def test_a_command_that_is_killed() -> None:
    program = "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"
    with pytest.raises(SourceError, match="died of SIGKILL"):
        next(hear(python(program)))


def test_a_command_that_writes_a_file() -> None:
    with pytest.raises(AudioError, match="is a WAV file, not raw PCM"):
        next(hear("printf RIFFxxxxWAVE"))


def test_closing_ends_what_the_command_started(tmp_path: Path) -> None:
    """A shell that is killed alone would leave its child behind, which holds the microphone."""
    pid_file = tmp_path / "pid"
    session = Command(f"sh -c 'sleep 300 & echo $! > {pid_file}; wait'", RawFormat()).open()
    deadline_s = time.monotonic() + 30
    while not (pid_file.exists() and pid_file.read_text().strip()):
        assert time.monotonic() < deadline_s
        time.sleep(0.01)
    session.close()
    session.close()  # again does nothing
    status = Path(f"/proc/{int(pid_file.read_text())}/stat")
    while status.exists() and status.read_text().split()[2] != "Z":  # until somebody reaps it
        assert time.monotonic() < deadline_s
        time.sleep(0.01)


def test_a_command_that_ignores_sigterm_is_killed() -> None:
    program = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
        " print('x' * 99, flush=True); time.sleep(300)"
    )
    session = Command(python(program), RawFormat()).open()
    blocks = session.blocks()
    next(blocks)
    session.close()
    assert session._process.how_it_ended() == (-9, "died of SIGKILL")


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("", "must be followed by a command; for instance"),
        ("'arecord", "cannot be read: No closing quotation"),
        ("no-such-program -r 1", "no program 'no-such-program'"),
    ],
)
def test_a_command_that_cannot_be_run(command: str, message: str) -> None:
    with pytest.raises(SourceError, match=message):
        Command(command, RawFormat())


def test_a_program_that_went_away(tmp_path: Path) -> None:
    program = tmp_path / "capture"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    command = Command(str(program), RawFormat())
    program.unlink()
    with pytest.raises(SourceError, match=r"cannot run .*capture': No such file"):
        command.open()


@pytest.fixture
def piped_stdin(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """The end of a pipe to write to; the other is standard input."""
    reading, writing = os.pipe()
    with os.fdopen(reading) as stdin:
        monkeypatch.setattr("sys.stdin", stdin)
        yield writing


def test_standard_input_is_live(piped_stdin: int) -> None:
    notes: list[str] = []
    source = open_source("-", preferred_rate_hz=44_100, raw=RawFormat(16_000), say=notes.append)
    assert isinstance(source, LiveSource)
    assert source.description == "standard input (16000 Hz, live)"
    os.write(piped_stdin, FRAMES.tobytes() + b"\1")
    os.close(piped_stdin)
    with source:
        chunks = list(source)
    np.testing.assert_array_equal(
        np.concatenate([chunk.samples for chunk in chunks]), FRAMES / np.float32(2**15)
    )
    # The pipe's thread may find its end before the listener says that it began.
    (left_out,) = [note for note in notes if "its last 1 bytes" in note]
    assert "its last 1 bytes, of 2 a sample, are left out" in left_out
    assert [note for note in notes if note != left_out] == ["hearing standard input at 16000 Hz"]


def test_standard_input_that_was_recorded(piped_stdin: int) -> None:
    os.close(piped_stdin)
    source = open_source("-", preferred_rate_hz=44_100, fast=True, say=print)
    assert isinstance(source, RecordedPcm)


def test_a_redirected_file_was_recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "sound.raw"
    path.write_bytes(bytes(100))
    with path.open() as stdin:
        monkeypatch.setattr("sys.stdin", stdin)
        source = open_source("-", preferred_rate_hz=44_100, say=print)
    assert isinstance(source, RecordedPcm)


def test_a_terminal_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    _, terminal = os.openpty()
    with os.fdopen(terminal) as stdin:
        monkeypatch.setattr("sys.stdin", stdin)
        with pytest.raises(SourceError, match="standard input is a terminal"):
            open_source("-", preferred_rate_hz=44_100, say=print)
