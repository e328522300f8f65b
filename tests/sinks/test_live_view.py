"""The view on a terminal that this test is at the other end of."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import termios
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from edge_asc.sinks.live_state import LiveState
from edge_asc.sinks.live_view import LiveView
from edge_asc.vitals import Vitals
from tests.sinks.live_samples import ABOUT, REPORT

ENTER, LEAVE = "\x1b[?1049h", "\x1b[?1049l"
"""The alternate screen of xterm, which all terminals of today know"""
HIDE, SHOW = "\x1b[?25l", "\x1b[?25h"
"""The cursor"""
PATIENCE_S = 60.0


class Terminal:
    """What was written to a pseudo-terminal."""

    def __init__(self, encoding: str) -> None:
        self._master, slave = pty.openpty()
        self.resize(80, 24)
        self.stream = os.fdopen(slave, "w", encoding=encoding)
        self.text = ""
        self._news = threading.Condition()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def resize(self, columns: int, rows: int) -> None:
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def _read(self) -> None:
        while True:
            try:
                data = os.read(self._master, 65_536)
            except OSError:  # closed
                return
            with self._news:
                self.text += data.decode("utf-8", "replace")
                self._news.notify_all()

    def wait_for(self, *texts: str, after: int = 0) -> int:
        """Wait until all are there; returns how much has been written."""
        with self._news:
            came = self._news.wait_for(
                lambda: all(text in self.text[after:] for text in texts), PATIENCE_S
            )
            assert came, self.text[after:]
            return len(self.text)

    def close(self) -> None:
        self.stream.close()
        self._reader.join()  # else it might read from the next one, whose number is the same
        os.close(self._master)


@contextmanager
def terminal(encoding: str = "utf-8") -> Iterator[Terminal]:
    it = Terminal(encoding)
    try:
        yield it
    finally:
        it.close()


def make_view(at: Terminal) -> tuple[LiveView, Vitals]:
    vitals = Vitals("walk.wav", "tiny", live=False)
    return LiveView(at.stream, LiveState(ABOUT, vitals)), vitals


def without_styles(text: str) -> str:
    return re.sub(r"\x1b\[[0-9;]*m", "", text)


def test_it_draws_on_another_screen_and_leaves_this_one_as_it_was() -> None:
    with terminal() as at:
        view, _ = make_view(at)
        view.take()
        view.write(REPORT)
        at.wait_for("M A L L")
        view.give_back()
        at.wait_for(SHOW, LEAVE)
        assert at.text.startswith(ENTER)
        assert at.text.index(HIDE) < at.text.index("edge-asc") < at.text.index(LEAVE)
        assert at.text.count(ENTER) == at.text.count(LEAVE) == 1
        view.give_back()
        assert at.text.count(LEAVE) == 1


def test_it_draws_again_after_others_have_drawn() -> None:
    with terminal() as at:
        view, _ = make_view(at)
        view.take()
        begin = at.wait_for("edge-asc")
        view.take()  # after SIGSTOP nobody gave it back
        at.wait_for(LEAVE, ENTER, "edge-asc", after=begin)
        view.give_back()


def test_it_follows_the_size_of_the_terminal() -> None:
    with terminal() as at:
        view, _ = make_view(at)
        view.take()
        begin = at.wait_for("Luoyang")
        at.resize(40, 10)
        at.wait_for("edge-asc", "quit", after=begin)
        view.give_back()
        at.wait_for(LEAVE)
        last = at.text.split("\x1b[H")[-1].split(SHOW)[0]
        lines = without_styles(last).split("\r\n")
        assert "Luoyang" not in last
        assert [len(line) for line in lines] == [40] * 10


def test_what_does_not_change_is_not_drawn_again(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[Any] = []
    snapshots: list[Any] = []

    def frame(snapshot: Any, *arguments: Any) -> list[Any]:
        drawn.append(snapshot)
        return []

    class State(LiveState):
        def snapshot(self) -> Any:
            snapshots.append(None)
            return "always the same"

    monkeypatch.setattr("edge_asc.sinks.live_view.frame", frame)
    with terminal() as at:
        view = LiveView(at.stream, State(ABOUT, Vitals("", "", live=False)))
        view.take()
        wait_until(lambda: len(snapshots) > 2, view.redraw)
        view.give_back()
    assert len(drawn) == 1


def wait_until(happened: Callable[[], bool], push: Callable[[], None]) -> None:
    ticks = threading.Event()
    for _ in range(int(PATIENCE_S / 0.05)):
        if happened():
            return
        push()
        ticks.wait(0.05)
    raise AssertionError("it did not happen")


def test_a_terminal_without_blocks_gets_ascii() -> None:
    with terminal("latin-1") as at:
        view, _ = make_view(at)
        view.take()
        view.write(REPORT)
        at.wait_for("M A L L")
        at.wait_for("quit")
        view.give_back()
        assert at.text.isascii()
        assert "####" in without_styles(at.text)


def test_a_terminal_that_is_gone_ends_the_output() -> None:
    at = Terminal("utf-8")
    view, vitals = make_view(at)
    view.take()
    at.wait_for("quit")
    os.close(at._master)
    vitals.paused = True  # something to draw

    def is_told() -> bool:
        try:
            view.write(REPORT)
        except OSError:
            return True
        return False

    wait_until(is_told, view.redraw)
    view.give_back()
