"""The page's server without a listener behind it, and clients for it."""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import Message as Headers
from types import SimpleNamespace
from typing import Any

from edge_asc.model_file import ModelFile, default_model_path
from edge_asc.web.history_file import HistoryFile
from edge_asc.web.http import Address
from edge_asc.web.opening import open_page
from edge_asc.web.output import WebOutput
from edge_asc.web.server import DEFAULT_LIMITS, Limits
from tests.sample_messages import SCENES, SOURCE

TOKEN = "a token of more than sixteen characters"
WAIT_S = 30.0


@dataclass
class Served:
    """A page that runs."""

    output: WebOutput
    port: int
    said: list[str] = field(default_factory=list)

    def ask(self, path: str, method: str = "GET", **arguments: Any) -> Reply:
        return ask(self.port, path, method, **arguments)


@dataclass(frozen=True)
class Reply:
    """What the server answered."""

    status: int
    headers: Headers
    body: bytes

    @property
    def json(self) -> Any:
        assert self.headers["Content-Type"] == "application/json"
        return json.loads(self.body)


@contextmanager
def served(
    token: str | None = None,
    *,
    live: bool = True,
    history: HistoryFile | None = None,
    limits: Limits = DEFAULT_LIMITS,
    host: str = "127.0.0.1",
) -> Iterator[Served]:
    """The page of a listener to the sample messages' source, at a free port."""
    said: list[str] = []
    manifest = ModelFile.read(default_model_path()).manifest
    facts = {name: getattr(manifest, name) for name in manifest.__slots__}
    listening: Any = SimpleNamespace(
        source=SimpleNamespace(name=SOURCE, live=live),
        manifest=SimpleNamespace(**facts | {"scenes": SCENES}),
        say=said.append,
    )
    output = open_page(Address(host, 0), token, listening, history, limits=limits)
    try:
        yield Served(output, int(output.name.rstrip("/").rpartition(":")[2]), said)
    finally:
        output.close()


def ask(
    port: int,
    path: str,
    method: str = "GET",
    *,
    headers: Mapping[str, str] | None = None,
    body: bytes | None = None,
    host: str = "127.0.0.1",
) -> Reply:
    """One request in a connection of its own."""
    connection = http.client.HTTPConnection(host, port, timeout=WAIT_S)
    try:
        connection.request(method, path, body, dict(headers or {}))
        response = connection.getresponse()
        return Reply(response.status, response.headers, response.read())
    finally:
        connection.close()


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def raw(port: int, request: bytes) -> bytes:
    """All that comes back for `request`, which is sent as it is, until the server closes."""
    with socket.create_connection(("127.0.0.1", port), WAIT_S) as connection:
        answer = b""
        try:
            connection.sendall(request)
            while piece := connection.recv(65_536):
                answer += piece
        except (BrokenPipeError, ConnectionResetError):  # it did not read all of it
            pass
        return answer


class EventStream:
    """A client of /api/events."""

    def __init__(
        self, port: int, headers: Mapping[str, str] | None = None, query: str = ""
    ) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=WAIT_S)
        self._connection.request("GET", f"/api/events{query}", headers=dict(headers or {}))
        self.response = self._connection.getresponse()
        if self.response.status == 200:
            assert self.response.headers["Content-Type"] == "text/event-stream"
            assert self.next() == {"retry": "2000"}

    def next(self) -> dict[str, str]:
        """The fields of the next event."""
        fields = {}
        while line := self.response.readline().decode().rstrip("\n"):
            name, _, value = line.partition(": ")
            fields[name] = value
        return fields

    def close(self) -> None:
        self.response.close()
        self._connection.close()

    def __enter__(self) -> EventStream:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()
