"""`edge-asc record`."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edge_asc.commands.options import PATH, city_option, raw_format_options
from edge_asc.commands.serial_source import SERIAL_PREFIX, check_serial, open_any_source
from edge_asc.commands.status_line import StatusLine
from edge_asc.config import configurable, refuse_together

if TYPE_CHECKING:
    from edge_asc.level import Level
    from edge_asc.record import Progress, RecordSummary
    from edge_asc.sources import AudioSource

_OWN_CLASS = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
_METER_FLOOR_DBFS = -60.0
_METER_CELLS = 30


@configurable
@click.command("record")
@click.option(
    "--scene", required=True, metavar="NAME", help="What is heard: one of the ten CAS scenes."
)
@click.option(
    "--own-class", is_flag=True, help="Let --scene be a class of your own: a-z, 0-9, _ and -."
)
@click.option(
    "--minutes",
    type=click.FloatRange(min=0, min_open=True),
    help="Stop after so long; without it, at Ctrl-C.",
)
@click.option(
    "--out",
    type=PATH,
    default=Path("recordings"),
    show_default=True,
    metavar="DIR",
    help="Folder that the clips are added to.",
)
@city_option
@click.option("--place", default="", metavar="TEXT", help="Where in the city, for people.")
@click.option(
    "--group",
    metavar="NAME",
    help="The visit, if it goes on from an earlier run; without it, each run is one.",
)
@click.option(
    "--source",
    default="mic",
    show_default=True,
    metavar="mic|-|exec:COMMAND|serial:PORT[:BAUD]",
    help="A microphone, raw PCM on standard input or of a command, a microcontroller's microphone.",
)
@click.option(
    "--device",
    metavar="NAME",
    help="The microphone, by a part of its name or its ALSA id (see `devices`).",
)
@click.option(
    "--max-size",
    type=click.FloatRange(min=0, min_open=True),
    default=1000.0,
    show_default=True,
    metavar="MB",
    help="Most sound that the folder may hold.",
)
@click.option(
    "--trust-clock",
    is_flag=True,
    help="Use the time of day even if nothing has set the clock since the start.",
)
@click.option(
    "--no-retry",
    is_flag=True,
    help="Fail when a live source is missing or stops, instead of waiting for it.",
)
@raw_format_options
@click.pass_context
def record_clips(ctx: click.Context, /, **options: Any) -> None:  # noqa: ANN401
    """Collect labelled clips of 10 s for training.

    Writes FLAC files and their table, clips.csv, which `edge-asc train` reads. This is the only
    command that writes sound.

    \b
    edge-asc record --scene bus --city Beijing --minutes 10
    edge-asc record --scene kitchen --own-class --out home --device USB
    """  # noqa: D301 (click wants the backspace character)
    label = _label(ctx, options["scene"], options["own_class"])
    for name in ("place", "group"):
        _check_text(ctx, name, options[name])
    _check_source(ctx, options)
    _check_minutes(ctx, options["minutes"])
    summary = _record(label, options)
    if summary.interrupted:
        ctx.exit(130)


def _record(label: str, options: dict[str, Any]) -> RecordSummary:
    from datetime import datetime, timezone

    from edge_asc.clip_folder import MEGABYTE, open_clip_folder
    from edge_asc.clock import clock_doubt
    from edge_asc.record import Visit, name_at, record

    display = TerminalDisplay()
    source = _open_source(options, display)
    required = [name for name in ("city", "place") if options[name]]
    minutes, out = options["minutes"], options["out"]
    with open_clip_folder(
        out,
        also_required=required,
        max_bytes=round(options["max_size"] * MEGABYTE),
        say=display.say,
    ) as folder:
        group = options["group"] or folder.new_group(name_at(label, datetime.now(timezone.utc)))
        display.say(
            f"recording {source.description} as {label}, group {group}: all sound from now on is"
            f" written to {out.absolute()}, in clips of 10 s; it is sent nowhere"
        )
        summary = record(
            source,
            folder,
            Visit(label, group, options["city"], options["place"]),
            display,
            seconds=None if minutes is None else 60.0 * minutes,
            doubt=(lambda: None) if options["trust_clock"] else clock_doubt,
        )
    display.say(describe(summary, out))
    return summary


def _label(ctx: click.Context, name: str, own_class: bool) -> str:
    from edge_asc.errors import ContextError
    from edge_asc.scenes import find_scene

    if own_class:
        if _OWN_CLASS.fullmatch(name):
            return name
        raise click.BadParameter(
            f"a class of your own is up to 64 of a-z, 0-9, _ and -, got {name!r}",
            ctx,
            param_hint="--scene",
        )
    try:
        return find_scene(name)
    except ContextError as error:
        raise click.BadParameter(
            f"{error} (a class of your own: --own-class)", ctx, param_hint="--scene"
        ) from error


def _check_text(ctx: click.Context, name: str, text: str | None) -> None:
    if text and not (text.isprintable() and text == text.strip() and len(text) <= 200):
        raise click.BadParameter(
            f"must be one line of up to 200 characters, without space at its ends, got {text!r}",
            ctx,
            param_hint=f"--{name}",
        )


def _check_source(ctx: click.Context, options: dict[str, Any]) -> None:
    from edge_asc.sources import COMMAND_PREFIX

    source = options["source"]
    if source.startswith(SERIAL_PREFIX):
        check_serial(ctx, source)
    elif source not in ("mic", "-") and not source.startswith(COMMAND_PREFIX):
        raise click.BadParameter(
            f"must be mic, -, exec:COMMAND or serial:PORT, got {source!r}; a recording that is"
            " there already needs no copy, only a line in the table (docs/data.md)",
            ctx,
            param_hint="--source",
        )
    if source != "mic" and options["device"] is not None:
        refuse_together(ctx, "device", "source", "--device is for a microphone")


def _check_minutes(ctx: click.Context, minutes: float | None) -> None:
    from edge_asc.record import CLIP_S

    if minutes is not None and 60.0 * minutes < CLIP_S:
        raise click.BadParameter(
            f"{minutes:g} minutes are shorter than one clip of {CLIP_S} s",
            ctx,
            param_hint="--minutes",
        )


def _open_source(options: dict[str, Any], display: TerminalDisplay) -> AudioSource:
    from edge_asc.features import FeatureConfig

    # What `listen` asks for: training hears a microphone as the model will hear it.
    rate_hz = FeatureConfig().sample_rate_hz
    return open_any_source(options, rate_hz, fast=False, say=display.say)


class TerminalDisplay(StatusLine):
    """On a terminal a meter that is overwritten, else a line a clip; all of it on stderr."""

    def heard(self, level: Level, progress: Progress) -> None:
        """Show the meter."""
        if self.is_terminal:
            self.show(meter(level, progress))

    def kept(self, file: str, level: Level, progress: Progress) -> None:
        """A line for the clip; on a terminal the meter counts it."""
        if not self.is_terminal:
            self.say(
                f"{file}: {decibels(level.rms_dbfs)}, peak {decibels(level.peak_dbfs)};"
                f" {standing(progress)}"
            )


def meter(level: Level, progress: Progress) -> str:
    """One line, # up to the RMS and - up to the peak, from -60 to 0 dBFS.

    [##########----------          ]  -40 dBFS, peak  -20 dBFS; 3 clips, 2.1 MB, 1:25 left
    """

    def cells(dbfs: float) -> int:
        share = max(0.0, 1.0 - dbfs / _METER_FLOOR_DBFS)
        return min(_METER_CELLS, round(_METER_CELLS * share))

    bar = "#" * cells(level.rms_dbfs)
    peak_at = max(len(bar), cells(level.peak_dbfs))
    bar = (bar + "-" * (peak_at - len(bar))).ljust(_METER_CELLS)
    return (
        f"[{bar}] {decibels(level.rms_dbfs):>9}, peak {decibels(level.peak_dbfs):>9};"
        f" {standing(progress)}"
    )


def decibels(dbfs: float) -> str:
    """A level as people read it."""
    return "silence" if dbfs == float("-inf") else f"{dbfs:.0f} dBFS"


def standing(progress: Progress) -> str:
    """Clips so far, size, time left."""
    from edge_asc.clip_folder import MEGABYTE

    left_s = None if progress.left_s is None else math.ceil(progress.left_s)
    left = "" if left_s is None else f", {left_s // 60}:{left_s % 60:02} left"
    return f"{_clips(progress.num_clips)}, {progress.num_bytes / MEGABYTE:.1f} MB{left}"


def describe(summary: RecordSummary, out: Path) -> str:
    """The last line: what there is now."""
    progress = summary.progress
    parts = [
        f"{summary.ended}: {_clips(progress.num_clips)} recorded into {out}",
        f"heard {progress.heard_s:.1f} s",
        *([f"lost {progress.lost_s:.1f} s"] if progress.lost_s else []),
        *([f"dropped {progress.dropped_s:.1f} s"] if progress.dropped_s else []),
    ]
    return ", ".join(parts)


def _clips(count: int) -> str:
    return "1 clip" if count == 1 else f"{count} clips"
