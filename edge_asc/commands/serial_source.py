"""`--source serial:PORT[:BAUD]`: a microcontroller's microphone; and every other source."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from edge_asc.commands.options import packages

if TYPE_CHECKING:
    from edge_asc.sources import AudioSource

SERIAL_PREFIX = "serial:"


def check_serial(ctx: click.Context, source: str) -> None:
    """Words that name no port are wrong usage; one that is not there may come yet."""
    with packages("serial"):
        from edge_asc.firmware_bridge.link.port import PortName
    try:
        PortName.parse(source.removeprefix(SERIAL_PREFIX))
    except ValueError as error:
        text = f"serial: {error}"
        raise click.BadParameter(text, ctx, param_hint="--source") from error


def open_any_source(
    options: dict[str, Any], preferred_rate_hz: int, *, fast: bool, say: Callable[[str], None]
) -> AudioSource:
    """The source of `--source`, with the options that go with it. Raises EdgeAscError."""
    from edge_asc.sources import MAX_LAG_S, RawFormat, open_source

    retry = not options["no_retry"]
    max_lag_s = options.get("max_lag_s", MAX_LAG_S)  # `record` has no such option
    if options["source"].startswith(SERIAL_PREFIX):
        with packages("serial"):
            from edge_asc.firmware_bridge.link.port import PortName
            from edge_asc.firmware_bridge.link.source import SerialMicrophone
        from edge_asc.sources.live import LiveSource

        name = PortName.parse(options["source"].removeprefix(SERIAL_PREFIX))
        capture = SerialMicrophone(name, say)
        return LiveSource(capture, retry=retry, max_lag_s=max_lag_s, say=say)
    return open_source(
        options["source"],
        preferred_rate_hz=preferred_rate_hz,
        device=options["device"],
        fast=fast,
        raw=RawFormat(options["rate"], options["channels"], options["sample_format"]),
        retry=retry,
        max_lag_s=max_lag_s,
        say=say,
    )
