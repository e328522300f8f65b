"""The installed command with a page, metrics and a history, among clients that mean no good."""

from __future__ import annotations

import errno
import http.client
import os
import random
import socket
import sqlite3
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from prometheus_client.parser import text_string_to_metric_families

from edge_asc.benchmarks.listener import Listener
from edge_asc.benchmarks.process_facts import ProcessFacts, read_facts
from tests.end_to_end.streams import check_stream
from tests.mosquitto import free_port, wait_until
from tests.web.served import Reply, bearer

WavWriter = Callable[..., Path]
INSTALLED = (str(Path(sys.executable).with_name("edge-asc")), "listen", "--format", "json")
TOKEN = "0123456789-abcdefghij"
HOST, BAD_CLIENT, GUESSER = "127.0.0.1", "127.0.0.2", "127.0.0.3"
SECRET_NAME = "not-for-everybody.wav"
"""The recording's: only who has the token may learn it"""

PROTECTED = ("/api/state", "/api/events", "/api/history", "/api/history.csv")
WAIT_S = 30.0


@dataclass(frozen=True)
class Service:
    """A listener that runs, its two ports, and its history."""

    listener: Listener
    page: int
    metrics: int
    history: Path

    @property
    def facts(self) -> ProcessFacts:
        return read_facts(self.listener.process.pid)

    def counts(self) -> dict[str, int]:
        """What the page's server says of its connections."""
        reply = ask(self.page, "/api/state")
        assert reply.status == 200, reply
        found: dict[str, int] = reply.json["connections"]
        return found

    def samples(self) -> dict[tuple[str, ...], float]:
        """All metrics, by name and labels."""
        reply = ask(self.metrics, "/metrics")
        assert reply.status == 200, reply
        return {
            (sample.name, *sample.labels.values()): sample.value
            for family in text_string_to_metric_families(reply.body.decode())
            for sample in family.samples
        }


@pytest.fixture
def service(tmp_path: Path, write_wav: WavWriter, rng: np.random.Generator) -> Iterator[Service]:
    """Hears two minutes of noise at the pace of time."""
    recording = write_wav(rng.uniform(-0.3, 0.3, 120 * 44_100), name=SECRET_NAME)
    page, metrics, history = free_port(), free_port(), tmp_path / "history.sqlite"
    options = ("--web", str(page), "--metrics", str(metrics), "--history", str(history))
    sound = ("--source", str(recording), "--time", "2026-05-17T06:00", "--health", "5")
    env = {**os.environ, "EDGE_ASC_LISTEN_WEB_TOKEN": TOKEN}
    with Listener(*sound, *options, command=INSTALLED, env=env) as listener:
        listener.wait_for_word("web page: http")
        yield Service(listener, page, metrics, history)


def ask(
    port: int,
    path: str,
    method: str = "GET",
    *,
    token: str | None = TOKEN,
    client: str = HOST,
    body: bytes | None = None,
    **headers: str,
) -> Reply:
    """One request from the address `client`."""
    connection = http.client.HTTPConnection(HOST, port, WAIT_S, (client, 0))
    try:
        fields = ({} if token is None else bearer(token)) | headers
        connection.request(method, path, body, fields)
        response = connection.getresponse()
        return Reply(response.status, response.headers, response.read())
    finally:
        connection.close()


def send(port: int, request: bytes) -> bytes:
    """What comes back for `request`, after which its client has nothing more to say."""
    with socket.create_connection((HOST, port), WAIT_S, (BAD_CLIENT, 0)) as connection:
        answer = b""
        try:
            connection.sendall(request)
            connection.shutdown(socket.SHUT_WR)
            while piece := connection.recv(65_536):
                answer += piece
        except OSError as error:
            if error.errno not in (errno.EPIPE, errno.ECONNRESET, errno.ENOTCONN):
                raise  # else it was let go before
        return answer


def malformed(count: int, seed: int) -> Iterator[bytes]:
    """Noise, and requests in which something was changed, cut off, repeated or blown up."""
    chance = random.Random(seed)
    for number in range(count):
        path = chance.choice([*PROTECTED, "/", "/metrics", "/login", "/../../etc/passwd"])
        method = chance.choice(["GET", "POST", "PUT", "get", "G\0T", "CONNECT"])
        length = chance.choice(["5", "-5", "99999999999999999999", "5, 6", "0x5", ""])
        request = bytearray(
            f"{method} {path} HTTP/1.1\r\nHost: {HOST}\r\nCookie: edge_asc_1=a.b.c\r\n"
            f"Content-Length: {length}\r\n\r\nhello".encode()
        )
        kind = number % 5
        if kind == 0:
            request = bytearray(chance.randbytes(chance.randrange(1, 2_000)))
        elif kind == 1:
            for _ in range(chance.randrange(1, 9)):
                request[chance.randrange(len(request))] = chance.randrange(256)
        elif kind == 2:
            del request[chance.randrange(1, len(request)) :]
        elif kind == 3:
            request *= chance.randrange(2, 9)
        else:
            place = chance.randrange(len(request))
            request[place:place] = chance.randbytes(1) * chance.randrange(20_000)
        yield bytes(request)


