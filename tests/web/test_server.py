"""HTTP as the server speaks it: methods, paths, sizes, headers, ports."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

import pytest

from edge_asc.errors import OutputError
from edge_asc.web.http import Address
from edge_asc.web.server import HttpServer, Limits
from tests.sample_messages import REPORT
from tests.web.served import TOKEN, WAIT_S, EventStream, Served, ask, bearer, raw, served

PAGES = ("/", "/static/app.js", "/api/state", "/api/history", "/nothing", "/login")


def status(answer: bytes) -> int:
    """Of a raw answer, 0 if there is none."""
    return int(answer.split(b" ", 2)[1]) if answer else 0


@pytest.mark.parametrize("path", PAGES)
@pytest.mark.parametrize("token", [None, TOKEN])
def test_every_answer_is_strict_and_tells_nothing_of_the_server(
    path: str, token: str | None
) -> None:
    with served(token) as page:
        headers = page.ask(path).headers
    policy = dict(part.split(" ", 1) for part in headers["Content-Security-Policy"].split("; "))
    assert policy == {
        "default-src": "'none'",
        "script-src": "'self'",
        "style-src": "'self'",
        "img-src": "'self' data:",
        "connect-src": "'self'",
        "base-uri": "'none'",
        "form-action": "'self'",
        "frame-ancestors": "'none'",
    }
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "same-origin"
    assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
    is_file = path.startswith("/static") or (path == "/" and token is None)
    assert headers["Cache-Control"] == ("no-cache" if is_file else "no-store")
    assert headers["Server"] is None
    assert not [name for name in headers if name.lower().startswith("access-control")]


@pytest.fixture(scope="module")
def page() -> Iterator[Served]:
    with served() as page:
        yield page


@pytest.mark.parametrize("path", ["/", "/static/app.js", "/api/state", "/api/events"])
@pytest.mark.parametrize("method", ["HEAD", "POST", "PUT", "DELETE", "OPTIONS", "TRACE", "BREW"])
def test_another_method_is_refused(page: Served, path: str, method: str) -> None:
    reply = page.ask(path, method)
    assert (reply.status, reply.headers["Allow"]) == (405, "GET")


@pytest.mark.parametrize("path", ["/login", "/logout"])
def test_nobody_is_signed_in_or_out_by_a_link(page: Served, path: str) -> None:
    assert page.ask(path).status == 405


@pytest.mark.parametrize(
    "path",
    ["/../etc/passwd", "/static/../page.py", "/static/..%2fpage.py", "/static/%2e%2e/page.py",
     "/static//app.js", "//static/app.js", "/static/", "/static", "/static/app.js/",
     "/STATIC/app.js", "/static/app.js%00", "/static/app%2ejs", "/static/..\\page.py",
     "/%2fapi/state", "/api/state/", "/api//state", "/./api/state", "/api/state;x",
     "*", "http://127.0.0.1/api/state", "api/state", "/" + "a" * 7_000, "/api/state#x"],
)  # fmt: skip
def test_there_is_one_way_to_write_each_path(page: Served, path: str) -> None:
    request = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"
    answer = raw(page.port, request.encode())
    assert status(answer) == 404
    assert b"root:" not in answer


@pytest.mark.parametrize(
    ("request_bytes", "expected"),
    [
        (b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n", 403),  # no Host
        (b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\nConnection: close\r\n\r\n", 403),
        (b"GET /static/app.js\0 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX: \0\r\n\r\n", 400),
        (b"GET / HTTP/9.9\r\nHost: 127.0.0.1\r\n\r\n", 400),
        (b"GET /\r\n\r\n", 400),
        (b"\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost 127.0.0.1\r\n\r\n", 400),
        (b"POST /login HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: -1\r\n\r\n", 400),
        (b"POST /login HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1e3\r\n\r\n", 400),
        (b"POST /login HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 5000\r\n\r\n", 413),
        (
            b"POST /login HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: "
            + b"9" * 40
            + b"\r\n\r\n",
            413,
        ),
        (
            b"POST /login HTTP/1.1\r\nHost: 127.0.0.1\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            411,
        ),
        (
            b"POST /login HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 4\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            411,
        ),
    ],
)
def test_what_is_not_right_is_refused(page: Served, request_bytes: bytes, expected: int) -> None:
    assert status(raw(page.port, request_bytes)) == expected
    assert page.ask("/api/state").status == 200


def test_a_header_that_is_too_large_ends_the_connection(page: Served) -> None:
    request = b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX: " + b"x" * 100_000
    assert status(raw(page.port, request)) in (0, 400)
    assert page.ask("/api/state").status == 200


def test_a_large_body_is_refused_before_it_is_read(page: Served) -> None:
    head = b"POST /login HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1000000000\r\n\r\n"
    with socket.create_connection(("127.0.0.1", page.port), WAIT_S) as connection:
        connection.sendall(head)
        assert status(connection.recv(100)) == 413


def test_requests_follow_each_other_in_one_connection(page: Served) -> None:
    one = b"GET /api/state HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    last = one.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
    assert raw(page.port, 3 * one + last).count(b"HTTP/1.1 200 OK") == 4


def test_http_1_0_is_answered_and_closed(page: Served) -> None:
    answer = raw(page.port, b"GET /api/state HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n")
    assert status(answer) == 200
    assert b"chunked" not in answer


def test_foreign_pages_and_names_get_nothing(page: Served) -> None:
    for headers in (
        {"Host": "evil.example"},
        {"Origin": "http://evil.example"},
        {"Sec-Fetch-Site": "cross-site"},
    ):
        for path in ("/api/state", "/api/events", "/api/history.csv", "/static/app.js"):
            assert page.ask(path, headers=headers).status == 403
    own = {"Origin": f"http://127.0.0.1:{page.port}", "Sec-Fetch-Site": "same-origin"}
    assert page.ask("/api/state", headers=own).status == 200


@pytest.mark.parametrize(
    "path", ["/api/state", "/api/events", "/api/history", "/api/history.csv", "/nothing", "/logout"]
)
def test_without_the_token_nothing_is_told(path: str) -> None:
    with served(TOKEN) as page:
        page.output.write(REPORT)
        for headers in ({}, bearer(TOKEN + "x"), {"Cookie": f"edge_asc_{page.port}=1.2.3"}):
            reply = page.ask(path, headers=headers)
            assert (reply.status, reply.headers["WWW-Authenticate"]) == (401, "Bearer")
            assert reply.body == b"A token is needed\n"
        assert page.ask("/api/state", headers=bearer(TOKEN)).status == 200


def test_ports_below_zero_connections_above_the_limit_make_room() -> None:
    limits = Limits(max_connections=8)
    with served(limits=limits) as page:
        idle = [socket.create_connection(("127.0.0.1", page.port), WAIT_S) for _ in range(20)]
        state = page.ask("/api/state").json
        assert state["connections"]["open"] == 8
        assert state["connections"]["refused"] == 13
        assert idle[0].recv(1) == b""  # the oldest was closed
        for connection in idle:
            connection.close()


def test_one_that_makes_room_before_it_was_looked_at_is_no_fault(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with served(limits=Limits(max_connections=2)) as page:
        gate = threading.Event()

        def wait() -> None:
            gate.wait(WAIT_S)

        page.output._server.call(wait)
        address = ("127.0.0.1", page.port)
        clients = [socket.create_connection(address, WAIT_S) for _ in range(60)]
        gate.set()  # now all of them are accepted at once
        assert page.ask("/api/state").json["connections"]["open"] <= 2
        for client in clients:
            client.close()
    assert caplog.records == []


def test_streams_above_the_limit_are_refused() -> None:
    with served() as page:
        streams = [EventStream(page.port) for _ in range(16)]
        more = EventStream(page.port)
        assert more.response.status == 503
        assert page.ask("/api/state").json["connections"]["streams"] == 16
        for stream in [*streams, more]:
            stream.close()


def test_when_every_connection_is_being_answered_another_one_is_closed() -> None:
    with served(limits=Limits(max_connections=4)) as page:
        streams = [EventStream(page.port) for _ in range(4)]
        with socket.create_connection(("127.0.0.1", page.port), WAIT_S) as connection:
            assert connection.recv(1) == b""
        page.output.write(REPORT)
        for stream in streams:
            assert stream.next()["event"] == "estimate"
            stream.close()


def test_a_port_that_is_in_use_is_an_error_that_says_what_to_do() -> None:
    words = "another program uses the port; choose another one"
    with served() as page, pytest.raises(OutputError, match=words):
        HttpServer(Address("127.0.0.1", page.port))


@pytest.mark.parametrize(
    ("host", "words"),
    [("198.51.100.7", "an address of this machine"), ("nowhere.invalid", "no such host")],
)
def test_a_host_that_is_not_this_machine_is_an_error(host: str, words: str) -> None:
    with pytest.raises(OutputError, match=words):
        HttpServer(Address(host, 18_080))


def test_the_port_is_free_again_at_once_while_clients_were_connected() -> None:
    port = 0
    for _ in range(3):
        server = HttpServer(Address("127.0.0.1", port))
        port = server.address.port
        server.close()
    with served() as page:
        stream = EventStream(page.port)
    again = HttpServer(Address("127.0.0.1", page.port))
    again.close()
    stream.close()


def test_nothing_is_left_of_a_server_that_was_closed() -> None:
    before = set(threading.enumerate())
    with served() as page, EventStream(page.port):
        ask(page.port, "/api/history")
        made = set(threading.enumerate()) - before
        assert len(made) == 2  # of the server, and of its readers of history
    for thread in made:
        thread.join(WAIT_S)
        assert not thread.is_alive()


def test_ipv6_is_an_address_as_any_other() -> None:
    if not socket.has_ipv6:
        pytest.skip("needs IPv6")
    try:
        with served(host="::1") as page:
            assert page.output.name == f"web page http://[::1]:{page.port}/"
            assert ask(page.port, "/api/state", host="::1").status == 200
    except OutputError:
        pytest.skip("needs IPv6")
