"""Commands as a source of sound: they die, flood, hang, and take others with them.

All run at the same time, because each takes as long as it is listened to.
"""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from edge_asc.benchmarks.listener import LISTEN, Listener
from edge_asc.benchmarks.process_facts import ProcessFacts, children, read_facts
from tests.end_to_end.streams import check_stream

RATE_HZ = 44_100
WHEN = ("--time", "2026-05-17T14:30")

PLAYER = """
import os, random, signal, sys, time
random.seed(1)
block = bytes(random.randrange(256) for _ in range(8820))
for number in range(int(10 * float(sys.argv[1]))):
    sys.stdout.buffer.write(block)
    sys.stdout.buffer.flush()
    time.sleep(0.1)
print("out of tape", file=sys.stderr)
end = sys.argv[2]
if end == "hang":
    time.sleep(1_000)
elif end == "crash":
    os.kill(os.getpid(), signal.SIGSEGV)
sys.exit(int(end))
"""
"""Noise at the pace of time for so many seconds, then an exit code, a crash, or nothing more."""


def exec_source(*words: str | Path) -> str:
    return "exec:" + shlex.join(map(str, words))


def player(seconds: float, end: str) -> str:
    return exec_source(sys.executable, "-c", PLAYER, str(seconds), end)


def hear_two_takes(end: str) -> Listener:
    """A player that ends after eleven seconds, and is begun anew."""
    with Listener("--source", player(11.5, end)) as listener:
        listener.wait_for_estimates(2)
        listener.wait_for_word("is back after")
        listener.wait_for_estimates(1)
        assert listener.finish() == 0
    return listener


def hear_a_flood() -> tuple[Listener, list[ProcessFacts]]:
    """A command that writes as fast as it can; the listener's facts at its first estimate and
    ten seconds later.
    """
    with Listener("--source", "exec:cat /dev/zero") as listener:
        listener.wait_for_estimates(1)
        facts = [read_facts(listener.process.pid)]
        listener.wait_for_estimates(10)
        facts.append(read_facts(listener.process.pid))
        assert listener.finish() == 0
    return listener, facts


def wait_for_nothing() -> Listener:
    """A command that never says anything."""
    with Listener("--source", "exec:sleep 31536000") as listener:
        listener.wait_for_word("has sent no sound for 20 s")
        listener.wait_until(lambda listener: not children(listener.process.pid))
        assert listener.finish() == 0
    return listener


def end_a_family(folder: Path) -> list[int]:
    """A shell that starts others, and is ended; those of them that are left."""
    pids = folder / "pids"
    script = f"sleep 31536001 & echo $! $$ > {shlex.quote(str(pids))}; cat /dev/zero"
    with Listener("--source", exec_source("sh", "-c", script)) as listener:
        listener.wait_for_word("faster than time")
        started = [int(word) for word in pids.read_text().split()]
        assert all(is_running(pid) for pid in started)
        assert listener.finish() == 0
    return [pid for pid in started if is_running(pid)]


def is_running(pid: int) -> bool:
    try:
        state = (Path("/proc") / str(pid) / "stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"  # nobody has asked for its exit code yet


def refuse(source: str, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*LISTEN, "--source", source, *options], capture_output=True, text=True, timeout=120
    )


def refuse_a_wav_file(folder: Path) -> subprocess.CompletedProcess[str]:
    file = folder / "sound.wav"
    soundfile.write(file, np.zeros(RATE_HZ), RATE_HZ)
    return refuse(exec_source("cat", file), "--no-retry")


