"""The paths of the web page: its files, the live state, events, history, signing in and out."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncGenerator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from importlib.resources import files
from urllib.parse import parse_qsl

from edge_asc.errors import OutputError
from edge_asc.web.access import Access
from edge_asc.web.chart import chart, csv_lines
from edge_asc.web.feed import EventFeed
from edge_asc.web.history import History
from edge_asc.web.http import (
    Answer,
    BrokenStreamError,
    Request,
    Stream,
    json_answer,
    plain,
    see_other,
    to_json,
)
from edge_asc.web.site import Route
from edge_asc.web.state import LiveState

MAX_HOURS = 366 * 24

MAX_READERS = 4
"""So many may wait for history at a time; it is read by one thread"""

_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
_MESSAGE = b"<!-- message -->"


class Page:
    """What the routes of the page know."""

    def __init__(
        self,
        access: Access,
        state: LiveState,
        feed: EventFeed,
        history: History,
        *,
        live: bool,
        connections: Callable[[], dict[str, int]],
    ) -> None:
        """`connections`: counts of the server's, for those who wonder why it refuses."""
        self._access, self._state, self._feed, self._history = access, state, feed, history
        self._live, self._connections = live, connections
        self._files = _shipped_files()
        self._reader = ThreadPoolExecutor(1, "history reader")
        self._num_readers = 0

    def routes(self) -> dict[str, Route]:
        """All paths of the page."""
        routes = {
            "/": Route("GET", self._index, is_public=True),
            "/login": Route("POST", self._login, is_public=True),
            "/logout": Route("POST", self._logout),
            "/api/state": Route("GET", self._live_state),
            "/api/events": Route("GET", self._events),
            "/api/history": Route("GET", self._chart),
            "/api/history.csv": Route("GET", self._csv),
        }
        for name in self._files:
            # The same in every installation: they tell nothing of this one.
            routes[f"/static/{name}"] = Route("GET", self._file, is_public=True)
        return routes

    def close(self) -> None:
        """Let the thread end."""
        self._reader.shutdown(wait=False, cancel_futures=True)

    async def _index(self, request: Request) -> Answer:
        if self._access.is_allowed(request):
            return self._shipped("index.html")
        return self._login_page(401, "")

    async def _file(self, request: Request) -> Answer:
        return self._shipped(request.path.rpartition("/")[2])

    def _shipped(self, name: str) -> Answer:
        content_type = _TYPES[name[name.rindex(".") :]]
        return Answer(200, content_type, self._files[name], (("Cache-Control", "no-cache"),))

    def _login_page(self, status: int, message: str) -> Answer:
        body = self._files["login.html"].replace(_MESSAGE, message.encode())
        return Answer(status, _TYPES[".html"], body)

    async def _login(self, request: Request) -> Answer:
        if not self._access.needs_token:
            return see_other("/")
        try:
            form = dict(parse_qsl(request.body.decode("ascii"), max_num_fields=4))
        except ValueError:  # not ASCII, or too many fields
            return plain(400)
        if self._access.is_right(form.get("token", "").strip(), request.client):
            return see_other("/", self._access.begin_session())
        if self._access.is_barred(request.client):
            return self._login_page(429, "Too many wrong tokens. Wait a minute.")
        return self._login_page(401, "This is not the token.")

    async def _logout(self, request: Request) -> Answer:
        return see_other("/", self._access.end_session(request))

    async def _live_state(self, request: Request) -> Answer:
        values = self._state.values() | {
            "time": datetime.now().astimezone().isoformat(timespec="milliseconds"),
            "last_event_id": self._feed.last_id,
            "session": self._access.needs_token,
            "history": self._history.kept,
            "connections": {
                **self._connections(),
                "streams": self._feed.num_streams,
                "slow_streams": self._feed.num_slow,
            },
        }
        return json_answer(to_json(values))

    async def _events(self, request: Request) -> Answer | Stream:
        if self._feed.is_full:
            return plain(503, "Too many event streams are open", ("Retry-After", "30"))
        query = dict(parse_qsl(request.query, max_num_fields=1)) if request.query else {}
        after = request.headers.get("Last-Event-ID", query.get("after", ""))
        if after and not (after.isascii() and after.isdigit() and len(after) < 18):
            return plain(400, "The id of an event is a whole number")
        chunks = self._feed.stream(int(after) if after else None)
        return Stream("text/event-stream", chunks)

    async def _chart(self, request: Request) -> Answer:
        period = self._period(request)
        if isinstance(period, Answer):
            return period

        def draw() -> bytes:
            return to_json(chart(self._history, *period))

        body = await self._read(draw)
        return json_answer(body) if isinstance(body, bytes) else body

    async def _csv(self, request: Request) -> Answer | Stream:
        period = self._period(request)
        if isinstance(period, Answer):
            return period
        lines = csv_lines(self._history, *period)
        first = await self._read(lambda: next(lines))
        if isinstance(first, Answer):
            return first
        disposition = ("Content-Disposition", 'attachment; filename="edge-asc-history.csv"')
        no_store = ("Cache-Control", "no-store")
        chunks = self._rest(first, lines)
        return Stream("text/csv; charset=utf-8", chunks, (no_store, disposition))

    async def _rest(self, first: bytes, lines: Iterator[bytes]) -> AsyncGenerator[bytes, None]:
        yield first
        while chunk := await self._read(lambda: next(lines, b"")):
            if isinstance(chunk, Answer):
                raise BrokenStreamError
            yield chunk

    async def _read(self, work: Callable[[], bytes]) -> bytes | Answer:
        """What `work` reads in the reader's thread, or why it cannot be read."""
        if self._num_readers >= MAX_READERS:
            return plain(503, "Too many read the history", ("Retry-After", "5"))
        self._num_readers += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._reader, work)
        except OutputError as error:
            return plain(503, str(error))
        finally:
            self._num_readers -= 1

    def _period(self, request: Request) -> tuple[float, float] | Answer:
        """Begin and end of the time that is asked for, in seconds since 1970."""
        query = dict(parse_qsl(request.query, max_num_fields=1)) if request.query else {}
        try:
            hours = float(query.get("hours", "24"))
        except ValueError:
            hours = math.nan
        if not 0.0 < hours <= MAX_HOURS:
            return plain(400, f"hours must be a number above 0, at most {MAX_HOURS}")
        newest_s = None if self._live else self._history.newest_s()
        until_s = time.time() if newest_s is None else newest_s
        return until_s - 3_600.0 * hours, until_s


def _shipped_files() -> dict[str, bytes]:
    """The page's own files, by their names."""
    folder = files("edge_asc.web") / "static"
    return {item.name: item.read_bytes() for item in folder.iterdir() if "." in item.name}
