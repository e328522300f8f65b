"""What arrives at the service manager's socket, and what happens when it is gone."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge_asc.errors import ServiceError
from edge_asc.service_manager import ServiceManager


class Manager:
    """A service manager's end of the socket."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(address.replace("@", "\0", 1))
        self.socket.setblocking(False)

    def received(self) -> list[str]:
        messages = []
        while True:
            try:
                messages.append(self.socket.recv(4096).decode())
            except BlockingIOError:
                return messages


class Clock:
    """Seconds that pass when the test says so."""

    def __init__(self) -> None:
        self.now_s = 5.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[Manager]:
    manager = Manager(str(tmp_path / "notify"))
    yield manager
    manager.socket.close()


@pytest.fixture
def clock() -> Clock:
    return Clock()


def service(manager: Manager, clock: Clock, said: list[str] | None = None) -> ServiceManager:
    notes: list[str] = [] if said is None else said
    return ServiceManager(manager.address, watchdog=True, elapsed_s=clock, say=notes.append)


def test_the_changes_of_state(manager: Manager, clock: Clock) -> None:
    told = service(manager, clock)
    told.ready()
    told.status("waiting for microphone")
    before_us = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    told.reloading()
    after_us = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    told.stopping()
    ready, status, reloading, stopping = manager.received()
    assert (ready, status, stopping) == ("READY=1", "STATUS=waiting for microphone", "STOPPING=1")
    state, moment = reloading.split("\n")
    assert state == "RELOADING=1"
    # sd_notify(3): the time is CLOCK_MONOTONIC in microseconds.
    assert before_us <= int(moment.removeprefix("MONOTONIC_USEC=")) <= after_us


def test_alive_is_told_once_a_second(manager: Manager, clock: Clock) -> None:
    told = service(manager, clock)
    for chunk in range(25):  # 0.125 s each, which floats count exactly: at 0, 1, 2 and 3 s
        clock.now_s = 5.0 + chunk / 8
        told.alive(f"chunk {chunk}")
    assert manager.received() == [
        line for chunk in (0, 8, 16, 24) for line in ("WATCHDOG=1", f"STATUS=chunk {chunk}")
    ]


def test_a_status_that_has_not_changed_is_not_told_again(manager: Manager, clock: Clock) -> None:
    told = service(manager, clock)
    told.alive("listening")
    clock.now_s += 1.0
    told.alive("listening")
    assert manager.received() == ["WATCHDOG=1", "STATUS=listening", "WATCHDOG=1"]


def test_status_does_not_feed_the_watchdog_nor_delay_it(manager: Manager, clock: Clock) -> None:
    told = service(manager, clock)
    told.status("waiting")
    told.alive("listening")
    assert manager.received() == ["STATUS=waiting", "WATCHDOG=1", "STATUS=listening"]


def test_a_status_stays_one_line_of_utf8(manager: Manager, clock: Clock) -> None:
    told = service(manager, clock)
    told.status("file na\udcffme\nMAINPID=1\r\n größer")
    assert manager.received() == ["STATUS=file na?me MAINPID=1 größer"]


def test_an_abstract_socket(clock: Clock) -> None:
    manager = Manager(f"@edge-asc-test-{os.getpid()}")
    service(manager, clock).ready()
    assert manager.received() == ["READY=1"]
    manager.socket.close()


@pytest.mark.parametrize(
    ("environment", "fed"),
    [
        ({}, False),
        ({"WATCHDOG_USEC": "60000000"}, True),
        ({"WATCHDOG_USEC": "60000000", "WATCHDOG_PID": str(os.getpid())}, True),
        ({"WATCHDOG_USEC": "60000000", "WATCHDOG_PID": str(os.getppid())}, False),
        ({"WATCHDOG_USEC": "0"}, False),
    ],
)
def test_the_environment_says_whether_there_is_a_watchdog(
    manager: Manager, environment: dict[str, str], fed: bool
) -> None:
    told = ServiceManager.from_environment({"NOTIFY_SOCKET": manager.address, **environment})
    told.alive("listening")
    assert manager.received() == ["WATCHDOG=1"] * fed + ["STATUS=listening"]


def test_without_a_manager_nothing_happens(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    monkeypatch.setattr(socket, "socket", None)  # whoever opened one would fail
    told = ServiceManager.from_environment()
    told.ready()
    told.alive("listening")
    told.status("waiting")
    told.reloading()
    told.stopping()
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("address", ["", "/", "@", "run/notify", "vsock:2:1234"])
def test_an_address_of_another_kind_is_refused(address: str) -> None:
    with pytest.raises(ServiceError, match=r"NOTIFY_SOCKET must be .* got '" + address):
        ServiceManager.from_environment({"NOTIFY_SOCKET": address})


def test_a_manager_that_is_gone_is_said_once_and_found_again(
    manager: Manager, clock: Clock
) -> None:
    said: list[str] = []
    told = service(manager, clock, said)
    told.alive("one")
    manager.socket.close()
    for text in ("two", "three"):  # refused by the socket that nobody reads
        clock.now_s += 1.0
        told.alive(text)
    os.unlink(manager.address)  # and then it is not there at all
    told.stopping()
    assert len(said) == 1
    assert "the service manager cannot be told" in said[0]
    again = Manager(manager.address)
    clock.now_s += 1.0
    told.alive("three")
    assert again.received() == ["WATCHDOG=1", "STATUS=three"]
    again.socket.close()
    told.ready()
    assert len(said) == 2


def test_a_manager_that_does_not_read_stops_nobody(manager: Manager, clock: Clock) -> None:
    said: list[str] = []
    told = service(manager, clock, said)
    # The queue of a datagram socket is short: net.unix.max_dgram_qlen, 10 on most systems.
    for _ in range(2000):
        clock.now_s += 1.0
        told.alive("listening")
    assert len(said) == 1
    received = manager.received()
    assert received[:2] == ["WATCHDOG=1", "STATUS=listening"]
    assert len(received) < 2000
    clock.now_s += 1.0
    told.alive("listening")
    assert manager.received() == ["WATCHDOG=1"]
