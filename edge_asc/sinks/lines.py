"""Lines of text that stay whole, whatever becomes of the disk."""

from __future__ import annotations

from typing import TextIO


class Lines:
    """Writes lines to a text stream, and flushes each: nobody reads a buffer that is not full.

    A full disk takes a part of a line before it refuses the rest; then the next one begins anew.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._torn = False

    def write(self, line: str) -> None:
        """Write `line`, without a line break in it. Raises OSError."""
        begin = "\n" if self._torn else ""
        self._torn = True
        self._stream.write(f"{begin}{line}\n")
        self._stream.flush()
        self._torn = False
