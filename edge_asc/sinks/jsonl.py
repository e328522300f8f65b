"""Messages as JSON, one a line, as docs/messages.schema.json describes them."""

from __future__ import annotations

from typing import TextIO

from edge_asc.messages import Message
from edge_asc.sinks.json_values import to_line
from edge_asc.sinks.lines import Lines


class JsonLines:
    """Writes each message to a text stream as a line of ASCII, and flushes."""

    def __init__(self, stream: TextIO) -> None:
        self._lines = Lines(stream)

    def takes(self, message: Message) -> bool:
        return True

    def write(self, message: Message) -> None:
        """Write `message` as one line."""
        self._lines.write(to_line(message))
