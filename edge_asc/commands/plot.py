"""`edge-asc plot`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from edge_asc.commands.decision_options import check_decisions, decision_options, make_decider
from edge_asc.commands.options import (
    PATH,
    city_option,
    load_classifier,
    model_option,
    packages,
    time_option,
    trust_option,
)
from edge_asc.commands.status_line import StatusLine

if TYPE_CHECKING:
    from edge_asc.plot.timeline import Timeline

_LOG_SUFFIX = ".jsonl"
_PICTURE_SUFFIXES = (".png", ".svg")


@click.command("plot")
@click.argument("file", type=PATH)
@click.option(
    "-o",
    "--out",
    type=PATH,
    metavar="FILE",
    help="The picture, .png or .svg; else FILE's name.png. One that is there is replaced.",
)
@city_option
@time_option
@model_option
@trust_option
@decision_options
@click.pass_context
def plot(ctx: click.Context, /, file: Path, out: Path | None, **options: Any) -> None:  # noqa: ANN401
    """Draw a recording, or a log of days.

    Of a recording: its level, its spectrogram, the belief in each scene and what is decided, as
    `listen` would. Of a log, which `listen --log FILE.jsonl` wrote: level, belief, decisions, lost
    sound and what the listener did, by the time of day.

    \b
    edge-asc plot walk.wav
    edge-asc plot walk.wav --city Luoyang --time 2026-05-17T14:30 -o walk.svg
    edge-asc plot scenes.jsonl -o week.png
    """  # noqa: D301 (click wants the backspace character)
    out = out or file.with_suffix(".png")
    _check(ctx, file, out)
    line = StatusLine()
    with packages("plot"):
        from edge_asc.plot.drawing import draw
    if file.suffix.lower() == _LOG_SUFFIX:
        from edge_asc.plot.log import read_log

        timeline = read_log(file, line.say, line.show)
    else:
        timeline = _hear(file, options, line)
    draw(timeline, out)
    line.say(f"wrote {out}")


def _hear(file: Path, options: dict[str, Any], line: StatusLine) -> Timeline:
    from edge_asc.context import SceneContext
    from edge_asc.plot.recording import Hearing, hear

    classifier = load_classifier(options["model"], options["trust"])
    context = SceneContext(options["city"], options["local_time"])
    if note := classifier.context_note(context):
        line.say(note)
    decider = make_decider(classifier, options)
    return hear(file, Hearing(classifier, context, decider, line.say, line.show))


def _check(ctx: click.Context, file: Path, out: Path) -> None:
    """Files that are not there, and options that a log leaves no room for, are wrong usage."""
    from edge_asc.audio import check_file
    from edge_asc.errors import AudioError

    try:
        check_file(file)
    except AudioError as error:
        raise click.BadParameter(str(error), ctx, param_hint="FILE") from error
    if out.suffix.lower() not in _PICTURE_SUFFIXES:
        raise click.BadParameter(f"must end in .png or .svg, got {out}", ctx, param_hint="--out")
    if file.suffix.lower() == ".csv":
        raise click.BadParameter(
            f"{file}: a table does not hold all that is drawn; `listen --log FILE.jsonl` writes a"
            " log that does",
            ctx,
            param_hint="FILE",
        )
    if file.suffix.lower() == _LOG_SUFFIX:
        _refuse_options(ctx)
    else:
        check_decisions(ctx, ctx.params)


def _refuse_options(ctx: click.Context) -> None:
    for param in ctx.command.params:
        typed = ctx.get_parameter_source(str(param.name)) is ParameterSource.COMMANDLINE
        if typed and param.name not in ("file", "out"):
            raise click.UsageError(
                f"{max(param.opts, key=len)} is for a recording: a log says what was heard and"
                " decided already; leave it out",
                ctx,
            )
