"""Keys of a terminal, and the terminal given back: in programs with a terminal of their own."""

from __future__ import annotations

import os
import pty
import select
import signal
import subprocess
import sys
import termios
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge_asc.commands.keys import Keyboard

PATIENCE_S = 60.0

PROGRAM = """
import os, signal, sys, time
from edge_asc.commands.keys import BorrowedTerminal, Keyboard

def say(*words):  # print may not be called again by a handler that comes while it writes
    os.write(1, (" ".join(map(str, words)) + "\\n").encode())

class Screen:
    taken = False
    def take(self):
        self.taken = True
        say("taken")
    def give_back(self):
        if self.taken:
            self.taken = False
            say("given back")

{before}
keyboard = Keyboard.open()
with BorrowedTerminal(Screen(), keyboard, lambda key: say("key", ascii(key))):
    say("ready", keyboard is not None)
    {inside}
say("after")
"""

WAIT = "while True: time.sleep(0.05)"
"""A signal that comes right before a sleep, or to another thread, is handled after it."""


class Program:
    """A Python program with a terminal of its own, which is its standard input and output."""

    def __init__(self, inside: str, before: str = "", stdin: int | None = None) -> None:
        self._master, self.slave = pty.openpty()
        self.before = termios.tcgetattr(self.slave)
        self.process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM.format(inside=inside, before=before)],
            stdin=self.slave if stdin is None else stdin,
            stdout=self.slave,
            stderr=subprocess.PIPE,
            preexec_fn=self._become_its_program,
        )

    def _become_its_program(self) -> None:
        os.setsid()
        # The first terminal that the leader of a session opens is the session's.
        os.close(os.open(os.ttyname(self.slave), os.O_RDWR))
        for number in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTSTP):
            signal.signal(number, signal.SIG_DFL)

    def type(self, keys: bytes) -> None:
        os.write(self._master, keys)

    def wait_for(self, text: str) -> str:
        """Read until `text` comes; all that came."""
        came = b""
        while text.encode() not in came:
            ready, _, _ = select.select([self._master], [], [], PATIENCE_S)
            assert ready, came
            came += os.read(self._master, 4096)
        return came.decode()

    @property
    def is_as_before(self) -> bool:
        return termios.tcgetattr(self.slave) == self.before

    def end(self) -> tuple[int, str]:
        """Exit code and stderr."""
        _, words = self.process.communicate(timeout=PATIENCE_S)
        return self.process.returncode, words.decode()


@pytest.fixture
def programs() -> Iterator[list[Program]]:
    running: list[Program] = []
    yield running
    for program in running:
        program.process.kill()
        program.process.communicate()
        os.close(program.slave)
        os.close(program._master)


def start(
    programs: list[Program], inside: str, before: str = "", stdin: int | None = None
) -> Program:
    program = Program(inside, before, stdin)
    programs.append(program)
    return program


def test_keys_come_at_once_and_are_not_shown(programs: list[Program]) -> None:
    program = start(programs, WAIT)
    assert "taken" in program.wait_for("ready True")
    assert not program.is_as_before
    program.type(b"p")
    assert program.wait_for("key 'p'").strip() == "key 'p'"
    program.type("ä".encode())
    program.wait_for(r"key '\xe4'")


def test_a_key_that_sends_several_characters_is_none_of_them(programs: list[Program]) -> None:
    program = start(programs, WAIT)
    program.wait_for("ready")
    program.type(b"\x1bOP\x1b[A\x1b[1;5Px")  # F1, up, Ctrl-F1, x
    assert program.wait_for("key 'x'").strip() == "key 'x'"


