"""Notes on stderr, and on a terminal one line below them that is overwritten."""

from __future__ import annotations

import shutil
import sys

import click


class StatusLine:
    """Writes notes, and shows what is going on in a line that gives way to them."""

    def __init__(self) -> None:
        self.is_terminal = sys.stderr.isatty()
        """Elsewhere nothing is overwritten, and `show` does nothing."""
        self._shown = ""

    def say(self, text: str) -> None:
        """A line that stays."""
        self.show("")
        click.echo(text, err=True)

    def show(self, text: str) -> None:
        """Replace what is shown, as much of it as fits; "" clears it."""
        text = text[: shutil.get_terminal_size().columns - 1]
        if not self.is_terminal or text == self._shown:
            return
        click.echo(f"\r{text:<{len(self._shown)}}" + ("" if text else "\r"), nl=False, err=True)
        self._shown = text
