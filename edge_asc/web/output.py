"""The page and the metrics as outputs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edge_asc.messages import Message
from edge_asc.sinks.json_values import to_values
from edge_asc.web.feed import EventFeed
from edge_asc.web.history import MemoryHistory
from edge_asc.web.http import Address, to_json
from edge_asc.web.page import Page
from edge_asc.web.server import HttpServer
from edge_asc.web.state import LiveState

if TYPE_CHECKING:
    from edge_asc.sinks.metrics import Metrics


class WebOutput:
    """Hands messages to every browser that is open."""

    is_main = False

    def __init__(
        self,
        server: HttpServer,
        page: Page,
        state: LiveState,
        feed: EventFeed,
        memory: MemoryHistory | None,
    ) -> None:
        """`memory`: where messages are remembered, None if another output does that."""
        self.name = f"web page http://{server.address}/"
        self._server, self._page = server, page
        self._state, self._feed, self._memory = state, feed, memory

    def write(self, message: Message) -> None:
        """Pass `message` on."""
        if self._memory is not None:
            self._memory.add(message)
        values = to_values(message)
        kind = values["type"]
        self._state.add(kind, values)
        self._feed.add(kind, to_json(values))
        self._server.call(self._feed.wake)

    def close(self) -> None:
        """Send the browsers away and let go of the port."""
        self._server.close()
        self._page.close()


class MetricsOutput:
    """Keeps the metrics up to date."""

    is_main = False

    def __init__(self, metrics: Metrics, address: Address, server: HttpServer | None) -> None:
        """`server`: the one at `address` if it serves nothing else, to be closed at the end."""
        self.name = f"metrics http://{address}/metrics"
        self._metrics, self._server = metrics, server

    def write(self, message: Message) -> None:
        """Take in `message`."""
        self._metrics.write(message)

    def close(self) -> None:
        """Let go of the port."""
        if self._server is not None:
            self._server.close()
