"""Where messages go: a terminal, JSON lines, files, MQTT, a command."""

from __future__ import annotations

from typing import Protocol

from edge_asc.messages import Message


class Sink(Protocol):
    """Takes messages as they come."""

    def takes(self, message: Message) -> bool:
        """Whether it has a form for `message`; only then is it written."""

    def write(self, message: Message) -> None:
        """Pass `message` on at once: nobody may ever read a buffer that is not yet full."""
