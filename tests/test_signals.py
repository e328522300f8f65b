"""Signals, sent to this process."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from datetime import datetime, timezone
from typing import Any

import numpy as np
import pytest

from edge_asc.signals import PATIENCE_S, Reload, Signals
from edge_asc.sources import Chunk

CHUNK = Chunk(np.zeros(1, np.float32), 1_000, datetime(2026, 5, 17, tzinfo=timezone.utc))


class Source:
    """Sends itself a signal before the chunk of a number."""

    name = description = "test source"
    trouble = ""
    live = True

    def __init__(self, number: int, before_chunk: int) -> None:
        self._number, self._before_chunk = number, before_chunk
        self.entered = self.left = False

    def __enter__(self) -> Source:
        self.entered = True
        return self

    def __exit__(self, *exc: object) -> None:
        self.left = True

    def __iter__(self) -> Iterator[Chunk]:
        for number in range(4):
            if number == self._before_chunk:
                os.kill(os.getpid(), self._number)
            yield CHUNK


@pytest.fixture(autouse=True)
def _not_under_nohup() -> Iterator[None]:
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.fixture(autouse=True)
def _not_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: False)


@pytest.fixture(autouse=True)
def last_resorts(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    """What would end this process, and is only written down."""
    started: list[tuple[Any, ...]] = []

    class Timer:
        daemon = False

        def __init__(self, *arguments: Any) -> None:
            self.arguments = arguments

        def start(self) -> None:
            assert self.daemon  # or the program would wait for it
            started.append(self.arguments)

    monkeypatch.setattr("edge_asc.signals.threading.Timer", Timer)
    return started


def listen(
    signals: Signals, source: Source, done: list[int], signal_in_chunk: int | None = None
) -> None:
    """Do something with each chunk; a signal comes while it is being done."""
    with signals.caught(), signals.interrupting(source) as chunks:
        for number, _ in enumerate(chunks):
            if number == signal_in_chunk:
                os.kill(os.getpid(), signal.SIGHUP)
            done.append(number)


def test_sigterm_is_an_interrupt() -> None:
    signals = Signals()
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(KeyboardInterrupt), signals.caught():
        os.kill(os.getpid(), signal.SIGTERM)
    assert signals.terminated
    assert not signals.reload_asked
    assert signal.getsignal(signal.SIGTERM) == before


def test_a_program_that_hangs_after_sigterm_ends_all_the_same(
    last_resorts: list[tuple[Any, ...]],
) -> None:
    with pytest.raises(KeyboardInterrupt), Signals().caught():
        os.kill(os.getpid(), signal.SIGTERM)
    assert last_resorts == [(PATIENCE_S, os._exit, [0])]
    assert PATIENCE_S < 1


def pause_after(waiting: threading.Event) -> None:
    waiting.set()
    time.sleep(60)


def test_somebody_may_ask_for_the_end_from_any_thread() -> None:
    signals = Signals()
    # Where the tests run in the background, SIGINT is ignored.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)

    def ask() -> None:
        waiting.wait()
        signals.quit()

    waiting, asking = threading.Event(), threading.Thread(target=ask)
    asking.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            pause_after(waiting)
    finally:
        signal.signal(signal.SIGINT, before)
    asking.join()
    signals.quit()  # asked again, nothing more happens
    assert signals.quit_asked
    assert not signals.terminated


def test_a_reload_while_nothing_is_heard_comes_at_once() -> None:
    signals, done = Signals(), list[int]()
    with pytest.raises(Reload):
        listen(signals, Source(signal.SIGHUP, 2), done)
    assert (done, signals.reload_asked) == ([0, 1], True)


def test_a_reload_waits_until_a_chunk_is_done() -> None:
    source, done = Source(signal.SIGHUP, 99), list[int]()
    with pytest.raises(Reload):
        listen(Signals(), source, done, signal_in_chunk=1)
    assert done == [0, 1]
    assert (source.entered, source.left) == (True, True)


def test_without_a_signal_all_is_heard() -> None:
    signals = Signals()
    with signals.caught(), signals.interrupting(Source(signal.SIGHUP, 99)) as chunks:
        assert list(chunks) == [CHUNK] * 4


def test_a_closed_terminal_is_not_a_reload(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    before = signal.getsignal(signal.SIGHUP)
    with Signals().caught():
        assert signal.getsignal(signal.SIGHUP) == before


def test_nohup_is_respected() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with Signals().caught():
            assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)