def hear_a_recording(data_dir: Path, folder: Path) -> tuple[Listener, list[dict[str, Any]]]:
    """A real recording through a pipe, and the lines for the same as a file."""
    source = data_dir / "scenes_open" / "bar" / "taipei-schneider__SoccerGame.flac"
    samples, rate_hz = soundfile.read(source, dtype="int16", frames=12 * RATE_HZ)
    assert rate_hz == RATE_HZ
    file, raw = folder / "bar.wav", folder / "bar.raw"
    soundfile.write(file, samples, rate_hz)
    raw.write_bytes(samples.astype("<i2").tobytes())
    done = subprocess.run(
        [*LISTEN, "--source", file, "--fast", *WHEN], capture_output=True, text=True, check=True
    )
    with Listener("--source", exec_source("cat", raw), "--seconds", "12", *WHEN) as listener:
        assert listener.process.wait(timeout=120) == 0
    return listener, [json.loads(line) for line in done.stdout.splitlines()]


Runs = dict[str, Future[Any]]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Runs:
    with ThreadPoolExecutor() as pool:
        run: Callable[..., Future[Any]] = pool.submit
        return {
            "3": run(hear_two_takes, "3"),
            "crash": run(hear_two_takes, "crash"),
            "hang": run(hear_two_takes, "hang"),
            "flood": run(hear_a_flood),
            "nothing": run(wait_for_nothing),
            "family": run(end_a_family, tmp_path_factory.mktemp("family")),
            "missing": run(refuse, "exec:no-such-recorder -q"),
            "wav": run(refuse_a_wav_file, tmp_path_factory.mktemp("wav")),
        }


@pytest.mark.parametrize(
    ("end", "cause"),
    [
        ("3", "ended with exit code 3: out of tape"),
        ("crash", "died of SIGSEGV: out of tape"),
        ("hang", "has sent no sound for 2 s"),
    ],
)
def test_a_command_that_stops_is_begun_anew(runs: Runs, end: str, cause: str) -> None:
    listener: Listener = runs[end].result()
    check_stream(listener)
    (gap,) = listener.timeline.gaps
    assert cause in gap.cause
    assert gap.start_s == 11.0
    assert gap.lost_s >= 1.0  # the wait before the second try
    assert listener.said("trying again until it is back") == 1


def test_a_flood_is_heard_at_the_pace_of_time(runs: Runs) -> None:
    listener, (before, after) = runs["flood"].result()
    check_stream(listener)
    assert not listener.timeline.gaps
    assert listener.said("sends sound faster than time passes") == 1
    # Ten estimates take ten seconds, however fast the pipe is. It may be two seconds ahead.
    assert listener.timeline.clock_ahead_s > -2.5
    assert after.rss_mb - before.rss_mb < 3.0


def test_a_command_that_says_nothing_is_ended_and_tried_again(runs: Runs) -> None:
    listener: Listener = runs["nothing"].result()
    check_stream(listener)
    assert {line["type"] for line in listener.lines} == {"health"}
    assert listener.lines[-1]["num_estimates"] == 0
    assert listener.words[-1].startswith("heard 0.0 s")


def test_what_a_command_started_ends_with_it(runs: Runs) -> None:
    assert runs["family"].result() == []


def test_a_command_that_is_not_there(runs: Runs) -> None:
    done: subprocess.CompletedProcess[str] = runs["missing"].result()
    assert done.returncode in (1, 2)
    assert "there is no program 'no-such-recorder' to run" in done.stderr


def test_a_file_with_a_header_is_not_heard_as_a_click(runs: Runs) -> None:
    done: subprocess.CompletedProcess[str] = runs["wav"].result()
    assert done.returncode == 1
    assert "cat is a WAV file, not raw PCM" in done.stderr
    assert done.stdout == ""


def test_a_recording_through_a_pipe_is_what_it_is_as_a_file(data_dir: Path, tmp_path: Path) -> None:
    listener, lines = hear_a_recording(data_dir, tmp_path)
    check_stream(listener)
    kinds = ["estimate", "event", "estimate", "estimate", "event", "health"]
    assert [line["type"] for line in lines] == kinds
    heard = [line for line in listener.lines if line["type"] != "health"]
    assert heard == [line | {"source": "cat"} for line in lines[:-1]]
