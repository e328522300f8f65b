"""Messages in a file that grows: JSON lines or CSV."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Protocol

from edge_asc.atomic import append_line
from edge_asc.errors import OutputError, OutputUnavailableError
from edge_asc.messages import Message
from edge_asc.sinks.json_values import to_line


class Form(Protocol):
    """How messages are written in a file."""

    @property
    def header(self) -> str:
        """The first line of the file, "" for none."""

    def takes(self, message: Message) -> bool:
        """Whether it has a form for `message`."""

    def line(self, message: Message) -> str:
        """`message` in one line, without the line break."""


class JsonForm:
    """Every message as a line of JSON."""

    header = ""

    def takes(self, message: Message) -> bool:
        return True

    def line(self, message: Message) -> str:
        return to_line(message)


class LogFile:
    """Adds each message to a file, as a whole line or not at all.

    The file is opened for each line: one that was moved away, as by logrotate, is begun anew, and a
    disk may be taken out and put back.
    """

    is_main = False

    def __init__(self, path: Path, form: Form) -> None:
        """Raises OutputError for a file that cannot be written, or has other columns."""
        self.name = f"log {path}"
        self._path, self._form = path, form
        self._header = form.header.encode() + b"\n" if form.header else b""
        try:
            # Made now if it is not there: whether it can be is known at the start, not hours later.
            os.close(os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666))
            self._check_columns()
        except OSError as error:
            raise OutputError(f"{path} cannot be written: {error.strerror}") from error

    def takes(self, message: Message) -> bool:
        return self._form.takes(message)

    def write(self, message: Message) -> None:
        """Add `message`. Raises OutputUnavailableError."""
        line = self._form.line(message).encode(errors="replace") + b"\n"
        try:
            self._check_columns()
            # Lines come every second: to wait for the disk each time would wear an SD card out.
            append_line(self._path, line, header=self._header, lasting=False)
        except OSError as error:
            raise OutputUnavailableError(f"cannot be written: {error.strerror}") from error

    def close(self) -> None:
        """Nothing: it is not open."""

    def _check_columns(self) -> None:
        """Raise OutputUnavailableError for a file with another header. A torn one is taken away."""
        if not self._header or not self._path.exists():
            return
        with self._path.open("rb+") as file:
            first = file.readline(len(self._header) + 1000)
            if not first.endswith(b"\n") and self._header.startswith(first):
                file.truncate(0)  # empty, or the power failed as it was begun
            elif first.decode("utf-8-sig", "replace").rstrip() != self._form.header:
                raise OutputUnavailableError(
                    f"{self._path} has other columns than are to be written, as of another model"
                    " or version: move it away, or name another file"
                )
