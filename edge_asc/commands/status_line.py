"""Notes on stderr, and on a terminal one line below them that is overwritten."""

from __future__ import annotations

import shutil
import sys
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Protocol

import click

NOTES_KEPT = 1_000
"""While a view has the terminal; of more, the oldest are counted"""


class Viewer(Protocol):
    """What has the terminal, and shows notes on it."""

    def note(self, text: str) -> None:
        """Show a line for a while."""

    def show(self, text: str) -> None:
        """Replace what is going on; "" clears it."""


class StatusLine:
    """Writes notes, and shows what is going on in a line that gives way to them."""

    def __init__(self) -> None:
        self.is_terminal = sys.stderr.isatty()
        """Elsewhere nothing is overwritten, and `show` does nothing."""
        self._shown = ""
        self._viewer: Viewer | None = None
        self._kept: deque[str] = deque(maxlen=NOTES_KEPT)
        self._num_dropped = 0
        self._lock = threading.RLock()

    def say(self, text: str) -> None:
        """A line that stays."""
        with self._lock:
            if self._viewer is not None:
                self._viewer.note(text)
            if self._viewer is not None and self.is_terminal:
                self._num_dropped += len(self._kept) == NOTES_KEPT
                self._kept.append(f"{datetime.now():%H:%M:%S}  {text}")
            else:
                self._replace("")
                click.echo(text, err=True)

    def show(self, text: str) -> None:
        """Replace what is shown, as much of it as fits; "" clears it."""
        if self._viewer is not None:
            self._viewer.show(text)
        else:
            self._replace(text)

    @contextmanager
    def lent(self, viewer: Viewer) -> Iterator[None]:
        """As long as `viewer` has the terminal, it shows all; the notes are written afterwards."""
        self._replace("")
        self._viewer = viewer
        try:
            yield
        finally:
            with self._lock:
                self._viewer = None
                if self._num_dropped:
                    self.say(f"({self._num_dropped} notes before these were not kept)")
                while self._kept:
                    self.say(self._kept.popleft())
                self._num_dropped = 0

    def _replace(self, text: str) -> None:
        text = text[: shutil.get_terminal_size().columns - 1]
        if not self.is_terminal or text == self._shown:
            return
        click.echo(f"\r{text:<{len(self._shown)}}" + ("" if text else "\r"), nl=False, err=True)
        self._shown = text
