"""Puts the parts of a server together."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edge_asc.web.access import Access
from edge_asc.web.feed import EventFeed
from edge_asc.web.history import History, MemoryHistory
from edge_asc.web.http import NO_STORE, Address, Answer, Request
from edge_asc.web.output import MetricsOutput, WebOutput
from edge_asc.web.page import Page
from edge_asc.web.server import DEFAULT_LIMITS, HttpServer, Limits
from edge_asc.web.site import Route, Site
from edge_asc.web.state import LiveState

if TYPE_CHECKING:
    from edge_asc.commands.output_options import Listening
    from edge_asc.sinks.metrics import Metrics
    from edge_asc.web.history_file import HistoryFile


def open_page(
    address: Address,
    token: str | None,
    listening: Listening,
    history: HistoryFile | None = None,
    metrics: Metrics | None = None,
    limits: Limits = DEFAULT_LIMITS,
) -> WebOutput:
    """The page at `address`, with `metrics` beside it. Raises OutputError where that cannot be.

    Without a `history`, the past is kept in memory.
    """
    source, manifest = listening.source, listening.manifest
    server = HttpServer(address, limits)
    access = Access(token, address.host, server.address.port, say=listening.say)
    state, feed = LiveState(manifest, source.name, live=source.live), EventFeed()
    past: History = MemoryHistory(manifest.scenes) if history is None else history
    page = Page(access, state, feed, past, live=source.live, connections=server.counts)
    routes = page.routes() | ({} if metrics is None else _routes(metrics))
    server.start(Site(access, routes))
    listening.say(f"web page: http://{server.address}/")
    memory = past if isinstance(past, MemoryHistory) else None
    return WebOutput(server, page, state, feed, memory)


def open_metrics(
    address: Address, token: str | None, listening: Listening, metrics: Metrics
) -> MetricsOutput:
    """A server for `metrics` alone. Raises OutputError where that cannot be."""
    server = HttpServer(address)
    access = Access(token, address.host, server.address.port, say=listening.say)
    server.start(Site(access, _routes(metrics)))
    return MetricsOutput(metrics, server.address, server)


def _routes(metrics: Metrics) -> dict[str, Route]:
    from edge_asc.sinks.metrics import CONTENT_TYPE

    async def answer(request: Request) -> Answer:
        return Answer(200, CONTENT_TYPE, metrics.exposition(), (NO_STORE,))

    return {"/metrics": Route("GET", answer)}
