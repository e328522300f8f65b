"""Standard output as an output of its own lane."""

from __future__ import annotations

from edge_asc.messages import Message
from edge_asc.sinks import Sink


class MainOutput:
    """What the program is run for: when nobody reads it any more, listening ends."""

    name = "standard output"
    is_main = True

    def __init__(self, sink: Sink) -> None:
        self._sink = sink

    def takes(self, message: Message) -> bool:
        return self._sink.takes(message)

    def write(self, message: Message) -> None:
        """Pass `message` on. Raises OSError."""
        self._sink.write(message)

    def close(self) -> None:
        """Nothing: it belongs to the program."""
