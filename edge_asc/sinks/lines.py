"""Lines of text that stay whole, whatever becomes of the disk."""

from __future__ import annotations

from typing import TextIO

from edge_asc.atomic import write_all


class Lines:
    """Writes lines to a text stream, and flushes each: nobody reads a buffer that is not full.

    A full disk takes a part of a line before it refuses the rest; then the next one begins anew.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._torn = False
        # Python's buffer would keep the rest of a line that was refused, and write it later.
        self._raw = getattr(getattr(stream, "buffer", None), "raw", None)

    def write(self, line: str) -> None:
        """Write `line`, without a line break in it. Raises OSError."""
        text = f"{line}\n"
        if self._torn:
            text = f"\n{text}"
        self._torn = True
        if self._raw is None:
            self._stream.write(text)
            self._stream.flush()
        else:
            write_all(self._raw.fileno(), text.encode(self._stream.encoding))
        self._torn = False
