"""What a handler is given and what it gives back, without a word of sockets."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:;"
    " connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)

STRICT_HEADERS = (
    ("Content-Security-Policy", _POLICY),
    ("X-Content-Type-Options", "nosniff"),
    # Not "no-referrer": browsers would send the sign-in form with an Origin of "null".
    ("Referrer-Policy", "same-origin"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
)
"""Part of every answer"""

NO_STORE = ("Cache-Control", "no-store")

Header = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Address:
    """Where a server listens."""

    host: str
    port: int

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Request:
    """What a client asks for."""

    method: str
    path: str
    """As it was sent: nothing in it is decoded, so there is one way to write each path."""
    query: str
    headers: Mapping[str, str]
    """Names in any case; repeated ones are joined with commas"""
    body: bytes
    client: str
    """The address it came from"""


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer."""

    status: int
    content_type: str = "text/plain; charset=utf-8"
    body: bytes = b""
    headers: tuple[Header, ...] = (NO_STORE,)


@dataclass(frozen=True, slots=True)
class Stream:
    """An answer that is sent piece by piece, as fast as the client takes it."""

    content_type: str
    chunks: AsyncGenerator[bytes, None]
    headers: tuple[Header, ...] = (NO_STORE,)


class BrokenStreamError(Exception):
    """A stream cannot go on; its client shall not take it for whole."""


def plain(status: int, text: str = "", *headers: Header) -> Answer:
    """An answer in words, by default the status's own."""
    words = text or HTTPStatus(status).phrase
    return Answer(status, body=f"{words}\n".encode(), headers=(NO_STORE, *headers))


def to_json(values: Any) -> bytes:  # noqa: ANN401
    """`values` as JSON, without a space too many."""
    return json.dumps(values, allow_nan=False, separators=(",", ":")).encode()


def json_answer(body: bytes) -> Answer:
    """`body`, which is JSON."""
    return Answer(200, "application/json", body)


def see_other(path: str, *headers: Header) -> Answer:
    """Go to `path` with GET."""
    return Answer(303, headers=(NO_STORE, ("Location", path), *headers))
