"""`edge-asc firmware`: microcontrollers that run the model."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

import click

from edge_asc.commands.firmware_check import check
from edge_asc.commands.firmware_export import export
from edge_asc.commands.options import (
    city_option,
    format_option,
    model_option,
    packages,
    time_option,
)

if TYPE_CHECKING:
    from edge_asc.firmware_bridge.link.monitor import Told
    from edge_asc.firmware_bridge.link.port import PortName


@click.group("firmware")
def firmware() -> None:
    """Microcontrollers that run the model."""


firmware.add_command(export)
firmware.add_command(check)


def _parse_port(ctx: click.Context, param: click.Parameter, value: str) -> PortName:
    with packages("serial"):
        from edge_asc.firmware_bridge.link.port import PortName
    try:
        return PortName.parse(value)
    except ValueError as error:
        raise click.BadParameter(str(error), ctx, param) from error


@firmware.command("monitor")
@click.argument("port", callback=_parse_port, metavar="PORT[:BAUD]")
@city_option
@time_option
@model_option
@format_option
@click.option(
    "--estimates",
    "most_estimates",
    type=click.IntRange(min=1),
    metavar="COUNT",
    help="Stop after so many.",
)
@click.option(
    "--no-retry", is_flag=True, help="Fail when the device is missing, instead of waiting for it."
)
def monitor(
    port: PortName,
    city: str | None,
    local_time: datetime | None,
    model: Path | None,
    output_format: str,
    most_estimates: int | None,
    no_retry: bool,
) -> None:
    """Show what a device reports that classifies by itself.

    MODEL must be the one its firmware was exported from. City and time are sent to the device;
    without --time it is this machine's clock.

    \b
    edge-asc firmware monitor /dev/ttyACM0 --city Beijing
    edge-asc firmware monitor /dev/ttyUSB0:115200 --format json
    """  # noqa: D301 (click wants the backspace character)
    with packages("serial"):
        from edge_asc.firmware_bridge.link.monitor import Monitor, Place
    from edge_asc.clock import clock_doubt
    from edge_asc.messages import Report
    from edge_asc.model_file import ModelFile
    from edge_asc.update import model_in_use

    say = partial(click.echo, err=True)
    manifest = ModelFile.read(model or model_in_use()).manifest
    if local_time is None and (doubt := clock_doubt()):
        say(f"{doubt}; the device is told no time (--time gives one)")
    elif local_time is None:
        local_time = datetime.now().astimezone()
    if city is not None and city not in manifest.trained_cities:
        say(f"no training clip of {manifest.name} came from {city}: it is 'unknown city' there")
        city = None
    write, count = _writer(output_format, sys.stdout), 0

    def tell(message: Told) -> None:
        nonlocal count
        write(message)
        count += isinstance(message, Report)
        if count == most_estimates:
            watching.closing.set()

    watching = Monitor(
        port, manifest, Place(city, local_time), tell=tell, say=say, retry=not no_retry
    )
    watching.run()


def _writer(output_format: str, stream: TextIO) -> Callable[[Told], None]:
    """What writes a message as a line of text or of JSON."""
    from edge_asc.firmware_bridge.link.monitor import LogLine
    from edge_asc.sinks.console import StreamConsole
    from edge_asc.sinks.json_values import SCHEMA_VERSION, iso, to_line

    console = StreamConsole(stream, live=True)

    def write(message: Told) -> None:
        if not isinstance(message, LogLine):
            if output_format == "json":
                click.echo(to_line(message), stream)
            else:
                console.write(message)
            return
        level = message.level.name.lower()
        values = {"schema": SCHEMA_VERSION, "type": "log", "time": iso(message.time)}
        values |= {"source": message.source, "level": level, "text": message.text}
        text = f"{message.time:%H:%M:%S}  [{level}] {message.text}"
        click.echo(json.dumps(values) if output_format == "json" else text, stream)

    return write
