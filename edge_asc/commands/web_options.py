"""`--web`, `--history` and `--metrics` of `listen`."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edge_asc.commands.options import Command, packages
from edge_asc.config_keys import SecretOption
from edge_asc.errors import OutputError
from edge_asc.web.http import Address

if TYPE_CHECKING:
    from edge_asc.commands.output_options import Listening
    from edge_asc.outputs import Output
    from edge_asc.web.history_file import HistoryFile

LOOPBACK = "127.0.0.1"

TOKEN_ADVICE = (
    'make one with python -c "import secrets; print(secrets.token_urlsafe(32))" and set web_token'
    " in the configuration file, or EDGE_ASC_LISTEN_WEB_TOKEN in the environment"
)


def parse_address(ctx: click.Context, param: click.Parameter, value: str | None) -> Address | None:
    """[HOST:]PORT, on loopback without a host, for click."""
    if value is None:
        return None
    host, colon, port = value.rpartition(":")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host or (colon and not host):
        port = ""
    if not (port.isascii() and port.isdigit() and 1 <= int(port[:6]) <= 65_535):
        raise click.BadParameter(
            f"must be a port from 1 to 65535, or HOST:PORT, for instance 8080 or [::1]:8080,"
            f" got {value!r}",
            ctx,
            param,
        )
    return Address(host or LOOPBACK, int(port))


def web_options(command: Command) -> Command:
    """The page, what it remembers, and metrics for Prometheus."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


_OPTIONS = (
    click.option(
        "--web",
        callback=parse_address,
        metavar="[HOST:]PORT",
        help="Serve a web page; on this machine alone unless a host is given.",
    ),
    click.option(
        "--web-token",
        cls=SecretOption,
        help="What the web page and metrics ask for; needed where other machines can reach them.",
    ),
    click.option(
        "--history",
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="Keep what was heard in an SQLite file, for the web page and for later.",
    ),
    click.option(
        "--history-size",
        "history_size_mb",
        type=click.FloatRange(5, 100_000),
        default=50.0,
        show_default=True,
        metavar="MB",
        help="Most that the history file may hold; the oldest goes first.",
    ),
    click.option(
        "--metrics",
        callback=parse_address,
        metavar="[HOST:]PORT",
        help="Serve /metrics for Prometheus; may be the address of --web.",
    ),
)


def check_web(ctx: click.Context, options: dict[str, Any]) -> None:
    """What other machines can reach needs a token, and that one cannot guess."""
    from edge_asc.web.access import MIN_TOKEN_CHARACTERS

    token = options["web_token"]
    if token is not None and len(token) < MIN_TOKEN_CHARACTERS:
        raise click.BadParameter(
            f"must have at least {MIN_TOKEN_CHARACTERS} characters, has {len(token)};"
            f" {TOKEN_ADVICE}",
            ctx,
            param_hint="--web-token",
        )
    for name in ("web", "metrics"):
        address = options[name]
        if address is not None and token is None and not is_loopback(address.host):
            raise click.BadParameter(
                f"{address} can be reached by other machines, so it needs a token: {TOKEN_ADVICE};"
                f" or give the port alone, for {LOOPBACK}",
                ctx,
                param_hint=f"--{name}",
            )


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach `host`; a name may mean anything, except localhost."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def open_web(options: dict[str, Any], listening: Listening) -> list[Output]:
    """The history, the page and the metrics that the options ask for. Raises EdgeAscError."""
    history = _open_history(options, listening)
    outputs: list[Output] = [] if history is None else [history]
    try:
        for output in _open_servers(options, listening, history):
            outputs.append(output)
    except BaseException:
        for output in outputs:
            output.close()
        raise
    return outputs


def _open_history(options: dict[str, Any], listening: Listening) -> HistoryFile | None:
    from edge_asc.web.history_file import HistoryFile

    path = options["history"]
    if path is None:
        return None
    if not listening.wall_clock:
        raise OutputError(
            f"--history keeps times of day, and nobody knows when {listening.source.name} was"
            " recorded: give --time"
        )
    max_bytes = round(1e6 * options["history_size_mb"])
    return HistoryFile(path, max_bytes, listening.manifest.scenes, say=listening.say)


def _open_servers(
    options: dict[str, Any], listening: Listening, history: HistoryFile | None
) -> Iterator[Output]:
    web, address, token = options["web"], options["metrics"], options["web_token"]
    metrics = None
    if address is not None:
        with packages("metrics"):
            from edge_asc.sinks.metrics import Metrics
            from edge_asc.web.opening import open_metrics
            from edge_asc.web.output import MetricsOutput
        metrics = Metrics(listening.vitals)
    if web is not None:
        with packages("web"):
            from edge_asc.web.opening import open_page
        shared = metrics if address == web else None
        yield open_page(web, token, listening, history, shared)
    if metrics is not None and address == web:
        yield MetricsOutput(metrics, address, None)
    elif metrics is not None:
        yield open_metrics(address, token, listening, metrics)
