"""A terminal that is borrowed: its keys one by one, its screen; given back whatever happens.

take        keys are not shown and need no Enter; the screen is drawn upon
give back   at the end, before Ctrl-Z stops the process, before a signal ends it
"""

from __future__ import annotations

import atexit
import contextlib
import errno
import os
import re
import select
import signal
import termios
import threading
import tty
from collections.abc import Callable
from types import FrameType
from typing import Any, Protocol

TERMINATED_S = 0.5
"""After SIGTERM the terminal is given back by then, even if the program hangs; it is ended by force
a little later."""

_SEQUENCE = re.compile(r"\x1b(\[[0-?]*[ -/]*[@-~]|O.|)")
"""What arrows and function keys send (ECMA-48, 5.4); its letters are no keys."""


Handler = Callable[[int, FrameType | None], None]


class Screen(Protocol):
    """What is drawn on the terminal."""

    def take(self) -> None:
        """Begin to draw, or draw all of it again."""

    def give_back(self) -> None:
        """Leave the screen as it was; called again it does nothing. It may not wait for long."""


class Keyboard:
    """The keys of a terminal, while they are taken each by itself and unseen (cbreak mode).

    Ctrl-C and Ctrl-Z mean what they always mean; Ctrl-S does not stop what is drawn.
    """

    def __init__(self, descriptor: int) -> None:
        """`descriptor` of an open terminal, which becomes this object's own."""
        self._descriptor = descriptor
        self._before: list[Any] = _patient(lambda: termios.tcgetattr(descriptor))
        self._stop_reader, self._stop_writer = os.pipe()

    @classmethod
    def open(cls) -> Keyboard | None:
        """Standard input's, or that of the terminal the program was started in; None without one.

        The second is for sound on standard input.
        """
        if os.isatty(0):
            return cls(os.dup(0))
        try:
            return cls(os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY))
        except OSError:
            return None

    def take(self) -> None:
        """Keys come one by one from now on. In the background this stops the process (SIGTTOU)."""
        modes = list(self._before)
        modes[tty.IFLAG] &= ~termios.IXON
        modes[tty.LFLAG] &= ~(termios.ECHO | termios.ICANON)
        modes[tty.CC] = list(modes[tty.CC])
        modes[tty.CC][termios.VMIN], modes[tty.CC][termios.VTIME] = 1, 0
        self._set(modes)

    def give_back(self) -> None:
        """Everything as it was before; nothing if the terminal is gone."""
        with contextlib.suppress(OSError):
            self._set(self._before)

    def _set(self, modes: list[Any]) -> None:
        _patient(lambda: termios.tcsetattr(self._descriptor, termios.TCSANOW, modes))

    def read(self, pressed: Callable[[str], None]) -> None:
        """Call `pressed` with each character, until `stop`, or until the terminal is gone."""
        while True:
            ready, _, _ = select.select([self._descriptor, self._stop_reader], [], [])
            if self._stop_reader in ready:
                return
            try:
                data = os.read(self._descriptor, 64)
            except OSError:
                return
            if not data:
                return
            for key in _SEQUENCE.sub("", data.decode("utf-8", "replace")):
                pressed(key)

    def stop(self) -> None:
        """Let `read` end."""
        os.write(self._stop_writer, b".")

    def close(self) -> None:
        """Let go of the terminal, when `read` has ended."""
        for descriptor in (self._descriptor, self._stop_reader, self._stop_writer):
            os.close(descriptor)


class BorrowedTerminal:
    """Takes a terminal in `with`, in the main thread, and gives it back whatever happens.

    `screen` draws on it; `pressed` is called, in a thread, with each key of `keyboard`, if there is
    one. Ctrl-Z gives it back as long as the process is stopped. A signal that ends the process ends
    it as before, with the terminal in order.
    """

    def __init__(
        self, screen: Screen, keyboard: Keyboard | None, pressed: Callable[[str], None]
    ) -> None:
        self._screen, self._keyboard, self._pressed = screen, keyboard, pressed
        self._reader = threading.Thread(target=self._read, name="keys", daemon=True)
        self._handlers: dict[int, Any] = {}

    def __enter__(self) -> BorrowedTerminal:
        atexit.register(self._give_back)
        self._reader.start()
        try:
            if callable(signal.getsignal(signal.SIGTERM)):
                self._handle(signal.SIGTERM, self._terminate)
            for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
                self._handle_default(number, self._die)
            self._handle_default(signal.SIGTSTP, self._suspend)
            self._handle(signal.SIGCONT, self._resume)
            self._take()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *exc: object) -> None:
        if self._keyboard is not None:
            self._keyboard.stop()
        self._reader.join()
        self._give_back()
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
        # Not before: had another Ctrl-C come, it would still be given back at exit.
        atexit.unregister(self._give_back)
        if self._keyboard is not None:
            self._keyboard.close()

    def _read(self) -> None:
        if self._keyboard is not None:
            self._keyboard.read(self._pressed)

    def _take(self) -> None:
        if self._keyboard is not None:
            self._keyboard.take()
        self._screen.take()

    def _give_back(self) -> None:
        if self._keyboard is not None:
            self._keyboard.give_back()
        self._screen.give_back()

    def _handle(self, number: int, handler: Handler) -> None:
        self._handlers[number] = signal.signal(number, handler)

    def _handle_default(self, number: int, handler: Handler) -> None:
        """Unless the signal is ignored, or means something else here."""
        if signal.getsignal(number) is signal.SIG_DFL:
            self._handle(number, handler)

    def _suspend(self, number: int, _: FrameType | None) -> None:
        self._give_back()
        for each in (number, signal.SIGCONT):
            signal.signal(each, signal.SIG_DFL)
        signal.raise_signal(number)  # the process stops here until SIGCONT
        signal.signal(number, self._suspend)
        signal.signal(signal.SIGCONT, self._resume)
        self._take()

    def _resume(self, number: int, _: FrameType | None) -> None:
        """After SIGSTOP nobody gave anything back, and the shell has had the terminal."""
        self._take()

    def _die(self, number: int, _: FrameType | None) -> None:
        self._give_back()
        signal.signal(number, signal.SIG_DFL)
        signal.raise_signal(number)

    def _terminate(self, number: int, frame: FrameType | None) -> None:
        last_resort = threading.Timer(TERMINATED_S, self._give_back)
        last_resort.daemon = True
        last_resort.start()
        self._handlers[number](number, frame)


def _patient(call: Callable[[], Any]) -> Any:  # noqa: ANN401 - what `call` returns
    """`call`, again if a signal came in between. Raises OSError."""
    while True:
        try:
            return call()
        except termios.error as error:
            if error.args[0] != errno.EINTR:
                raise OSError(*error.args) from error
