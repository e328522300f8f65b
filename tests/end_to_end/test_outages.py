"""Listening survives whatever becomes of microphone and sound server; nothing is told wrong.

Every outage lasts seconds, so all of them happen at the same time, each to a listener and a sound
server of its own.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from edge_asc.benchmarks.listener import Listener
from edge_asc.benchmarks.sound_server import DEVICE, SoundServer, missing_parts
from tests.end_to_end.streams import check_stream

pytestmark = pytest.mark.skipif(
    bool(missing_parts()), reason=f"real capture needs {', '.join(missing_parts())}"
)

DOWN_S = 3.0


def unplug(server: SoundServer, listener: Listener) -> None:
    server.unplug()
    time.sleep(DOWN_S)
    server.plug_in()


def kill_server(server: SoundServer, listener: Listener) -> None:
    server.kill()
    time.sleep(DOWN_S)
    server.start()


def freeze_server(server: SoundServer, listener: Listener) -> None:
    server.freeze()
    time.sleep(DOWN_S)
    server.release()


def kill_capture(server: SoundServer, listener: Listener) -> None:
    pid = listener.capture_pid()
    assert pid is not None
    os.kill(pid, signal.SIGKILL)


OUTAGES: dict[str, Callable[[SoundServer, Listener], None]] = {
    "microphone unplugged": unplug,
    "sound server killed": kill_server,
    "sound server frozen": freeze_server,
    "capture process killed": kill_capture,
}


def live_through(outage: Callable[[SoundServer, Listener], None], folder: Path) -> Listener:
    """A listener that heard two estimates, the outage, and two estimates more."""
    with SoundServer(folder) as server, Listener("--device", DEVICE, env=server.env) as listener:
        listener.wait_for_estimates(2)
        outage(server, listener)
        listener.wait_for_word("is back after")
        listener.wait_for_estimates(2)
        assert listener.finish() == 0
    return listener


def begin_without_server(folder: Path) -> Listener:
    """A listener that began before its sound server did."""
    server = SoundServer(folder)
    with Listener("--device", DEVICE, env=server.env) as listener:
        listener.wait_for_word("trying again until it is back")
        time.sleep(DOWN_S)
        with server:
            listener.wait_for_estimates(2)
            assert listener.finish() == 0
    return listener


def lose_it_without_retry(folder: Path) -> Listener:
    """A listener that is to end with its microphone."""
    with (
        SoundServer(folder) as server,
        Listener("--device", DEVICE, "--no-retry", env=server.env) as listener,
    ):
        listener.wait_for_estimates(1)
        server.unplug()
        assert listener.process.wait(timeout=60) == 1
    return listener


@pytest.fixture(scope="module")
def listeners(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Future[Listener]]:
    """Each is asked for its listener by the test that it belongs to, so that one fails alone."""
    with ThreadPoolExecutor() as pool:

        def begin(run: Callable[..., Listener], *arguments: object) -> Future[Listener]:
            return pool.submit(run, *arguments, tmp_path_factory.mktemp("pulse"))

        futures = {name: begin(live_through, outage) for name, outage in OUTAGES.items()}
        futures["absent"] = begin(begin_without_server)
        futures["no retry"] = begin(lose_it_without_retry)
    return futures


@pytest.mark.parametrize("name", OUTAGES)
def test_it_goes_on_and_counts_what_it_missed(
    listeners: dict[str, Future[Listener]], name: str
) -> None:
    listener = listeners[name].result()
    check_stream(listener)
    timeline = listener.timeline
    (gap,) = timeline.gaps
    down_s = 0.0 if name == "capture process killed" else DOWN_S
    # Sound that was on its way is still heard; tries are 1, 2 and 4 s apart, and starting takes
    # its time on a busy machine.
    assert down_s - 1.5 < gap.lost_s < down_s + 30.0
    assert gap.start_s >= 11.0
    assert timeline.covered_s >= gap.end_s + 10.9  # two estimates
    assert listener.said("is back after") == 1


@pytest.mark.parametrize("name", [*OUTAGES, "absent"])
def test_what_it_heard_and_lost_is_the_time_that_passed(
    listeners: dict[str, Future[Listener]], name: str
) -> None:
    listener = listeners[name].result()
    timeline = listener.timeline
    heard_s, lost_s = listener.heard_and_lost_s()
    assert lost_s == pytest.approx(timeline.lost_s, abs=0.06)  # it is told in tenths
    assert 0 <= heard_s + lost_s + 0.1 - timeline.covered_s < 2.0
    assert abs(timeline.clock_ahead_s) < 2.0


def test_a_device_that_is_absent_at_first_is_waited_for(
    listeners: dict[str, Future[Listener]],
) -> None:
    listener = listeners["absent"].result()
    check_stream(listener)
    (gap,) = listener.timeline.gaps
    assert gap.start_s == 0.0
    assert gap.lost_s > DOWN_S


def test_without_retry_it_fails_and_says_why(listeners: dict[str, Future[Listener]]) -> None:
    listener = listeners["no retry"].result()
    check_stream(listener)
    assert listener.words[-1].startswith("edge-asc: error: ")
    assert "sends no more sound" in listener.words[-1]
    assert not listener.timeline.gaps
