"""The HTTP server: a thread with an event loop, which sound does not know of.

Everything that a client can take up is bounded: how long it may take for a request or an answer,
how large either is, how many clients there are. When there are too many, the one that has been
silent longest makes room, unless it is being answered.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from tornado.http1connection import (
    HTTP1Connection,
    HTTP1ConnectionParameters,
    HTTP1ServerConnection,
)
from tornado.httputil import (
    HTTPConnection,
    HTTPHeaders,
    HTTPMessageDelegate,
    HTTPServerConnectionDelegate,
    RequestStartLine,
    ResponseStartLine,
    format_timestamp,
)
from tornado.iostream import IOStream, StreamClosedError
from tornado.netutil import bind_sockets
from tornado.tcpserver import TCPServer

from edge_asc.errors import OutputError
from edge_asc.web.http import (
    STRICT_HEADERS,
    Address,
    Answer,
    BrokenStreamError,
    Header,
    Request,
    Stream,
    plain,
)
from edge_asc.web.site import Site

SEND_BUFFER_BYTES = 65_536
"""What the kernel keeps for a client that does not read; it would be megabytes"""

_CLOSE_S = 5.0

# What clients do wrong is theirs; nobody shall fill a disk with it.
logging.getLogger("tornado.general").setLevel(logging.CRITICAL)


@dataclass(frozen=True, slots=True)
class Limits:
    """What clients may take up."""

    max_connections: int = 64
    max_header_bytes: int = 8_192
    max_body_bytes: int = 4_096
    request_s: float = 15.0
    """So long a client may be silent between two requests, and take to send one"""
    answer_s: float = 30.0
    """So long a client may take nothing of its answer"""


DEFAULT_LIMITS = Limits()


class HttpServer:
    """Serves a site at an address, from `start` until it is closed."""

    def __init__(self, address: Address, limits: Limits = DEFAULT_LIMITS) -> None:
        """Takes the port. Raises OutputError where that is not possible."""
        self._limits = limits
        self._sockets = _listen(address)
        port: int = self._sockets[0].getsockname()[1]
        self.address = Address(address.host, port)
        """Port 0 stands for any that is free; here is which."""
        self._ready = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self, site: Site) -> None:
        """Begin to answer."""
        name = f"http {self.address}"
        self._thread = threading.Thread(target=self._run, args=(site,), name=name, daemon=True)
        self._thread.start()
        self._ready.wait()

    def call(self, function: Callable[[], None]) -> None:
        """Call `function` in the server's thread, soon."""
        self._loop.call_soon_threadsafe(function)

    def counts(self) -> dict[str, int]:
        """Connections: open now; closed because there were too many, or one was too slow."""
        return self._server.counts()

    def close(self) -> None:
        """End all connections and let go of the port."""
        if self._thread is None:
            for listening in self._sockets:
                listening.close()
            return
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(_CLOSE_S)

    def _run(self, site: Site) -> None:
        asyncio.run(self._serve(site))

    async def _serve(self, site: Site) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        self._server = _Server(site, self._limits)
        self._server.add_sockets(self._sockets)
        self._ready.set()
        while not self._stop.is_set():
            with contextlib.suppress(TimeoutError, asyncio.TimeoutError):
                await asyncio.wait_for(self._stop.wait(), self._limits.answer_s / 10)
            self._server.close_slow()
        await self._server.close()


@dataclass(slots=True, eq=False)
class _Connection:
    """One client."""

    stream: IOStream
    client: str
    is_answered: bool = False
    """Whether a request was received and its answer is on the way"""
    since_s: float = field(default_factory=time.monotonic)
    """When it sent or took something last"""


