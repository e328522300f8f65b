"""`--source serial:PORT[:BAUD]`: a microcontroller's microphone; and every other source."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from edge_asc.commands.options import packages

if TYPE_CHECKING:
    from edge_asc.sources import AudioSource
    from edge_asc.sources.live import Capture

SERIAL_PREFIX = "serial:"


def check_serial(ctx: click.Context, source: str) -> None:
    """Words that name no port are wrong usage; one that is not there may come yet."""
    try:
        _capture(source, lambda text: None)
    except ValueError as error:
        text = f"serial: {error}"
        raise click.BadParameter(text, ctx, param_hint="--source") from error


def open_any_source(
    options: dict[str, Any], preferred_rate_hz: int, *, fast: bool, say: Callable[[str], None]
) -> AudioSource:
    """The source of `--source`, with the options that go with it. Raises EdgeAscError."""
    from edge_asc.sources import MAX_LAG_S, RawFormat, open_source
    from edge_asc.sources.live import LiveSource

    source, retry = options["source"], not options["no_retry"]
    max_lag_s = options.get("max_lag_s", MAX_LAG_S)  # `record` has no such option
    if source.startswith(SERIAL_PREFIX):
        return LiveSource(_capture(source, say), retry=retry, max_lag_s=max_lag_s, say=say)
    return open_source(
        source,
        preferred_rate_hz=preferred_rate_hz,
        device=options["device"],
        fast=fast,
        raw=RawFormat(options["rate"], options["channels"], options["sample_format"]),
        retry=retry,
        max_lag_s=max_lag_s,
        say=say,
    )


def _capture(source: str, say: Callable[[str], None]) -> Capture:
    """Raises ValueError for words that name no port."""
    with packages("serial"):
        from edge_asc.firmware_bridge.link.port import PortName
        from edge_asc.firmware_bridge.link.source import SerialMicrophone
    return SerialMicrophone(PortName.parse(source.removeprefix(SERIAL_PREFIX)), say)