def check_that_nobody_gets_in(service: Service) -> None:
    """Without the token, or from another site, nothing is told, whatever is asked."""
    asked = [(service.page, path) for path in PROTECTED] + [(service.metrics, "/metrics")]
    for port, path in asked:
        assert ask(port, path, token=None).status == 401
        for wrong in ("", TOKEN[:-1], f"{TOKEN}0", "x" * 3_000):
            assert ask(port, path, token=wrong, client=GUESSER).status in (401, 429)
        for origin in ("http://evil.example", "null", f"http://{HOST}:1"):
            assert ask(port, path, Origin=origin).status == 403
        for method in ("HEAD", "PUT", "OPTIONS", "DELETE"):
            assert ask(port, path, method).status == 405
        assert ask(port, path, "POST", body=b"x" * 5_000).status == 413
    # Who guessed is not heard for a minute, not even with the right token.
    assert ask(service.page, "/api/state", client=GUESSER).status == 429
    login = ask(service.page, "/login", "POST", body=f"token={TOKEN}".encode(), client=GUESSER)
    assert login.status == 429
    for path in ("/static/../http.py", "/static/%2e%2e/http.py", "//etc/passwd", "/static/"):
        assert ask(service.page, path).status == 404


def check_that_noise_does_no_harm(service: Service) -> None:
    for number, request in enumerate(malformed(1_000, seed=20231)):
        answer = send(service.metrics if number % 4 == 3 else service.page, request)
        assert answer[:9] in (b"", b"HTTP/1.1 "), request
        for told in (b"HTTP/1.1 200", b"HTTP/1.1 500", SECRET_NAME.encode(), b"edge_asc_"):
            assert told not in answer, request


def connect_many(stack: ExitStack, port: int, count: int) -> None:
    """Clients that begin a request and never end it."""
    for _ in range(count):
        client = stack.enter_context(socket.create_connection((HOST, port), WAIT_S))
        client.sendall(b"G")


def connect_deaf(stack: ExitStack, port: int, request: bytes, count: int) -> None:
    """A client that sends `request` so often, if that is taken, and reads nothing."""
    client = stack.enter_context(socket.socket())
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
    client.connect((HOST, port))
    client.settimeout(1.0)
    with suppress(TimeoutError):  # the server takes no more than it answers
        client.sendall(request * count)


def request(path: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: {HOST}\r\nAuthorization: Bearer {TOKEN}\r\n\r\n".encode()


def check_that_metrics_are_those_of_the_stream(service: Service) -> None:
    """At a moment between two messages, every counter says what the lines of the stream say."""

    def counted() -> dict[str, float]:
        lines = list(service.listener.lines)
        kinds = [line["type"] for line in lines]
        return {
            "estimates": kinds.count("estimate"),
            "scene_changes": sum(line["type"] == "event" and bool(line["scene"]) for line in lines),
            "gaps": kinds.count("gap"),
        }

    def agree() -> bool:
        before, samples = counted(), service.samples()
        told = {name: samples[f"edge_asc_{name}_total",] for name in before}
        written = samples["edge_asc_output_written_total", "standard output"]
        return told == before == counted() and written == len(service.listener.lines)

    wait_until(agree, lambda: (counted(), service.samples()))


def newest_estimate(service: Service) -> None:
    """The page and the stream tell the same."""

    def agree() -> bool:
        newest = ask(service.page, "/api/state").json["latest"]["estimate"]
        return newest is not None and newest in service.listener.lines

    wait_until(agree)


def test_hostile_clients_learn_nothing_and_leave_nothing_behind(service: Service) -> None:
    with ExitStack() as clients:
        connect_deaf(clients, service.page, request("/static/app.js"), 5_000)
        connect_deaf(clients, service.page, request("/api/events"), 1)
        service.listener.wait_for_estimates(1)
        assert ask(service.page, "/api/history").status == 200  # its thread begins
        before = service.facts
        connect_many(clients, service.page, 200)
        connect_many(clients, service.metrics, 200)
        assert service.counts()["open"] <= 64
        assert service.facts.descriptors <= before.descriptors + 2 * 64 + 8
        check_that_nobody_gets_in(service)
        check_that_noise_does_no_harm(service)
        service.listener.wait_for_estimates(2)
        check_that_metrics_are_those_of_the_stream(service)
        newest_estimate(service)
        wait_until(lambda: service.counts()["slow"] >= 1)
        during = service.facts
    wait_until(lambda: service.facts.descriptors <= before.descriptors)
    after = service.facts
    assert during.threads == after.threads == before.threads
    assert max(during.rss_mb, after.rss_mb) < before.rss_mb + 15.0
    assert ask(service.page, "/api/history.csv").body.startswith(b"time,scene,confidence,")

    check_that_it_begins_anew_at_the_same_ports(service)


def check_that_it_begins_anew_at_the_same_ports(service: Service) -> None:
    service.listener.reload()
    newest_estimate(service)
    assert service.samples()["edge_asc_state", "listening"] == 1
    assert service.listener.finish() == 0
    check_stream(service.listener)
    estimates = [line for line in service.listener.lines if line["type"] == "estimate"]
    with closing(sqlite3.connect(service.history)) as database:
        (count,) = database.execute("SELECT count(*) FROM estimates").fetchone()
    # The recording was heard twice from its beginning: the same times of day.
    assert count == len({line["time"] for line in estimates})