class _Server(TCPServer, HTTPServerConnectionDelegate):
    """Keeps the connections."""

    def __init__(self, site: Site, limits: Limits) -> None:
        super().__init__(max_buffer_size=2 * limits.max_header_bytes + limits.max_body_bytes)
        self._site, self.limits = site, limits
        self._parameters = HTTP1ConnectionParameters(
            chunk_size=limits.max_body_bytes,
            max_header_size=limits.max_header_bytes,
            header_timeout=limits.request_s,
            max_body_size=limits.max_body_bytes,
            body_timeout=limits.request_s,
        )
        self._open: dict[object, _Connection] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._num_refused = self._num_slow = 0

    def counts(self) -> dict[str, int]:
        return {"open": self._num_open(), "refused": self._num_refused, "slow": self._num_slow}

    def handle_stream(self, stream: IOStream, address: tuple[Any, ...]) -> None:
        if self._num_open() >= self.limits.max_connections:
            self._num_refused += 1
            if not self._make_room():
                stream.close()
                return
        stream.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
        served = HTTP1ServerConnection(stream, self._parameters)
        self._open[served] = _Connection(stream, str(address[0]))
        served.start_serving(self)

    def start_request(self, server_conn: object, request_conn: HTTPConnection) -> _Exchange:
        assert isinstance(request_conn, HTTP1Connection)
        connection = self._open[server_conn]
        connection.is_answered, connection.since_s = False, time.monotonic()
        return _Exchange(self, connection, request_conn)

    def on_close(self, server_conn: object) -> None:
        self._open.pop(server_conn, None)

    def close_slow(self) -> None:
        """End those that do not take their answers."""
        now_s = time.monotonic()
        for connection in list(self._open.values()):
            is_open = connection.is_answered and not connection.stream.closed()
            if is_open and now_s - connection.since_s > self.limits.answer_s:
                self._num_slow += 1
                connection.stream.close()

    def answer(self, exchange: _Exchange, request: Request) -> asyncio.Task[None]:
        """Begin to answer; in a task, so that others are served meanwhile."""
        task = asyncio.get_running_loop().create_task(self._answer(exchange, request))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def close(self) -> None:
        """End everything."""
        self.stop()
        for connection in list(self._open.values()):
            connection.stream.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _answer(self, exchange: _Exchange, request: Request) -> None:
        try:
            answer = await self._site.answer(request)
            await exchange.send(answer)
        except (StreamClosedError, BrokenStreamError):
            exchange.connection.stream.close()
        except BaseException:
            exchange.connection.stream.close()
            raise

    def _make_room(self) -> bool:
        """Close the connection that has waited longest for a request; whether there was one."""
        waiting = [
            connection
            for connection in self._open.values()
            if not connection.is_answered and not connection.stream.closed()
        ]
        if not waiting:
            return False
        min(waiting, key=lambda connection: connection.since_s).stream.close()
        return True

    def _num_open(self) -> int:
        """Those that were closed stay in `_open` until tornado has noticed, too."""
        return sum(not connection.stream.closed() for connection in self._open.values())


class _Exchange(HTTPMessageDelegate):
    """One request and its answer."""

    def __init__(self, server: _Server, connection: _Connection, http: HTTP1Connection) -> None:
        self._server, self.connection, self._http = server, connection, http
        self._line: RequestStartLine | None = None
        self._headers = HTTPHeaders()
        self._body = bytearray()

    def headers_received(
        self, start_line: RequestStartLine | ResponseStartLine, headers: HTTPHeaders
    ) -> None:
        assert isinstance(start_line, RequestStartLine)
        self._line, self._headers = start_line, headers
        length = headers.get("Content-Length", "")
        # An answer before the body was read is the last one of a connection.
        if "Transfer-Encoding" in headers:
            self._send_whole(plain(411))
        elif (
            length.isascii()
            and length.isdigit()
            and int(length[:12]) > self._server.limits.max_body_bytes
        ):
            self._send_whole(plain(413))

    def data_received(self, chunk: bytes) -> None:
        self._body += chunk

    def finish(self) -> None:
        assert self._line is not None
        method, (path, _, query) = self._line.method, self._line.path.partition("?")
        client = self.connection.client
        request = Request(method, path, query, self._headers, bytes(self._body), client)
        self._touch()
        task = self._server.answer(self, request)

        def client_is_gone() -> None:
            task.cancel()

        self._http.set_close_callback(client_is_gone)

    def on_connection_close(self) -> None:
        self._body.clear()

    async def send(self, answer: Answer | Stream) -> None:
        """Send all of it. Raises StreamClosedError when the client is gone."""
        if isinstance(answer, Answer):
            self._send_whole(answer)
            return
        self._begin(200, answer.content_type, answer.headers, b"")
        async with contextlib.aclosing(answer.chunks) as chunks:
            async for chunk in chunks:
                await self._http.write(chunk)
                self._touch()
        self._http.finish()

    def _send_whole(self, answer: Answer) -> None:
        self._touch()
        length = ("Content-Length", str(len(answer.body)))
        body = b"" if self._line and self._line.method == "HEAD" else answer.body
        self._begin(answer.status, answer.content_type, (*answer.headers, length), body)
        self._http.finish()

    def _begin(
        self, status: int, content_type: str, headers: tuple[Header, ...], body: bytes
    ) -> None:
        fields = HTTPHeaders({"Date": format_timestamp(time.time())})
        for name, value in (("Content-Type", content_type), *headers, *STRICT_HEADERS):
            fields.add(name, value)
        line = ResponseStartLine("HTTP/1.1", status, HTTPStatus(status).phrase)
        self._http.write_headers(line, fields, body)

    def _touch(self) -> None:
        """The client did something, and is being answered."""
        self.connection.is_answered, self.connection.since_s = True, time.monotonic()


def _listen(address: Address) -> list[socket.socket]:
    """Sockets that listen at `address`. Raises OutputError."""
    try:
        return bind_sockets(address.port, address.host)
    except socket.gaierror as error:
        raise OutputError(
            f"cannot listen at {address}: no such host ({error.strerror}); give an address of this"
            " machine, 127.0.0.1 for this machine alone, 0.0.0.0 for all networks"
        ) from error
    except OSError as error:
        advice = {
            errno.EADDRINUSE: "another program uses the port; choose another one",
            errno.EACCES: "ports below 1024 are for root; choose one above",
            errno.EADDRNOTAVAIL: "give an address of this machine, or 0.0.0.0 for all of them",
        }.get(error.errno or 0, "choose another address")
        raise OutputError(f"cannot listen at {address}: {error.strerror}; {advice}") from error
