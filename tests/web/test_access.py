"""Who may ask, and who may not."""

from __future__ import annotations

import time

import pytest

from edge_asc.web import access as access_module
from edge_asc.web.access import SESSION_S, WRONG_TOKENS, Access
from edge_asc.web.http import Request

TOKEN = "a token of more than sixteen characters"
HOST = {"Host": "127.0.0.1:8080"}


def make(token: str | None = TOKEN, host: str = "127.0.0.1") -> tuple[Access, list[str]]:
    said: list[str] = []
    return Access(token, host, 8080, say=said.append), said


def request(path: str = "/api/state", client: str = "127.0.0.1", **headers: str) -> Request:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Request("GET", path, "", HOST | named, b"", client)


@pytest.mark.parametrize("host", ["127.0.0.1:8080", "localhost:8080", "[::1]:8080", "LocalHost"])
def test_this_machine_has_three_names(host: str) -> None:
    access, _ = make(None)
    assert not access.is_foreign(request(Host=host))


@pytest.mark.parametrize(
    "host",
    ["", "evil.example:8080", "127.0.0.1.evil.example", "localhost.evil.example", "192.168.1.7",
     "evil.example, 127.0.0.1", "127.0.0.1@evil.example", "[::1", "[::2]:8080", "0.0.0.0:8080"],
)  # fmt: skip
def test_without_a_token_another_name_is_foreign(host: str) -> None:
    access, _ = make(None)
    assert access.is_foreign(request(Host=host))


def test_the_address_that_was_bound_is_a_name_too() -> None:
    access, _ = make(None, host="127.0.0.2")
    assert not access.is_foreign(request(Host="127.0.0.2:8080"))
    assert access.is_foreign(request(Host="127.0.0.3:8080"))


def test_with_a_token_the_server_has_any_name() -> None:
    access, _ = make()
    assert not access.is_foreign(request(Host="kitchen.local:8080"))


@pytest.mark.parametrize("token", [None, TOKEN])
@pytest.mark.parametrize(
    ("headers", "foreign"),
    [
        ({"Origin": "http://127.0.0.1:8080"}, False),
        ({"Origin": "https://127.0.0.1:8080"}, False),
        ({"Origin": "http://127.0.0.1:8081"}, True),
        ({"Origin": "http://localhost:8080"}, True),
        ({"Origin": "http://evil.example"}, True),
        ({"Origin": "null"}, True),
        ({"Origin": ""}, True),
        ({"Sec_Fetch_Site": "same-origin"}, False),
        ({"Sec_Fetch_Site": "none"}, False),
        ({"Sec_Fetch_Site": "same-site"}, True),
        ({"Sec_Fetch_Site": "cross-site"}, True),
    ],
)
def test_what_another_page_asks_for_is_foreign(
    token: str | None, headers: dict[str, str], foreign: bool
) -> None:
    access, _ = make(token)
    assert access.is_foreign(request(**headers)) is foreign


def test_a_link_elsewhere_may_lead_to_the_page() -> None:
    access, _ = make(None)
    assert not access.is_foreign(request("/", Sec_Fetch_Site="cross-site"))


def test_without_a_token_everybody_is_allowed() -> None:
    access, _ = make(None)
    assert access.is_allowed(request())


@pytest.mark.parametrize(
    ("header", "allowed"),
    [
        (f"Bearer {TOKEN}", True),
        (f"bearer  {TOKEN} ", True),
        ("", False),
        ("Bearer", False),
        ("Bearer ", False),
        (f"Bearer {TOKEN}x", False),
        (f"Bearer {TOKEN[:-1]}", False),
        (f"Basic {TOKEN}", False),
        (TOKEN, False),
        ("Bearer \xe4\xf6\xfc", False),
    ],
)
def test_the_token_and_nothing_else_is_allowed(header: str, allowed: bool) -> None:
    access, _ = make()
    assert access.is_allowed(request(Authorization=header)) is allowed


def session(access: Access) -> str:
    """The cookie of a browser that signed in, as it sends it back."""
    name, value = access.begin_session()
    assert name == "Set-Cookie"
    rules = set(value.split("; ")[1:])
    assert {"HttpOnly", "SameSite=Strict", "Path=/", f"Max-Age={SESSION_S}"} == rules
    assert TOKEN not in value
    return value.partition(";")[0]


def test_a_browser_that_signed_in_is_allowed_until_it_signs_out() -> None:
    access, _ = make()
    cookie = session(access)
    assert access.is_allowed(request(Cookie=f"other={{1}}; {cookie}; more=2"))
    other = session(access)
    name, value = access.end_session(request(Cookie=cookie))
    assert (name, value.partition(";")[0]) == ("Set-Cookie", "edge_asc_8080=")
    assert not access.is_allowed(request(Cookie=cookie))
    assert access.is_allowed(request(Cookie=other))


def test_a_session_outlasts_the_program_but_not_the_token() -> None:
    cookie = session(make()[0])
    assert make()[0].is_allowed(request(Cookie=cookie))
    assert not make("another token of some length")[0].is_allowed(request(Cookie=cookie))


@pytest.mark.parametrize("place", [0, 14, 20, -1])
def test_a_changed_session_is_none(place: int) -> None:
    access, _ = make()
    name, _, value = session(access).partition("=")
    changed = list(value)
    changed[place] = "0" if changed[place] != "0" else "1"
    assert not access.is_allowed(request(Cookie=f"{name}={''.join(changed)}"))


@pytest.mark.parametrize(
    "cookie", ["edge_asc_8080=", "edge_asc_8080", "edge_asc_8080=a.b.c", ";;="]
)
def test_what_is_no_session_is_refused(cookie: str) -> None:
    access, _ = make()
    assert not access.is_allowed(request(Cookie=cookie))


def test_a_session_ends_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    access, _ = make()
    cookie = session(access)
    now_s = time.time()
    monkeypatch.setattr(time, "time", lambda: now_s + SESSION_S + 1.0)
    assert not access.is_allowed(request(Cookie=cookie))


def test_who_guesses_has_to_wait_even_with_the_right_token(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    access, said = make()
    cookie = session(access)
    for number in range(WRONG_TOKENS):
        assert not access.is_barred("192.168.1.7")
        assert not access.is_right(f"guess {number}", "192.168.1.7")
    assert access.is_barred("192.168.1.7")
    assert not access.is_right(TOKEN, "192.168.1.7")
    assert said == [f"{WRONG_TOKENS} wrong tokens from 192.168.1.7, which has to wait a minute"]
    assert access.is_right(TOKEN, "192.168.1.8")
    assert access.is_allowed(request(client="192.168.1.7", Cookie=cookie))
    now_s = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now_s + 61.0)
    assert access.is_right(TOKEN, "192.168.1.7")


def test_one_who_has_a_whole_ipv6_network_is_one() -> None:
    access, _ = make()
    for number in range(WRONG_TOKENS):
        access.is_right("wrong", f"2001:db8:1:2::{number}")
    assert access.is_barred("2001:db8:1:2:ffff::1")
    assert not access.is_barred("2001:db8:1:3::1")
    assert not access.is_barred("fe80::1%eth0")


def test_guesses_of_many_addresses_take_bounded_memory() -> None:
    access, _ = make()
    for number in range(2_000):
        access.is_right("wrong", f"10.0.{number // 250}.{number % 250}")
    assert len(access._attempts._wrong) == access_module._MAX_ADDRESSES
    for _ in range(access_module._MAX_ENDED + 10):
        access.end_session(request(Cookie=session(access)))
    assert len(access._ended) == access_module._MAX_ENDED
