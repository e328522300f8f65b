"""`--web`, `--history` and `--metrics` of `edge-asc listen`: what is refused, what they lead to."""

from __future__ import annotations

import builtins
import json
import socket
import sqlite3
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import click
import numpy as np
import pytest

from edge_asc.commands.web_options import is_loopback, parse_address
from edge_asc.web.http import Address

WavWriter = Callable[..., Path]
TOKEN = "0123456789abcdef"


@pytest.fixture
def recording(write_wav: WavWriter, rng: np.random.Generator) -> Path:
    """Four seconds of noise."""
    return write_wav(rng.uniform(-0.9, 0.9, 4 * 44_100))


@pytest.fixture
def listen(edge_asc: Any, model_path: Path, recording: Path) -> Callable[..., Any]:
    def run(*options: object) -> Any:
        return edge_asc("listen", "--source", recording, "--fast", *options)

    return run


@contextmanager
def taken_port() -> Iterator[int]:
    """A port that another program uses."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        yield int(other.getsockname()[1])


def free_port() -> int:
    with taken_port() as port:
        return port


def refused(done: Any) -> str:
    """What is said of wrong usage."""
    assert done.exit_code == 2, done.stderr
    assert done.stdout == ""
    return " ".join(done.stderr.split())


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("8080", Address("127.0.0.1", 8080)),
        ("localhost:8080", Address("localhost", 8080)),
        ("0.0.0.0:1", Address("0.0.0.0", 1)),
        ("[::1]:65535", Address("::1", 65_535)),
    ],
)
def test_a_port_alone_is_for_this_machine(text: str, address: Address) -> None:
    context, option = click.Context(click.Command("x")), click.Option(["--web"])
    assert parse_address(context, option, text) == address


@pytest.mark.parametrize(
    "text",
    ["", "0", "65536", "-1", "1e3", ":8080", "::1:8080", "host:", "http://a:1", "٣", 5_000 * "1"],
)  # fmt: skip
@pytest.mark.parametrize("option", ["--web", "--metrics"])
def test_what_is_no_port_is_wrong_usage(listen: Callable[..., Any], option: str, text: str) -> None:
    said = refused(listen(option, text))
    assert f"Invalid value for '{option}': must be a port from 1 to 65535, or HOST:PORT" in said


@pytest.mark.parametrize(
    ("host", "alone"),
    [("127.0.0.1", True), ("127.9.9.9", True), ("::1", True), ("LOCALHOST", True),
     ("0.0.0.0", False), ("::", False), ("192.168.1.2", False), ("localhost.evil", False)],
)  # fmt: skip
def test_only_loopback_is_for_this_machine_alone(host: str, alone: bool) -> None:
    assert is_loopback(host) is alone


@pytest.mark.parametrize("option", ["--web", "--metrics"])
def test_other_machines_need_a_token(listen: Callable[..., Any], option: str) -> None:
    said = refused(listen(option, "0.0.0.0:8080"))
    assert f"Invalid value for {option}: 0.0.0.0:8080 can be reached by other machines" in said
    assert "EDGE_ASC_LISTEN_WEB_TOKEN" in said


def test_a_token_that_can_be_guessed_is_refused_and_not_repeated(
    listen: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EDGE_ASC_LISTEN_WEB_TOKEN", "SECRET")
    said = refused(listen("--web", "8080"))
    assert "must have at least 16 characters, has 6" in said
    assert "SECRET" not in said


def test_a_token_has_no_place_on_the_command_line(listen: Callable[..., Any]) -> None:
    said = refused(listen("--web", "8080", "--web-token", TOKEN))
    assert TOKEN not in said
    assert "web_token into the configuration file" in said


@pytest.mark.parametrize("option", ["--web", "--metrics"])
def test_a_port_in_use_ends_it_before_anything_is_heard(
    listen: Callable[..., Any], option: str
) -> None:
    with taken_port() as port:
        done = listen(option, port)
    assert done.exit_code == 1
    assert done.stdout == ""
    words = f"cannot listen at 127.0.0.1:{port}: Address already in use; another program uses"
    assert words in " ".join(done.stderr.split())


def test_an_address_may_serve_the_page_and_metrics(listen: Callable[..., Any]) -> None:
    port = free_port()
    done = listen("--web", port, "--metrics", port, "--format", "json", "--health", "0")
    assert done.exit_code == 0, done.stderr
    assert f"web page: http://127.0.0.1:{port}/" in done.stderr
    assert [json.loads(line)["type"] for line in done.stdout.splitlines()].count("estimate") == 3


def test_the_port_is_free_again_when_another_output_cannot_be_opened(
    listen: Callable[..., Any],
) -> None:
    port = free_port()
    with taken_port() as other:
        assert listen("--web", port, "--metrics", other).exit_code == 1
    assert listen("--web", port).exit_code == 0


def test_history_of_a_recording_needs_the_time_at_which_it_was_made(
    listen: Callable[..., Any], tmp_path: Path
) -> None:
    path = tmp_path / "history.sqlite"
    done = listen("--history", path)
    assert done.exit_code == 1
    assert "give --time" in done.stderr
    assert not path.exists()


def test_history_keeps_the_estimates_of_a_recording(
    listen: Callable[..., Any], tmp_path: Path
) -> None:
    path = tmp_path / "history.sqlite"
    done = listen("--history", path, "--time", "2026-05-17T06:00", "--format", "json")
    assert done.exit_code == 0, done.stderr
    with closing(sqlite3.connect(path)) as database:
        (count,) = database.execute("SELECT count(*) FROM estimates").fetchone()
    assert count == 3


def test_a_file_that_is_something_else_is_left_alone(
    listen: Callable[..., Any], recording: Path
) -> None:
    before = recording.read_bytes()
    done = listen("--history", recording, "--time", "2026-05-17T06:00")
    assert done.exit_code == 1
    assert "is no SQLite file, or a damaged one" in " ".join(done.stderr.split())
    assert recording.read_bytes() == before


@pytest.mark.parametrize(
    ("option", "package", "extra"),
    [("--web", "tornado", "web"), ("--metrics", "prometheus_client", "metrics")],
)
def test_a_missing_package_is_named_with_what_installs_it(
    listen: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
    option: str,
    package: str,
    extra: str,
) -> None:
    for name in [name for name in sys.modules if name.startswith(("edge_asc.web.", package))]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.delitem(sys.modules, "edge_asc.sinks.metrics", raising=False)
    usual = builtins.__import__

    def without(name: str, *arguments: Any, **keywords: Any) -> Any:
        if name.partition(".")[0] == package:
            raise ModuleNotFoundError(f"No module named {package!r}", name=package)
        return usual(name, *arguments, **keywords)

    monkeypatch.setattr(builtins, "__import__", without)
    done = listen(option, free_port())
    assert done.exit_code == 1
    assert f"pip install 'edge-asc[{extra}]'" in done.stderr
