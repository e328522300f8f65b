"""SIGTERM ends listening in any state; SIGHUP, a full disk and a lost model file do not.

All at the same time, because each takes as long as it is listened to. How soon SIGTERM ends it is
in docs/survival.md; here it must end at all, and take its capture process with it.
"""

from __future__ import annotations

import array
import fcntl
import os
import subprocess
import sys
import termios
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from edge_asc.benchmarks.listener import LISTEN, Listener
from edge_asc.benchmarks.process_facts import children
from edge_asc.benchmarks.sound_server import DEVICE, SoundServer, missing_parts
from edge_asc.model_file import default_model_path
from tests.end_to_end.streams import check_stream

FLOOD = ("--source", "exec:cat /dev/zero")
AS_FAST_AS_IT_GOES = ("--source", "-", "--fast")

CLOCK_YEAR_S = 365 * 24 * 3600


def end(listener: Listener) -> Listener:
    """SIGTERM; whatever it had started must be gone."""
    started = children(listener.process.pid)
    assert listener.finish() == 0
    assert not [pid for pid in started if Path(f"/proc/{pid}").exists()]
    return listener


def end_idle(folder: Path) -> Listener:
    with Listener("--source", "-", stdin=subprocess.PIPE) as listener:
        listener.wait_for_word("has sent no sound for 10 s")
        return end(listener)


def end_under_load(folder: Path) -> Listener:
    with (
        Path("/dev/zero").open("rb") as zeros,
        Listener(*AS_FAST_AS_IT_GOES, stdin=zeros) as listener,
    ):
        listener.wait_for_estimates(100)
        return end(listener)


def end_waiting_for_a_device(folder: Path) -> Listener:
    with Listener("--device", DEVICE, env=SoundServer(folder).env) as listener:
        listener.wait_for_word("trying again until it is back")
        return end(listener)


def end_with_a_frozen_server(folder: Path) -> Listener:
    with SoundServer(folder) as server, Listener("--device", DEVICE, env=server.env) as listener:
        listener.wait_for_estimates(1)
        server.freeze()
        return end(listener)


def end_with_stdout_blocked(folder: Path) -> int:
    """The exit code of a listener whose reader does not read."""
    with (
        Path("/dev/zero").open("rb") as zeros,
        subprocess.Popen(
            [*LISTEN, *AS_FAST_AS_IT_GOES],
            stdin=zeros,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        ) as process,
    ):
        assert process.stdout is not None
        wait_until_full(process.stdout.fileno())
        process.terminate()
        return process.wait(timeout=60)


def wait_until_full(pipe: int) -> None:
    """Wait until what waits in a pipe grows no more."""
    before, waiting = -1, 0
    while waiting == 0 or waiting > before:
        before = waiting
        time.sleep(1.0)
        count = array.array("i", [0])
        fcntl.ioctl(pipe, termios.FIONREAD, count)
        waiting = count[0]


def reload(folder: Path) -> Listener:
    """Another city in the configuration, then one that does not exist."""
    config = folder / "config.toml"
    config.write_text('[listen]\ncity = "Beijing"\n')
    with Listener(*FLOOD, "--config", str(config)) as listener:
        listener.wait_for_estimates(1)
        config.write_text('[listen]\ncity = "Shanghai"\n')
        listener.reload()
        config.write_text('[listen]\ncity = "Bejing"\n')
        listener.reload()
        return end(listener)


def lose_the_model(folder: Path, lose: Callable[[Path], None]) -> Listener:
    """The model file is replaced or lost while it is used, and then asked for."""
    model = folder / "model.tflite"
    model.write_bytes(default_model_path().read_bytes())
    with Listener(*FLOOD, "--model", str(model)) as listener:
        listener.wait_for_estimates(1)
        lose(model)
        listener.wait_for_estimates(2)
        listener.reload()
        return end(listener)


def replace(model: Path) -> None:
    other = model.with_suffix(".new")
    other.write_bytes(b"not a model")
    other.replace(model)


def truncate(model: Path) -> None:
    os.truncate(model, 1_000)


def set_the_clock(folder: Path) -> Listener:
    """The time of day is set a year forward, then two back, while a stream is heard."""
    offset = folder / "offset"
    offset.write_text("0")
    program = (
        "import pathlib, sys, time\n"
        f"real, offset = time.time, pathlib.Path({str(offset)!r})\n"
        "time.time = lambda: real() + float(offset.read_text())\n"
        "from edge_asc.cli import main\n"
        "main()\n"
    )
    command = (sys.executable, "-c", program, *LISTEN[3:])
    with Listener(*FLOOD, command=command) as listener:
        listener.wait_for_estimates(1)
        for offset_s in (CLOCK_YEAR_S, -CLOCK_YEAR_S):
            new = offset.with_suffix(".new")
            new.write_text(str(offset_s))
            new.replace(offset)
            listener.wait_for_estimates(2)
        return end(listener)


