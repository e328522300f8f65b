"""What all outputs together take of a processor and of memory, at one estimate a second.

    python -m edge_asc.benchmarks.outputs_cost RECORDING [--seconds 60]

JSON lines on standard output and in a file, CSV, MQTT to a mosquitto, the web page with two
browsers, its history, metrics that are scraped, and a command for each change of scene. The
recording is classified first, and fast; then its messages go to the outputs in real time, in a
process that does nothing else. Memory is that of two whole listeners, one without any of it.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import ExitStack
from pathlib import Path

import click

from edge_asc.benchmarks.listener import Listener
from edge_asc.benchmarks.process_facts import read_facts
from edge_asc.benchmarks.view_cost import hear
from edge_asc.benchmarks.web_cost import free_port, read_stream, scrape, wait_for_server
from edge_asc.commands.listen import listen_to_source
from edge_asc.commands.live import Foreground
from edge_asc.commands.output_options import Listening, open_outputs
from edge_asc.commands.status_line import StatusLine
from edge_asc.messages import Message
from edge_asc.outputs import Outputs
from edge_asc.pause import PausableSource
from edge_asc.sources.audio_file import AudioFile
from edge_asc.update import open_best_model
from edge_asc.vitals import Vitals

_SETTLE_S = 5.0


class Everything:
    """Every output, what it needs, and who reads it."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self._web, self._metrics, broker = free_port(), free_port(), free_port()
        command = ["mosquitto", "-p", str(broker)]
        path = os.environ["PATH"] + ":/usr/sbin"  # Debian has it where only root looks
        mosquitto = subprocess.Popen(
            command, env={**os.environ, "PATH": path}, stderr=subprocess.DEVNULL
        )
        stack.callback(mosquitto.kill)
        wait_for_server(broker)
        self.options = [
            *("--log", f"{folder}/scenes.jsonl", "--log", f"{folder}/scenes.csv"),
            *("--mqtt", f"mqtt://127.0.0.1:{broker}", "--mqtt-discovery"),
            *("--web", str(self._web), "--history", f"{folder}/history.sqlite"),
            *("--metrics", str(self._metrics), "--on-change", "true"),
        ]

    def read(self, stop: threading.Event) -> None:
        """Be two browsers and Prometheus, from now on."""
        wait_for_server(self._web)
        wait_for_server(self._metrics)
        for _ in range(2):
            threading.Thread(target=read_stream, args=(self._web,), daemon=True).start()
        threading.Thread(target=scrape, args=(self._metrics, stop), daemon=True).start()


def cpu_share(recording: Path, seconds: float) -> tuple[float, float]:
    """Share of a core of all outputs, children included, and of a process that only waits."""
    classifier = open_best_model(None, click.echo)
    messages = hear(recording, classifier, seconds)
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        everything = Everything(Path(folder), stack)
        arguments = [*everything.options, "--format", "none", "--source", str(recording)]
        context = listen_to_source.make_context("listen", arguments)
        vitals = Vitals("recording", classifier.manifest.name, live=True)
        source = PausableSource(AudioFile(recording), vitals)
        foreground = Foreground(StatusLine(), lambda: None, stack)
        listening = Listening(source, classifier.manifest, vitals, True, click.echo, foreground)
        outputs = Outputs(open_outputs(context.params, listening), say=click.echo)
        stack.callback(outputs.close)
        stop = threading.Event()
        stack.callback(stop.set)
        child = os.fork()
        if child == 0:  # browsers and Prometheus are not what is measured
            everything.read(stop)
            time.sleep(seconds + 60.0)
            os._exit(0)
        stack.callback(os.kill, child, 9)
        time.sleep(_SETTLE_S)
        with_outputs = _share(outputs, messages, seconds)
    with_none = _share(Outputs([], say=click.echo), messages, seconds)
    return with_outputs, with_none


def _share(outputs: Outputs, messages: list[Message], seconds: float) -> float:
    began, began_s = os.times(), time.monotonic()
    for number in range(round(seconds)):
        outputs.write(messages[number % len(messages)])
        time.sleep(max(0.0, began_s + number + 1 - time.monotonic()))
    ended = os.times()
    used_s = sum(ended[:4]) - sum(began[:4])
    return used_s / (time.monotonic() - began_s)


def memory_mb(recording: Path) -> tuple[float, float]:
    """Of a listener with all outputs, and of one with none, after thirty estimates."""
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        everything = Everything(Path(folder), stack)
        source = ("--source", str(recording), "--time", "2026-05-17T06:00")
        listeners = [
            stack.enter_context(Listener(*source, *options)) for options in (everything.options, ())
        ]
        stop = threading.Event()
        everything.read(stop)
        for listener in listeners:
            listener.wait_for_estimates(30)
        facts = [read_facts(listener.process.pid) for listener in listeners]
        stop.set()
    return facts[0].rss_mb, facts[1].rss_mb


@click.command()
@click.argument("recording", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--seconds", default=60.0, show_default=True)
def main(recording: Path, seconds: float) -> None:
    """Print what all outputs together take."""
    share, idle_share = cpu_share(recording, seconds)
    all_mb, none_mb = memory_mb(recording)
    click.echo(
        f"all outputs: {100 * share:.2f} % of a core, a process that only waits"
        f" {100 * idle_share:.2f} %\n"
        f"listener with all outputs {all_mb:.1f} MB, with none {none_mb:.1f} MB:"
        f" {all_mb - none_mb:+.1f} MB"
    )


if __name__ == "__main__":
    sys.exit(main())
