"""`edge-asc listen`."""

from __future__ import annotations

import os
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edge_asc.commands.decision_options import (
    check_decisions,
    decision_options,
    drift_option,
    make_decider,
    make_drift_monitor,
)
from edge_asc.commands.file_options import check_files, check_logs
from edge_asc.commands.live import Foreground
from edge_asc.commands.mqtt_options import check_mqtt
from edge_asc.commands.options import (
    DEMONSTRATION_NOTE,
    city_option,
    load_classifier,
    model_option,
    raw_format_options,
    time_option,
    trust_option,
)
from edge_asc.commands.output_options import Listening, open_outputs, output_options
from edge_asc.commands.serial_source import SERIAL_PREFIX, check_serial, open_any_source
from edge_asc.commands.status_line import StatusLine
from edge_asc.commands.web_options import check_web
from edge_asc.config import configurable, name_origin, refuse_together, reparse
from edge_asc.errors import EdgeAscError

if TYPE_CHECKING:
    from edge_asc.classifier import SceneClassifier
    from edge_asc.context import SceneContext
    from edge_asc.listen import ListenSummary
    from edge_asc.service_manager import ServiceManager
    from edge_asc.signals import Signals
    from edge_asc.sources import AudioSource


@configurable
@click.command("listen")
@click.option(
    "--source",
    default="mic",
    metavar="mic|FILE|-|exec:COMMAND|serial:PORT[:BAUD]",
    help="A microphone (the default), a sound file, raw PCM on standard input or of a command, a"
    " microcontroller's microphone.",
)
@click.option(
    "--device",
    metavar="NAME",
    help="The microphone, by a part of its name or its ALSA id (see `devices`).",
)
@city_option
@time_option
@click.option(
    "--trust-clock",
    is_flag=True,
    help="Use the time of day even if nothing has set the clock since the start.",
)
@model_option
@trust_option
@output_options
@decision_options
@drift_option
@click.option("--fast", is_flag=True, help="Hear a recording as fast as it can be read.")
@click.option(
    "--seconds", type=click.FloatRange(min=0, min_open=True), help="Stop after so much sound."
)
@click.option(
    "--no-retry",
    is_flag=True,
    help="Fail when a live source is missing or stops, instead of waiting for it.",
)
@click.option(
    "--max-lag",
    "max_lag_s",
    type=click.FloatRange(0.5, 60),
    default=5.0,
    show_default=True,
    metavar="SECONDS",
    help="When listening is held up for longer, skip to the newest sound.",
)
@raw_format_options
@click.pass_context
def listen_to_source(ctx: click.Context, /, **options: Any) -> None:  # noqa: ANN401
    """Print one estimate of the scene a second.

    The first comes when a whole window has been heard. Ctrl-C ends it with a summary.

    \b
    edge-asc listen --city Beijing
    edge-asc listen --source walk.wav --fast --format json
    edge-asc listen --source 'exec:arecord -q -t raw -f S16_LE -r 48000' --rate 48000
    edge-asc listen --source serial:/dev/ttyACM0
    arecord -t raw -f S16_LE -r 48000 | edge-asc listen --source - --rate 48000
    """  # noqa: D301 (click wants the backspace character)
    from edge_asc.service_manager import ServiceManager
    from edge_asc.signals import Signals

    line = StatusLine()
    signals, manager = Signals(), ServiceManager.from_environment(say=line.say)
    _check_options(ctx, options)
    with signals.caught():
        try:
            run = _Run(options, line, manager, signals)
            while (summary := run.listen()) and signals.reload_asked:
                line.say(describe(summary))
                signals.reload_asked = False
                manager.reloading()
                run = run.reloaded(ctx)
        except KeyboardInterrupt:  # before there was anything to hear
            if signals.terminated or signals.quit_asked:
                return
            raise
        line.say(describe(summary))
        manager.stopping()
    _flush_stdout(run.num_unwritten)
    if summary.interrupted and not (signals.terminated or signals.quit_asked):
        ctx.exit(130)


def describe(summary: ListenSummary) -> str:
    """The last line: what was heard, and how often each scene led."""
    from edge_asc.scenes import display_name

    gaps = "1 gap" if summary.num_gaps == 1 else f"{summary.num_gaps} gaps"
    lost = f", lost {summary.lost_s:.1f} s in {gaps}" if summary.num_gaps else ""
    count = summary.num_estimates
    shares = ", ".join(
        f"{display_name(scene)} {100 * times / count:.0f} %"
        for scene, times in summary.scene_counts.items()
    )
    estimates = "1 estimate" if count == 1 else f"{count} estimates"
    return f"heard {summary.heard_s:.1f} s{lost}; {estimates}{': ' if shares else ''}{shares}"


