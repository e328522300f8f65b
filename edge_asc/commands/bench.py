"""`edge-asc bench`: measures this device; sub-commands compare and show what was measured."""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edge_asc.commands.bench_operators import profile_operators
from edge_asc.commands.bench_peers import peers
from edge_asc.commands.bench_show import compare_results, publish_result, report_results
from edge_asc.commands.options import PATH, format_option
from edge_asc.commands.status_line import StatusLine

if TYPE_CHECKING:
    from edge_asc.benchmarks.bench.ina219 import Place
    from edge_asc.benchmarks.bench.result import Result

_HELP = ("-h", "--help")
_INTERRUPTED = 130


class _Bench(click.Group):
    """Takes a first word that is no sub-command of it as a word of `run`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if not args or args[0] not in (*self.commands, *_HELP):
            args = ["run", *args]
        return super().parse_args(ctx, args)


@click.group(cls=_Bench)
def bench() -> None:
    """Measure this device, every stage from sound to answer.

    Without a command it runs: options and models are those of `run`, see `run --help`.

    \b
    edge-asc bench
    edge-asc bench int8.tflite float.tflite -o today.json
    """  # noqa: D301 (click wants the backspace character)


def _parse_place(ctx: click.Context, param: click.Parameter, value: str | None) -> Place | None:
    from edge_asc.benchmarks.bench.ina219 import Place

    try:
        return None if value is None else Place.parse(value)
    except ValueError as error:
        raise click.BadParameter(str(error), ctx, param) from error


@bench.command()
@click.argument("models", nargs=-1, type=PATH, metavar="[MODEL]...")
@click.option(
    "--audio", type=PATH, metavar="FILE", help="A recording of at least 10 s; else a clip of ours."
)
@click.option(
    "--runs",
    type=click.IntRange(min=1),
    default=100,
    show_default=True,
    help="Windows and hops of each model.",
)
@click.option(
    "--warm-up",
    type=click.IntRange(min=0),
    default=10,
    show_default=True,
    help="Runs that come first and do not count.",
)
@click.option(
    "--minutes",
    type=click.FloatRange(min=0),
    default=0.25,
    show_default=True,
    help="How long each model hears sound at its pace; 0: not at all.",
)
@click.option(
    "--hop",
    "hop_s",
    type=click.FloatRange(min=0.01),
    metavar="SECONDS",
    help="Meanwhile a hop of sound comes so often, and must be answered by the next; else as it is"
    " heard, every second.",
)
@click.option(
    "--starts",
    type=click.IntRange(min=0),
    default=5,
    show_default=True,
    help="Fresh processes of each model.",
)
@click.option(
    "--threads",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="Of the interpreter.",
)
@click.option("--seed", type=click.IntRange(min=0), default=1, show_default=True, help="Of order.")
@click.option(
    "--watts", type=click.FloatRange(min=0, min_open=True), help="What the machine takes, by you."
)
@click.option(
    "--ina219",
    callback=_parse_place,
    metavar="BUS:ADDRESS[:OHMS]",
    help="A power monitor on I2C, as 1:0x40:0.1.",
)
@click.option("-o", "--out", type=PATH, metavar="FILE", help="Write the result as JSON.")
@format_option
@click.pass_context
def run(
    ctx: click.Context,
    /,
    models: tuple[Path, ...],
    audio: Path | None,
    out: Path | None,
    output_format: str,
    watts: float | None,
    ina219: Place | None,
    **settings: Any,  # noqa: ANN401 - click's values, by the names of Settings
) -> None:
    """Measure MODEL, or several of them in shuffled order.

    Without a MODEL: with the one that `listen` would use. Times of every stage and end to end, of a
    whole window, of a hop of a stream and of sound in real time; cold start, memory, throughput,
    share of a core, energy where a meter exists; heat, clock and load meanwhile. Ctrl-C ends it:
    what was measured by then is told and written.

    \b
    edge-asc bench
    edge-asc bench int8.tflite float.tflite --audio street.flac -o today.json
    edge-asc bench --minutes 60 -o hour.json
    """  # noqa: D301 (click wants the backspace character)
    from edge_asc.benchmarks.bench.energy import find_meters
    from edge_asc.benchmarks.bench.machine import Machine
    from edge_asc.benchmarks.bench.run import Run, Settings, Telling
    from edge_asc.benchmarks.bench.subject import opened_sound, read_subjects
    from edge_asc.update import model_in_use

    _check_out(ctx, out)
    line = StatusLine()
    machine = Machine()
    subjects = read_subjects(models or (model_in_use(),))
    longest_s = max(subject.model.manifest.window_s for subject in subjects)
    meters = find_meters(machine, watts, ina219)
    try:
        with opened_sound(audio, longest_s) as sound:
            telling = Telling(line.say, line.show)
            measured = Run(subjects, sound, Settings(**settings), meters, machine, telling)
            with _terminated_as_interrupted():
                measured.measure()
    finally:
        for meter in meters:
            meter.close()
    result = measured.result()
    written = out is None or _write(result, out, line)  # before a reader of stdout goes away
    _tell(result, output_format)
    if not (result.complete or measured.failure):
        ctx.exit(_INTERRUPTED)
    ctx.exit(0 if written and result.complete else 1)


@contextmanager
def _terminated_as_interrupted() -> Iterator[None]:
    """SIGTERM means what Ctrl-C does: write what was measured."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _check_out(ctx: click.Context, out: Path | None) -> None:
    """What can be known before the measurement is known before it."""
    if out is not None and out.is_dir():
        raise click.BadParameter(f"{out} is a folder; name a file in it", ctx, param_hint="--out")


def _tell(result: Result, output_format: str) -> None:
    from edge_asc.benchmarks.bench.text import describe

    if output_format == "json":
        click.echo(result.to_json())
        return
    for text in describe(result):
        click.echo(text)


def _write(result: Result, out: Path, line: StatusLine) -> bool:
    """Write the result to `out`, or where else there is room; whether it is where it should be."""
    import tempfile

    try:
        result.write(out)
    except OSError as error:
        line.say(f"edge-asc: error: {out} cannot be written: {error.strerror or error}")
    else:
        line.say(f"wrote {out}")
        return True
    folder = Path(tempfile.gettempdir())
    try:
        spare = Path(tempfile.mkdtemp(prefix="edge-asc-bench-", dir=folder)) / "result.json"
        result.write(spare)
        line.say(f"the result is in {spare} instead; copy it, before a restart empties that folder")
    except OSError as error:
        line.say(f"nor is there room in {folder} ({error.strerror or error}); the result follows")
        json.dump(result.to_dict(), sys.stderr)
        line.say("")
    return False


for _command in (compare_results, report_results, publish_result, profile_operators, peers):
    bench.add_command(_command)
