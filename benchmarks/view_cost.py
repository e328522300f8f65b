"""What the terminal view takes of a processor, with one estimate a second.

    python -m edge_asc.benchmarks.view_cost RECORDING [--seconds 60] [--columns 80] [--rows 24]

The recording is classified first, and fast. Then its messages are given to the view in real time,
in this process, which does nothing else; at the other end of the terminal another one reads.
"""

from __future__ import annotations

import fcntl
import os
import pty
import struct
import subprocess
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

import click

from edge_asc.classifier import SceneClassifier
from edge_asc.context import SceneContext
from edge_asc.decision import Decider
from edge_asc.level import Level
from edge_asc.listen import Judgement, listen
from edge_asc.messages import Message, Report
from edge_asc.outputs import Outputs
from edge_asc.sinks.live_state import About, LiveState
from edge_asc.sinks.live_view import LiveView
from edge_asc.sources.audio_file import AudioFile
from edge_asc.update import open_best_model
from edge_asc.vitals import Vitals


class Messages:
    """An output that keeps what it is given."""

    name, is_main = "messages", True

    def __init__(self) -> None:
        self.all: list[Message] = []

    def write(self, message: Message) -> None:
        """Keep `message`."""
        self.all.append(message)

    def close(self) -> None:
        """Nothing."""


def hear(recording: Path, classifier: SceneClassifier, seconds: float) -> list[Message]:
    """All that is told of the first `seconds` after the first window."""
    manifest, messages = classifier.manifest, Messages()
    outputs = Outputs([messages], say=click.echo, patient=True)
    listen(
        AudioFile(recording, fast=True),
        classifier,
        outputs,
        SceneContext(),
        judgement=Judgement(Decider(manifest.scenes, manifest.decision_config, classifier.hop_s)),
        seconds=manifest.window_s + seconds,
        say=click.echo,
    )
    outputs.close()
    return messages.all


@contextmanager
def terminal(columns: int, rows: int) -> Iterator[TextIO]:
    """A pseudo-terminal that another process reads."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    reader = subprocess.Popen(["cat"], stdin=master, stdout=subprocess.DEVNULL)
    with os.fdopen(slave, "w", encoding="utf-8") as stream:
        yield stream
    reader.kill()
    reader.wait()
    os.close(master)


def measure(view: LiveView, vitals: Vitals, messages: list[Message]) -> float:
    """The share of a core while they are shown, a report each second."""
    began_s, began_cpu_s = time.monotonic(), time.process_time()
    num_reports = 0
    for message in messages:
        if isinstance(message, Report):
            num_reports += 1
            time.sleep(max(0.0, began_s + num_reports - time.monotonic()))
            vitals.sound_came()
            vitals.heard_s = message.estimate.end_s
            vitals.level = Level(message.level_dbfs or 0.0, 0.0, 0.0)
            vitals.estimate_made()
        view.write(message)
    return (time.process_time() - began_cpu_s) / (time.monotonic() - began_s)


@click.command()
@click.argument("recording", type=click.Path(exists=True, path_type=Path))
@click.option("--seconds", type=click.FloatRange(min=5), default=60.0, show_default=True)
@click.option("--columns", type=click.IntRange(1, 500), default=80, show_default=True)
@click.option("--rows", type=click.IntRange(1, 200), default=24, show_default=True)
def main(recording: Path, seconds: float, columns: int, rows: int) -> None:
    """Print the share of a core."""
    os.environ["TERM"] = "xterm-256color"
    classifier = open_best_model(None, click.echo)
    messages, manifest = hear(recording, classifier, seconds), classifier.manifest
    vitals = Vitals(str(recording), manifest.name, live=False)
    about = About(
        manifest.name,
        manifest.quantization,
        "demonstration model: not fit to decide anything",
        manifest.scenes,
        str(recording),
        None,
        wall_clock=False,
        live=False,
        keys=True,
    )
    with terminal(columns, rows) as stream:
        view = LiveView(stream, LiveState(about, vitals))
        view.take()
        time.sleep(1.0)  # what is loaded with the first picture does not count
        share = measure(view, vitals, messages)
        view.give_back()
        view.close()
    click.echo(f"{100 * share:.2f} % of a core over {seconds:g} s, {columns} columns, {rows} rows")


if __name__ == "__main__":
    main()
