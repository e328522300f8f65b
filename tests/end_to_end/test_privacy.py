"""Listening writes and sends no sound: every file, socket and byte of it is traced by strace.

Two programs that do are traced, too, so that it is known that the test would see it.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
import soundfile

from edge_asc.benchmarks.sound_server import DEVICE, SoundServer, missing_parts

RATE_HZ = 44_100
SECONDS = 12

OPENING = ("open", "openat", "openat2", "creat", "memfd_create")
WRITING = ("write", "writev", "pwrite64", "pwritev", "pwritev2", "sendto", "sendmsg")
OTHER_WAYS = ("sendmmsg", "sendfile", "splice", "tee", "vmsplice", "copy_file_range")
"""Nothing here uses these; they would have to be counted in ways of their own."""

WITHOUT_SOUND_BYTES = 200_000
"""The sound has over a million. 62,000 were seen: what `ldconfig -p` tells Python of libraries, and
15,000 of JSON, words, and PulseAudio's client to its server."""

HARMLESS = (
    r"/dev/null",
    r"/memfd:pulseaudio",  # memory shared with the sound server, which has the sound already
    r"/dev/shm/(jack_db-\d+/\S+|pulse-shm-\d+)",  # of JACK's library, and of older PulseAudio
    r"/\S*/\.config/pulse/cookie",
    r"/\S*/temporary/\S+",  # $TMPDIR: what a library prints while it is loaded
)


def can_trace() -> bool:
    """Whether strace is here and may trace."""
    if shutil.which("strace") is None:
        return False
    return (
        subprocess.run(["strace", "-o", "/dev/null", "true"], capture_output=True).returncode == 0
    )


pytestmark = pytest.mark.skipif(not can_trace(), reason="needs strace, and the right to trace")


@dataclass
class Trace:
    """What a program and all that it started did to files and sockets."""

    opened: set[str] = field(default_factory=set)
    """Files opened for writing"""
    written: Counter[str] = field(default_factory=Counter)
    """Bytes written, by where"""
    families: set[str] = field(default_factory=set)
    """Of sockets"""
    others: set[str] = field(default_factory=set)
    """Calls that move bytes in other ways"""

    def add(self, line: str) -> None:
        """Take in a line of strace -yy."""
        name, _, rest = line.partition("(")
        result = line.rpartition(" = ")[2]
        if result.startswith(("-1", "?")):
            return
        if name in OPENING:
            if name in ("creat", "memfd_create") or re.search(r"O_WRONLY|O_RDWR|O_CREAT", rest):
                self.opened.add(target(result))
        elif name in WRITING:
            self.written[target(rest)] += int(result.split()[0])
        elif name in ("socket", "socketpair"):
            self.families.add(rest.partition(",")[0])
        elif name in OTHER_WAYS:
            self.others.add(name)

    def faults(self, sound_pipe: str = "") -> list[str]:
        """How sound may have left; `sound_pipe` is where it may go."""
        faults = [
            f"{path} was opened for writing"
            for path in self.opened
            if not any(re.fullmatch(harmless, path) for harmless in HARMLESS)
        ]
        faults += [f"a socket of {name} was opened" for name in self.families - {"AF_UNIX"}]
        faults += [f"{name} was called" for name in self.others]
        size = self.written.total() - self.written[sound_pipe]
        if size > WITHOUT_SOUND_BYTES:
            faults.append(f"{size} bytes were written: {self.written.most_common(5)}")
        return faults


def target(text: str) -> str:
    """What a descriptor that strace -yy describes is: "3</tmp/x>(deleted)" is "/tmp/x"."""
    found = re.match(r"\d+<([^<>]*(?:<[^>]*>)?[^>]*)>", text)
    assert found is not None, text
    return re.sub(r"->\d+\]|<char .*", "", found[1])


