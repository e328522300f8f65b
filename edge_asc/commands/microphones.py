"""`edge-asc devices`."""

from __future__ import annotations

import json

import click

from edge_asc.commands.options import format_option


@click.command("devices")
@format_option
def show_devices(output_format: str) -> None:
    """List the microphones.

    A device is chosen by a part of its name, or by its ALSA id: edge-asc listen --device NAME.
    Numbers change whenever a device comes or goes; those in a name are overlooked then.
    """
    from edge_asc.sources.portaudio import list_inputs

    rows = [
        {
            "name": device.name,
            "alsa_id": device.alsa_id,
            "host_api": device.host_api,
            "channels": device.channels,
            "default_rate_hz": device.default_rate_hz,
            "default": device.is_default,
        }
        for device in list_inputs()
    ]
    if output_format == "json":
        click.echo(json.dumps(rows, indent=1))
        return
    if not rows:
        click.echo("no device can record; connect a microphone, or use a file or a pipe", err=True)
        return
    width = max(len(str(row["name"])) for row in rows)
    for row in rows:
        mark = "*" if row["default"] else " "
        alsa_id = f", ALSA id {row['alsa_id']}" if row["alsa_id"] else ""
        click.echo(
            f"{mark} {row['name']:<{width}}  {row['host_api']}{alsa_id},"
            f" channels: {row['channels']}, {row['default_rate_hz']} Hz"
        )
    click.echo("* is the default", err=True)
