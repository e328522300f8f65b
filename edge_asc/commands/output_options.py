"""Where `listen` tells what it hears: the options of all outputs, and the outputs they ask for.

Each kind of output has a module of its own with two functions: one that adds its options to a
command, one that opens what they ask for.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from edge_asc.commands.file_options import file_options, open_files
from edge_asc.commands.live import Foreground, open_live
from edge_asc.commands.mqtt_options import mqtt_options, open_mqtt
from edge_asc.commands.options import Command
from edge_asc.commands.web_options import open_web, web_options

if TYPE_CHECKING:
    from edge_asc.manifest import Manifest
    from edge_asc.outputs import Output
    from edge_asc.pause import PausableSource
    from edge_asc.sinks import Sink
    from edge_asc.vitals import Vitals


@dataclass(frozen=True, slots=True)
class Listening:
    """What an output may have to know of the run that it serves."""

    source: PausableSource
    manifest: Manifest
    vitals: Vitals
    wall_clock: bool
    """Whether the time of day is known at which the sound is, or would be, heard"""
    say: Callable[[str], None]
    """A note for the user, from any thread"""
    foreground: Foreground


Opener = Callable[[dict[str, Any], Listening], "list[Output]"]

_KINDS: tuple[tuple[Callable[[Any], Any], Opener], ...] = (
    (file_options, open_files),
    (mqtt_options, open_mqtt),
    (web_options, open_web),
)


def output_options(command: Command) -> Command:
    """`--format`, `--health`, and the options of all other outputs."""
    for add_options, _ in reversed(_KINDS):
        command = add_options(command)
    health = click.option(
        "--health",
        "health_every_s",
        type=click.FloatRange(0, 86_400),
        default=60.0,
        show_default=True,
        metavar="SECONDS",
        help="How often machine-readable outputs are told how the listener is; 0 = never.",
    )
    output_format = click.option(
        "--format",
        "output_format",
        type=click.Choice(["text", "live", "json", "csv", "none"]),
        default="text",
        show_default=True,
        help="Form of what standard output is told.",
    )
    return output_format(health(command))


def open_outputs(options: dict[str, Any], listening: Listening) -> list[Output]:
    """Every output that the options ask for, standard output first. Raises EdgeAscError."""
    outputs = _open_main(options, listening)
    try:
        for _, open_kind in _KINDS:
            outputs += open_kind(options, listening)
    except BaseException:
        for output in outputs:
            output.close()
        raise
    return outputs


def _open_main(options: dict[str, Any], listening: Listening) -> list[Output]:
    from edge_asc.sinks.console import StreamConsole
    from edge_asc.sinks.csv_lines import CsvLines, stream_form
    from edge_asc.sinks.jsonl import JsonLines
    from edge_asc.sinks.main_output import MainOutput

    sink: Sink
    if options["output_format"] == "none":
        return []
    if options["output_format"] == "live" and (view := open_live(options, listening)):
        return [view]
    if options["output_format"] == "json":
        sink = JsonLines(sys.stdout)
    elif options["output_format"] == "csv":
        sink = CsvLines(sys.stdout, stream_form(listening.manifest.scenes))
    else:
        sink = StreamConsole(sys.stdout, live=listening.wall_clock)
    return [MainOutput(sink)]