class _Run:
    """Listening with one set of options, until its end or a reload."""

    def __init__(
        self,
        options: dict[str, Any],
        line: StatusLine,
        manager: ServiceManager,
        signals: Signals,
    ) -> None:
        self._options, self._line = options, line
        self._manager, self._signals = manager, signals
        self._classifier = load_classifier(options["model"], options["trust"])
        check_logs(options, self._classifier.manifest)
        self.num_unwritten = 0
        """Messages that a full disk kept from standard output"""
        self.paused = False
        """Whether somebody paused it, which outlasts a reload"""

    def listen(self) -> ListenSummary:
        with ExitStack() as stack:
            return self._listen(Foreground(self._line, self._signals.quit, stack))

    def _listen(self, foreground: Foreground) -> ListenSummary:
        from edge_asc.clock import clock_doubt
        from edge_asc.context import SceneContext
        from edge_asc.listen import Judgement, listen
        from edge_asc.outputs import FLUSH_S, FLUSH_WHEN_TERMINATED_S, Outputs
        from edge_asc.pause import PausableSource
        from edge_asc.vitals import Vitals

        options = self._options
        context = SceneContext(options["city"], options["local_time"])
        opened, manifest = self._open_source(), self._classifier.manifest
        judgement = Judgement(
            make_decider(self._classifier, options), make_drift_monitor(self._classifier, options)
        )
        _introduce(opened, self._classifier, context, self._line)
        wall_clock = opened.live or context.local_time is not None
        vitals = Vitals(opened.name, manifest.name, live=opened.live)
        source = PausableSource(opened, vitals)
        if self.paused:
            source.pause()
        listening = Listening(source, manifest, vitals, wall_clock, self._say, foreground)
        outputs = Outputs(open_outputs(options, listening), say=self._say, patient=not source.live)
        self._manager.ready()
        try:
            return listen(
                self._signals.interrupting(source),
                self._classifier,
                outputs,
                context,
                judgement=judgement,
                vitals=vitals,
                health_every_s=options["health_every_s"] or None,
                seconds=options["seconds"],
                say=self._say,
                progress=self._progress,
                alive=self._manager.alive,
                doubt=(lambda: None) if options["trust_clock"] else clock_doubt,
            )
        finally:
            self.paused = source.paused
            outputs.close(FLUSH_WHEN_TERMINATED_S if self._signals.terminated else FLUSH_S)
            self.num_unwritten += outputs.num_unwritten

    def reloaded(self, ctx: click.Context) -> _Run:
        """A run with what the command line and the files say now; this one if they are wrong."""
        try:
            newest = reparse(ctx)
            _check_options(newest, newest.params)
            run = _Run(newest.params, self._line, self._manager, self._signals)
        except (click.ClickException, EdgeAscError) as error:
            if isinstance(error, click.BadParameter):
                name_origin(error)
            text = error.format_message() if isinstance(error, click.ClickException) else str(error)
            self._line.say(f"not reloaded, listening goes on as before: {text}")
            self._classifier.begin_at(0.0)
            return self
        run.paused = self.paused
        return run

    def _open_source(self) -> AudioSource:
        rate_hz, fast = self._classifier.sample_rate_hz, self._options["fast"]
        return open_any_source(self._options, rate_hz, fast=fast, say=self._say)

    def _progress(self, heard_s: float, window_s: float) -> None:
        waiting = heard_s < window_s
        self._line.show(f"listening ... {int(heard_s)} of {window_s:g} s" if waiting else "")

    def _say(self, text: str) -> None:
        self._line.say(text)
        self._manager.status(text)


def _flush_stdout(num_unwritten: int) -> None:
    """What a full disk did not take must not make the end of the program a failure of its own."""
    if not num_unwritten:
        return
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    raise EdgeAscError(
        f"{num_unwritten} lines could not be written: the disk that standard output goes to"
        " was full"
    )


def _check_options(ctx: click.Context, options: dict[str, Any]) -> None:
    _check_source(ctx, options)
    check_decisions(ctx, options)
    check_files(ctx, options)
    check_mqtt(ctx, options)
    check_web(ctx, options)


def _check_source(ctx: click.Context, options: dict[str, Any]) -> None:
    """A source that is not there is wrong usage, known before anything is loaded."""
    from edge_asc.audio import check_file
    from edge_asc.errors import AudioError
    from edge_asc.sources import COMMAND_PREFIX

    source = options["source"]
    if source == "mic":
        return
    if options["device"] is not None:
        refuse_together(ctx, "device", "source", "--device is for a microphone")
    if source == "-" or source.startswith(COMMAND_PREFIX):
        return
    if source.startswith(SERIAL_PREFIX):
        check_serial(ctx, source)
        return
    try:
        check_file(Path(source))
    except AudioError as error:
        raise click.BadParameter(str(error), ctx, param_hint="--source") from error


def _introduce(
    audio: AudioSource,
    classifier: SceneClassifier,
    context: SceneContext,
    line: StatusLine,
) -> None:
    """Say what is listened to, with what, and what to think of it."""
    facts = classifier.manifest
    cost = "" if classifier.streams else ", each computed as a whole"
    line.say(
        f"listening to {audio.description} with model {facts.name} ({facts.quantization}):"
        f" windows of {facts.window_s:g} s, one every {classifier.hop_s:g} s{cost}"
    )
    if facts.demonstration:
        line.say(DEMONSTRATION_NOTE)
    if note := classifier.context_note(context):
        line.say(note)