def trace(folder: Path, *command: str, env: Mapping[str, str], sound: Path | None = None) -> Trace:
    """Run a command to its end, with `sound` coming through a pipe to its standard input."""
    temporary, lines = folder / "temporary", folder / "lines"
    temporary.mkdir()
    lines.mkdir()
    calls = ",".join(("socket", "socketpair", *OPENING, *WRITING, *OTHER_WAYS))
    tracer = ["strace", "-ff", "-yy", "-s", "0", "--seccomp-bpf", "-e", f"trace={calls}"]
    ours = {"TMPDIR": str(temporary), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [*tracer, "-o", str(lines / "of"), sys.executable, *command],
        env={**env, **ours},
        input=sound.read_bytes() if sound else b"",
        capture_output=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr.decode()
    assert list(temporary.iterdir()) == []
    found = Trace()
    for file in lines.iterdir():
        for line in file.read_text(errors="replace").splitlines():
            if re.match(r"\w+\(", line):
                found.add(line)
    return found


LISTEN = ("-m", "edge_asc", "listen", "--format", "json")

UPLOAD = """
import socket, sys
sound = sys.stdin.buffer.read()
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
    for start in range(0, len(sound), 1_000):
        sender.sendto(sound[start : start + 1_000], ("127.0.0.1", 9))
"""


def listen_to_a_microphone(folder: Path, sound: Path) -> Trace:
    with SoundServer(folder) as server, server.play(sound) as player:
        options = ("--device", DEVICE, "--seconds", str(SECONDS))
        found = trace(folder, *LISTEN, *options, env=server.env)
        player.wait()
    return found


def listen_to_a_pipe(folder: Path, raw: Path) -> Trace:
    return trace(folder, *LISTEN, "--source", "-", env=os.environ, sound=raw)


def record_from_a_pipe(folder: Path, raw: Path) -> Trace:
    options = ("--scene", "bar", "--out", str(folder / "clips"), "--source", "-")
    return trace(folder, "-m", "edge_asc", "record", *options, env=os.environ, sound=raw)


def upload_from_a_pipe(folder: Path, raw: Path) -> Trace:
    return trace(folder, "-c", UPLOAD, env=os.environ, sound=raw)


@pytest.fixture(scope="module")
def traces(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Future[Trace]]:
    """All at the same time: each takes as long as it listens."""
    folder = tmp_path_factory.mktemp("sound")
    noise = np.random.default_rng(5).integers(-3_000, 3_000, SECONDS * RATE_HZ, dtype="<i2")
    wav, raw = folder / "noise.wav", folder / "noise.raw"
    soundfile.write(wav, np.tile(noise, 3), RATE_HZ)
    raw.write_bytes(noise.tobytes())
    with ThreadPoolExecutor() as pool:

        def begin(run: Callable[[Path, Path], Trace], sound: Path) -> Future[Trace]:
            return pool.submit(run, tmp_path_factory.mktemp("traced"), sound)

        begun = {
            "pipe": begin(listen_to_a_pipe, raw),
            "record": begin(record_from_a_pipe, raw),
            "upload": begin(upload_from_a_pipe, raw),
        }
        if not missing_parts():
            begun["microphone"] = begin(listen_to_a_microphone, wav)
    return begun


def test_a_pipe_that_is_listened_to_goes_nowhere(traces: dict[str, Future[Trace]]) -> None:
    found = traces["pipe"].result()
    assert found.faults() == []
    assert found.written.total() > 1_000  # three estimates, and words


@pytest.mark.skipif(bool(missing_parts()), reason=f"needs {', '.join(missing_parts())}")
def test_a_microphone_that_is_listened_to_goes_nowhere(traces: dict[str, Future[Trace]]) -> None:
    found = traces["microphone"].result()
    # From the capture process to the listener it must go, as float32.
    ((sound_pipe, size),) = found.written.most_common(1)
    assert sound_pipe.startswith("pipe:")
    assert size >= SECONDS * RATE_HZ * 4
    assert found.faults(sound_pipe) == []


def test_a_program_that_writes_sound_is_seen(traces: dict[str, Future[Trace]]) -> None:
    faults = " ".join(traces["record"].result().faults())
    assert re.search(r"\S+\.flac\S* was opened for writing", faults)
    assert re.search(r"\d{6,} bytes were written", faults)


def test_a_program_that_sends_sound_is_seen(traces: dict[str, Future[Trace]]) -> None:
    socket, size = traces["upload"].result().faults()
    assert socket == "a socket of AF_INET was opened"
    assert int(size.split()[0]) >= 2 * SECONDS * RATE_HZ
