"""`edge-asc listen`."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

import click

from edge_asc.commands.options import (
    DEMONSTRATION_NOTE,
    city_option,
    format_option,
    load_classifier,
    model_option,
    time_option,
    trust_option,
)

if TYPE_CHECKING:
    from edge_asc.classifier import SceneClassifier
    from edge_asc.context import SceneContext
    from edge_asc.listen import ListenSummary
    from edge_asc.sinks import EstimateSink
    from edge_asc.sources import AudioSource


@click.command("listen")
@click.option(
    "--source",
    default="mic",
    metavar="mic|FILE|-",
    help="A microphone (the default), a sound file, or raw PCM on standard input.",
)
@click.option(
    "--device", metavar="NAME", help="The microphone, by a part of its name (see `devices`)."
)
@city_option
@time_option
@model_option
@trust_option
@format_option
@click.option("--fast", is_flag=True, help="Hear a recording as fast as it can be read.")
@click.option(
    "--seconds", type=click.FloatRange(min=0, min_open=True), help="Stop after so much sound."
)
@click.option(
    "--rate",
    type=click.IntRange(1_000, 768_000),
    default=44_100,
    show_default=True,
    help="Sample rate of raw PCM, in Hz.",
)
@click.option(
    "--channels",
    type=click.IntRange(1, 64),
    default=1,
    show_default=True,
    help="Channels of raw PCM; they are averaged.",
)
@click.option(
    "--sample-format",
    type=click.Choice(["s16", "s32", "f32"]),
    default="s16",
    show_default=True,
    help="Samples of raw PCM, little-endian.",
)
@click.pass_context
def listen_to_source(
    ctx: click.Context,
    source: str,
    device: str | None,
    city: str | None,
    local_time: datetime | None,
    model: Path | None,
    trust: Path | None,
    output_format: str,
    fast: bool,
    seconds: float | None,
    rate: int,
    channels: int,
    sample_format: str,
) -> None:
    """Print one estimate of the scene a second.

    The first comes when a whole window has been heard. Ctrl-C ends it with a summary.

    \b
    edge-asc listen --city Beijing
    edge-asc listen --source walk.wav --fast --format json
    arecord -t raw -f S16_LE -r 48000 | edge-asc listen --source - --rate 48000
    """  # noqa: D301 (click wants the backspace character)
    from edge_asc.context import SceneContext
    from edge_asc.listen import listen
    from edge_asc.sources import RawFormat, open_source

    _check_source(source, device)
    terminal = _Terminal()
    context = SceneContext(city, local_time)
    with _sigterm_as_interrupt() as terminated:
        classifier = load_classifier(model, trust)
        audio = open_source(
            source,
            preferred_rate_hz=classifier.sample_rate_hz,
            device=device,
            fast=fast,
            raw=RawFormat(rate, channels, sample_format),
            say=terminal.say,
        )
        _introduce(audio, classifier, context, terminal, paced=not (fast or source == "-"))
        summary = listen(
            audio,
            classifier,
            [_make_sink(output_format, wall_clock=audio.live or local_time is not None)],
            context,
            seconds=seconds,
            say=terminal.say,
            progress=terminal.progress,
        )
        terminal.say(describe(summary))
    if summary.interrupted and not terminated:
        ctx.exit(130)


class _Terminal:
    """Lines on stderr, and on a terminal one that is overwritten while the first window fills."""

    def __init__(self) -> None:
        self._is_terminal = sys.stderr.isatty()
        self._shown = ""

    def say(self, text: str) -> None:
        self._overwrite("")
        click.echo(text, err=True)

    def progress(self, heard_s: float, window_s: float) -> None:
        waiting = heard_s < window_s
        self._overwrite(f"listening ... {int(heard_s)} of {window_s:g} s" if waiting else "")

    def _overwrite(self, text: str) -> None:
        if not self._is_terminal or text == self._shown:
            return
        click.echo(f"\r{text:<{len(self._shown)}}" + ("" if text else "\r"), nl=False, err=True)
        self._shown = text


def describe(summary: ListenSummary) -> str:
    """The last line: what was heard, and how often each scene led."""
    from edge_asc.scenes import display_name

    lost = f", lost {summary.lost_s:.1f} s" if summary.lost_s else ""
    count = summary.num_estimates
    shares = ", ".join(
        f"{display_name(scene)} {100 * times / count:.0f} %"
        for scene, times in summary.scene_counts.items()
    )
    estimates = "1 estimate" if count == 1 else f"{count} estimates"
    return f"heard {summary.heard_s:.1f} s{lost}; {estimates}{': ' if shares else ''}{shares}"


def _check_source(source: str, device: str | None) -> None:
    """A source that is not there is wrong usage, known before anything is loaded."""
    from edge_asc.audio import check_file
    from edge_asc.errors import AudioError

    if source == "mic":
        return
    if device is not None:
        raise click.UsageError(
            "--device is for a microphone; it cannot be used with --source " + source
        )
    if source != "-":
        try:
            check_file(Path(source))
        except AudioError as error:
            raise click.BadParameter(str(error), param_hint="--source") from error


@contextmanager
def _sigterm_as_interrupt() -> Iterator[list[int]]:
    """Let SIGTERM end listening as Ctrl-C does; the list yielded holds the signal once it came."""
    received: list[int] = []

    def interrupt(number: int, _: FrameType | None) -> None:
        received.append(number)
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield received
    finally:
        signal.signal(signal.SIGTERM, before)


def _introduce(
    audio: AudioSource,
    classifier: SceneClassifier,
    context: SceneContext,
    terminal: _Terminal,
    *,
    paced: bool,
) -> None:
    """Say what is listened to, with what, and what to think of it."""
    facts = classifier.manifest
    pace = (
        "live" if audio.live else "as it would be heard" if paced else "as fast as it can be read"
    )
    terminal.say(
        f"listening to {audio.name} ({audio.sample_rate_hz} Hz, {pace}) with model {facts.name}"
        f" ({facts.quantization}): windows of {facts.window_s:g} s,"
        f" one every {classifier.hop_s:g} s"
    )
    if facts.demonstration:
        terminal.say(DEMONSTRATION_NOTE)
    if note := classifier.context_note(context):
        terminal.say(note)


def _make_sink(output_format: str, *, wall_clock: bool) -> EstimateSink:
    from edge_asc.sinks import console, jsonl

    if output_format == "json":
        return jsonl.JsonLines(sys.stdout)
    return console.Console(sys.stdout, console.wall_clock if wall_clock else console.elapsed)
