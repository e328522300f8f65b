"""Puts the parts of the page together."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edge_asc.web.access import Access
from edge_asc.web.feed import EventFeed
from edge_asc.web.history import MemoryHistory
from edge_asc.web.http import Address
from edge_asc.web.output import WebOutput
from edge_asc.web.page import Page
from edge_asc.web.server import HttpServer
from edge_asc.web.site import Site
from edge_asc.web.state import LiveState

if TYPE_CHECKING:
    from edge_asc.commands.output_options import Listening


def open_page(address: Address, token: str | None, listening: Listening) -> WebOutput:
    """The page at `address`. Raises OutputError where that cannot be."""
    source, manifest = listening.source, listening.manifest
    server = HttpServer(address)
    access = Access(token, address.host, server.address.port, say=listening.say)
    state, feed = LiveState(manifest, source.name, live=source.live), EventFeed()
    memory = MemoryHistory(manifest.scenes)
    page = Page(access, state, feed, memory, live=source.live, connections=server.counts)
    server.start(Site(access, page.routes()))
    listening.say(f"web page: http://{server.address}/")
    return WebOutput(server, page, state, feed, memory)
