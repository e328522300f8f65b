"""Who may ask: no foreign site, and nobody without the token where there is one.

Without a token the server listens on loopback alone, where every program of this machine may ask,
but also every web page that is open in a browser here. Two things tell those apart: the Host
header (a foreign name that was made to mean 127.0.0.1 stays a foreign name), and the headers that
browsers add, Origin and Sec-Fetch-Site.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable
from ipaddress import IPv6Address, ip_address
from urllib.parse import urlsplit

from edge_asc.web.http import Header, Request

MIN_TOKEN_CHARACTERS = 16

SESSION_S = 30 * 86_400
"""A browser has to sign in again after so long"""

WRONG_TOKENS = 5
WRONG_TOKENS_S = 60.0
"""An address that sent so many wrong tokens within so long is not heard until that is over."""

_LOOPBACK_NAMES = ("localhost", "127.0.0.1", "::1")
_MAX_ADDRESSES = 256
_MAX_ENDED = 256


class Access:
    """The token of one server, and the names under which it may be reached."""

    def __init__(
        self, token: str | None, host: str, port: int, *, say: Callable[[str], None]
    ) -> None:
        """`host` is what the server was bound to; `say` is told of addresses that guess."""
        self._token = None if token is None else token.encode()
        self._names = {*_LOOPBACK_NAMES, host.lower()}
        self._attempts = _Attempts(say)
        self._cookie = f"edge_asc_{port}"  # cookies know no ports
        self._key = b"" if self._token is None else _session_key(self._token)
        self._ended: OrderedDict[str, None] = OrderedDict()
        """Sessions that were signed out of"""

    @property
    def needs_token(self) -> bool:
        return self._token is not None

    def is_foreign(self, request: Request) -> bool:
        """Whether another site's page asks, or the server is called by a name that is not its."""
        host = request.headers.get("Host", "")
        if not self.needs_token and _name(host) not in self._names:
            return True
        origin = request.headers.get("Origin")
        if origin is not None and origin.lower() not in _origins(host):
            return True
        site = request.headers.get("Sec-Fetch-Site", "none")
        # A link elsewhere may lead to the page itself.
        return site not in ("same-origin", "none") and request.path != "/"

    def is_allowed(self, request: Request) -> bool:
        """Whether `request` has the right token, or comes from a browser that signed in."""
        if self._token is None or self._has_session(request):
            return True
        kind, _, token = request.headers.get("Authorization", "").partition(" ")
        return kind.lower() == "bearer" and self.is_right(token.strip(), request.client)

    def is_right(self, token: str, client: str) -> bool:
        """Whether `token` is the one; False for any from an address that guesses."""
        if self._token is None or self.is_barred(client):
            return False
        if hmac.compare_digest(token.encode(), self._token):
            return True
        self._attempts.add(client)
        return False

    def is_barred(self, client: str) -> bool:
        """Whether `client` sent too many wrong tokens."""
        return self._attempts.are_too_many(client)

    def begin_session(self) -> Header:
        """A header that signs a browser in."""
        begun = f"{int(time.time()) + SESSION_S}.{secrets.token_urlsafe(18)}"
        return self._set_cookie(f"{begun}.{self._sign(begun)}", SESSION_S)

    def end_session(self, request: Request) -> Header:
        """A header that signs a browser out; its session is worth nothing any more."""
        if self._has_session(request):
            self._ended[self._session(request)] = None
            if len(self._ended) > _MAX_ENDED:
                self._ended.popitem(last=False)
        return self._set_cookie("", 0)

    def _set_cookie(self, value: str, max_age_s: int) -> Header:
        rules = f"Path=/; Max-Age={max_age_s}; HttpOnly; SameSite=Strict"
        return "Set-Cookie", f"{self._cookie}={value}; {rules}"

    def _session(self, request: Request) -> str:
        pairs = (
            part.strip().partition("=") for part in request.headers.get("Cookie", "").split(";")
        )
        return next((value for name, _, value in pairs if name == self._cookie), "")

    def _has_session(self, request: Request) -> bool:
        session = self._session(request)
        begun, _, signature = session.rpartition(".")
        if session in self._ended or not hmac.compare_digest(
            signature.encode(), self._sign(begun).encode()
        ):
            return False
        return int(begun.partition(".")[0]) > time.time()

    def _sign(self, begun: str) -> str:
        return hmac.new(self._key, begun.encode(), "sha256").hexdigest()


class _Attempts:
    """Wrong tokens of the last minute, by address; of a bounded number of addresses."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._wrong: OrderedDict[str, tuple[float, int]] = OrderedDict()
        """Begin of the minute, and how many in it; the address that began last is last"""

    def add(self, client: str) -> None:
        began_s, count = self._of(client)
        self._wrong[_network(client)] = (began_s, count + 1)
        if count + 1 == WRONG_TOKENS:
            self._say(f"{count + 1} wrong tokens from {client}, which has to wait a minute")
        if len(self._wrong) > _MAX_ADDRESSES:
            self._wrong.popitem(last=False)

    def are_too_many(self, client: str) -> bool:
        return self._of(client)[1] >= WRONG_TOKENS

    def _of(self, client: str) -> tuple[float, int]:
        now_s = time.monotonic()
        began_s, count = self._wrong.get(_network(client), (now_s, 0))
        if now_s - began_s < WRONG_TOKENS_S:
            return began_s, count
        del self._wrong[_network(client)]
        return now_s, 0


def _session_key(token: bytes) -> bytes:
    """Slow to compute: whoever comes by a cookie shall not find a short token by trying."""
    return hashlib.pbkdf2_hmac("sha256", token, b"edge-asc session", 100_000)


def _network(client: str) -> str:
    """The address; of IPv6 its first half, the rest of which everybody chooses for himself."""
    address = ip_address(client.partition("%")[0])
    return address.exploded[:19] if isinstance(address, IPv6Address) else client


def _name(host: str) -> str:
    """The name in a Host header, without the port; "" if it is none."""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def _origins(host: str) -> tuple[str, str]:
    """What a browser says where a page came from that this server gave it.

    Over https there is a proxy in between, which hands on the name that it was called by.
    """
    return f"http://{host.lower()}", f"https://{host.lower()}"