def lose_the_reader(folder: Path) -> tuple[int, str]:
    """Exit code and words of a live stream of which one line is read."""
    with subprocess.Popen(
        [*LISTEN, *FLOOD], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.stdout.close()
        _, words = process.communicate(timeout=60)
    return process.returncode, words


def fill_the_disk(folder: Path) -> subprocess.CompletedProcess[str]:
    file = folder / "noise.wav"
    rng = np.random.default_rng(3)
    soundfile.write(file, 0.1 * rng.standard_normal(12 * 44_100), 44_100)
    with Path("/dev/full").open("w") as full:
        return subprocess.run(
            [*LISTEN, "--source", str(file), "--fast"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=120,
        )


Runs = dict[str, Future[Any]]

ENDINGS = {"idle": end_idle, "under load": end_under_load}
MICROPHONE_ENDINGS = {
    "waiting for a device": end_waiting_for_a_device,
    "sound server frozen": end_with_a_frozen_server,
}
LOSSES: dict[str, Callable[[Path], None]] = {
    "replaced": replace,
    "truncated": truncate,
    "deleted": Path.unlink,
}


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Runs:
    with ThreadPoolExecutor() as pool:

        def begin(run: Callable[..., Any], *arguments: object) -> Future[Any]:
            return pool.submit(run, tmp_path_factory.mktemp("ending"), *arguments)

        alone = (end_with_stdout_blocked, reload, set_the_clock, lose_the_reader, fill_the_disk)
        runs = {run.__name__: begin(run) for run in alone}
        runs |= {name: begin(lose_the_model, lose) for name, lose in LOSSES.items()}
        runs |= {name: begin(run) for name, run in ENDINGS.items()}
        if not missing_parts():
            runs |= {name: begin(run) for name, run in MICROPHONE_ENDINGS.items()}
    return runs


@pytest.mark.parametrize("name", [*ENDINGS, *MICROPHONE_ENDINGS])
def test_sigterm_ends_it_whatever_it_does(runs: Runs, name: str) -> None:
    if name not in runs:
        pytest.skip(f"real capture needs {', '.join(missing_parts())}")
    listener: Listener = runs[name].result()
    check_stream(listener)
    assert listener.words[-1].startswith("heard ")


def test_sigterm_ends_it_though_nobody_reads_what_it_prints(runs: Runs) -> None:
    assert runs["end_with_stdout_blocked"].result() == 0


def test_sighup_reloads_the_configuration(runs: Runs) -> None:
    listener: Listener = runs["reload"].result()
    check_stream(listener)
    assert [timeline.num_estimates > 0 for timeline in listener.timelines] == [True] * 3
    cities = [line["city"] for line in listener.lines if line["type"] == "estimate"]
    changes = [
        city for before, city in zip([None, *cities], cities, strict=False) if city != before
    ]
    assert changes == ["Beijing", "Shanghai"]
    assert listener.said("not reloaded, listening goes on as before: .*'Bejing'") == 1


@pytest.mark.parametrize("name", LOSSES)
def test_a_model_file_that_is_lost_is_not_missed(runs: Runs, name: str) -> None:
    listener: Listener = runs[name].result()
    check_stream(listener)
    first, second = listener.timelines
    assert first.num_estimates >= 3
    assert second.num_estimates >= 1
    assert listener.said("not reloaded, listening goes on as before: ") == 1


def test_a_clock_that_jumps_by_years_costs_no_sound(runs: Runs) -> None:
    listener: Listener = runs["set_the_clock"].result()
    check_stream(listener)
    assert not listener.timeline.gaps
    assert listener.said("the clock was set forward by 365 days") == 1
    assert listener.said("the clock was set back by 730 days") == 1
    assert listener.timeline.clock_ahead_s == pytest.approx(-CLOCK_YEAR_S, abs=3.0)


def test_a_reader_that_goes_away_ends_a_live_stream_quietly(runs: Runs) -> None:
    code, words = runs["lose_the_reader"].result()
    assert code == 0
    assert "Traceback" not in words
    assert "Exception ignored" not in words


def test_a_full_disk_ends_nothing_and_is_told(runs: Runs) -> None:
    done: subprocess.CompletedProcess[str] = runs["fill_the_disk"].result()
    assert done.returncode == 1
    assert "No space left on device; listening goes on" in done.stderr
    assert "heard 12.0 s; 3 estimates" in done.stderr
    # Besides the estimates the beginning and the end of a scene, and the health at the end.
    assert "6 lines could not be written" in done.stderr
    assert "Traceback" not in done.stderr