@pytest.mark.parametrize(
    ("inside", "code"),
    [("pass", 0), ("raise ValueError('broken')", 1), ("sys.exit(7)", 7)],
    ids=["at the end", "after an exception", "at exit"],
)
def test_it_is_given_back(programs: list[Program], inside: str, code: int) -> None:
    program = start(programs, inside)
    program.wait_for("given back")
    assert program.end()[0] == code
    assert program.is_as_before


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGQUIT, signal.SIGTERM])
def test_a_signal_that_ends_it_finds_it_in_order(programs: list[Program], number: int) -> None:
    program = start(programs, WAIT)
    program.wait_for("ready")
    program.process.send_signal(number)
    assert "after" not in program.wait_for("given back")
    assert program.end()[0] == -number
    assert program.is_as_before


def test_ctrl_c_is_still_an_interrupt(programs: list[Program]) -> None:
    program = start(programs, WAIT)
    program.wait_for("ready")
    program.type(b"\x03")
    program.wait_for("given back")
    code, words = program.end()
    assert code == -signal.SIGINT
    assert "KeyboardInterrupt" in words
    assert program.is_as_before


HANDLED = "signal.signal(signal.SIGTERM, lambda number, frame: say('handled'))"


def test_a_program_that_handles_sigterm_and_hangs_has_given_it_back(
    programs: list[Program],
) -> None:
    """Its own handler is called; and the terminal is in order before it is ended by force."""
    program = start(programs, WAIT, HANDLED)
    program.wait_for("ready")
    program.process.terminate()
    assert "handled" in program.wait_for("given back")
    assert program.process.poll() is None
    assert program.is_as_before


def test_a_signal_that_means_something_else_keeps_its_meaning(programs: list[Program]) -> None:
    program = start(programs, WAIT, HANDLED.replace("SIGTERM", "SIGHUP"))
    program.wait_for("ready")
    program.process.send_signal(signal.SIGHUP)
    assert "given back" not in program.wait_for("handled")


def test_a_second_interrupt_while_it_is_given_back_changes_nothing(
    programs: list[Program],
) -> None:
    """Whatever is left to do is done when the program exits."""
    before = (
        "def interrupted(self):\n"
        "    Screen.give_back = give_back\n"
        "    raise KeyboardInterrupt\n"
        "give_back, Screen.give_back = Screen.give_back, interrupted\n"
    )
    program = start(programs, "pass", before)
    program.wait_for("given back")
    program.end()
    assert program.is_as_before


def test_sigcont_takes_it_again(programs: list[Program]) -> None:
    """After SIGSTOP nobody could give it back, and the shell has written on it."""
    program = start(programs, WAIT)
    program.wait_for("ready")
    program.process.send_signal(signal.SIGSTOP)
    os.waitid(os.P_PID, program.process.pid, os.WSTOPPED | os.WNOWAIT)
    termios.tcsetattr(program.slave, termios.TCSANOW, program.before)
    program.process.send_signal(signal.SIGCONT)
    program.wait_for("taken")
    assert not program.is_as_before


def test_sound_on_standard_input_leaves_the_keys_of_the_terminal(
    programs: list[Program],
) -> None:
    reader, writer = os.pipe()
    try:
        program = start(programs, WAIT, stdin=reader)
        program.wait_for("ready True")
        program.type(b"q")
        program.wait_for("key 'q'")
    finally:
        os.close(reader)
        os.close(writer)


def test_without_any_terminal_there_are_no_keys(tmp_path: Path) -> None:
    program = PROGRAM.format(inside="pass", before="")
    done = subprocess.run(
        [sys.executable, "-c", program],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        start_new_session=True,
        check=True,
    )
    assert done.stdout.split("\n") == ["taken", "ready False", "given back", "after", ""]


def test_a_terminal_that_is_gone_ends_the_reading() -> None:
    master, slave = pty.openpty()
    keyboard, pressed = Keyboard(slave), list[str]()
    reader = threading.Thread(target=keyboard.read, args=(pressed.append,))
    keyboard.take()
    reader.start()
    os.close(master)
    reader.join(PATIENCE_S)
    assert not reader.is_alive()
    keyboard.give_back()
    keyboard.close()
    assert pressed == []
