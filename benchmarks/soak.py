"""A day of listening in minutes: the real pipeline on real sound, with a device that often fails.

    python -m edge_asc.benchmarks.soak --hours 24 --seed 1

One process, as a device would run it. Recordings follow each other for ever; the device that
brings them lives in a time of its own, which passes as fast as it is listened to. On a schedule
that the seed gives it stops and comes back, says nothing, overflows, loses sound without a word, is
late, and the listener is held up. Fails unless every second is in an estimate or a gap, each fault
is one gap of the right length, and memory, threads and descriptors stay as they were.
"""

from __future__ import annotations

import io
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import click

from edge_asc.benchmarks.process_facts import ProcessFacts, read_facts
from edge_asc.benchmarks.programme import recordings_option, write_programme
from edge_asc.benchmarks.timeline import GapLine, Timeline, joined
from edge_asc.benchmarks.unsteady_device import Fault, Kind, UnsteadyDevice, schedule
from edge_asc.classifier import SceneClassifier
from edge_asc.context import SceneContext
from edge_asc.decision import Decider
from edge_asc.listen import Judgement, ListenSummary, listen
from edge_asc.model_file import ModelFile, default_model_path
from edge_asc.outputs import Outputs
from edge_asc.sinks.jsonl import JsonLines
from edge_asc.sinks.main_output import MainOutput
from edge_asc.sources import AudioSource, Chunk
from edge_asc.sources.live import LiveSource
from edge_asc.sources.portaudio import load_portaudio

PEAK_MB = 100.0
GROWTH_MB = 1.0
"""The last four hours may take so much more than the first four of those that count."""

SETTLING_HOURS = 4
"""Do not count: caches fill."""

LENGTH_S = 0.15
"""A gap may be off by so much: blocks of 0.1 s come up to 0.02 s late."""

SUM_S = 1.0

READ_EVERY_S = 300.0

RATES_HZ = (44_100, 48_000)
"""The device has one or the other, whenever it comes back."""


@dataclass(slots=True)
class Day:
    """What was seen of the listener while it listened."""

    timeline: Timeline = field(default_factory=Timeline)
    readings: list[list[ProcessFacts]] = field(default_factory=list)
    """Those of each hour"""
    num_words: int = 0
    """Lines that stderr would have"""

    def say(self, text: str) -> None:
        """Take a note for the user."""
        self.num_words += 1


class Lines(io.StringIO):
    """A text stream that puts the lines written to it on the timeline."""

    def __init__(self, timeline: Timeline) -> None:
        super().__init__()
        self._timeline = timeline

    def write(self, text: str) -> int:
        self._timeline.add(json.loads(text))
        return len(text)


class Heard:
    """The source, as the listener hears it: tells the device how far it has come."""

    def __init__(self, source: AudioSource, device: UnsteadyDevice, day: Day, hours: float) -> None:
        self._source, self._device, self._day, self._hours = source, device, day, hours
        self.name, self.description, self.live = source.name, source.description, source.live

    @property
    def trouble(self) -> str:
        return self._source.trouble

    def __enter__(self) -> Heard:
        self._source.__enter__()
        return self

    def __exit__(self, *exc: object) -> None:
        self._source.__exit__(*exc)

    def __iter__(self) -> Iterator[Chunk]:
        due_s = READ_EVERY_S
        for chunk in self._source:
            yield chunk
            self._device.heard(chunk)
            if self._device.passed_s >= due_s:
                self._read_facts(due_s)
                due_s += READ_EVERY_S
            if self._device.passed_s >= 3600 * self._hours:
                return

    def _read_facts(self, at_s: float) -> None:
        readings = self._day.readings
        while len(readings) <= (at_s - 1) // 3600:
            readings.append([])
        readings[-1].append(read_facts(os.getpid()))


def judge(day: Day, device: UnsteadyDevice, summary: ListenSummary) -> list[str]:
    """Everything that should not be."""
    wrong = []
    passed_s = device.sent_s + device.lost_s - device.unheard_s
    heard_s = summary.heard_s + summary.lost_s
    if abs(heard_s - passed_s) > SUM_S:
        wrong.append(f"{passed_s:.3f} s passed, {heard_s:.3f} s were heard or reported lost")
    timeline = day.timeline
    rest_s = heard_s - timeline.covered_s
    if not -1e-3 < rest_s < timeline.window_s + timeline.hop_s:
        wrong.append(f"{rest_s:.3f} s at the end are in no estimate and no gap")
    gaps, faults = joined(timeline.gaps), [fault for fault in device.over if fault.loses]
    if len(gaps) != len(faults):
        wrong.append(f"{len(faults)} faults, {len(gaps)} gaps")
    wrong += [line for pair in zip(faults, gaps, strict=False) if (line := compare(*pair))]
    return wrong + judge_process(day.readings)


def compare(fault: Fault, gap: GapLine) -> str:
    """What is wrong with the gap reported for a fault, "" if nothing is."""
    if fault.kind.cause not in gap.cause:
        return f"{fault} was reported as {gap.cause!r}"
    if abs(gap.lost_s - fault.lost_s) > LENGTH_S:
        return f"{fault} lost {fault.lost_s:.3f} s, reported were {gap.lost_s:.3f} s"
    return ""


def judge_process(readings: list[list[ProcessFacts]]) -> list[str]:
    """What is wrong with memory, threads and descriptors, hour by hour."""
    wrong = []
    peak_mb = readings[-1][-1].peak_mb
    if peak_mb > PEAK_MB:
        wrong.append(f"the process took {peak_mb:.1f} MB, {PEAK_MB:g} MB are allowed")
    settled = readings[SETTLING_HOURS:]
    if not settled:
        return wrong
    medians_mb = [statistics.median(one.rss_mb for one in hour) for hour in settled]
    growth_mb = statistics.median(medians_mb[-4:]) - statistics.median(medians_mb[:4])
    if growth_mb > GROWTH_MB:
        wrong.append(f"memory grew by {growth_mb:.2f} MB: {medians_mb}")
    for name in ("threads", "descriptors"):
        # At a stop, those before and after it may be there for a moment.
        fewest = {min(getattr(one, name) for one in hour) for hour in settled}
        if len(fewest) > 1:
            wrong.append(f"{name} come or go: {sorted(fewest)}")
    return wrong


def report(day: Day, device: UnsteadyDevice, summary: ListenSummary, took_s: float) -> None:
    """Print the hours, the faults and the sums."""
    click.echo("| hour | memory, MB | peak, MB | threads | descriptors |")
    click.echo("|-----:|-----------:|---------:|--------:|------------:|")
    for hour, readings in enumerate(day.readings, 1):
        last = readings[-1]
        click.echo(
            f"| {hour:4} | {statistics.median(one.rss_mb for one in readings):10.2f} |"
            f" {last.peak_mb:8.2f} | {last.threads:7} | {last.descriptors:11} |"
        )
    click.echo("\n| fault | times | lost, s | largest error, s |\n|---|---:|---:|---:|")
    gaps = iter(joined(day.timeline.gaps))
    pairs = [(fault, next(gaps, None) if fault.loses else None) for fault in device.over]
    for kind in Kind:
        lost = [fault.lost_s for fault, _ in pairs if fault.kind is kind]
        errors = [
            abs(gap.lost_s - fault.lost_s) for fault, gap in pairs if gap and fault.kind is kind
        ]
        worst = f"{max(errors):.3f}" if errors else "no gap"
        click.echo(f"| {kind.text} | {len(lost)} | {sum(lost):.1f} | {worst} |")
    timeline = day.timeline
    click.echo(
        f"\n{device.sent_s:.3f} s of sound came, {device.lost_s:.3f} s were lost on the way:"
        f" {device.sent_s + device.lost_s:.3f} s\nreported: {summary.heard_s:.3f} s heard,"
        f" {summary.lost_s:.3f} s lost: {summary.heard_s + summary.lost_s:.3f} s\n"
        f"{timeline.num_estimates} estimates cover {timeline.estimated_s:.3f} s,"
        f" {len(timeline.gaps)} gaps {timeline.gap_s:.3f} s: {timeline.covered_s:.3f} s without"
        f" hole or overlap\n{day.num_words} lines to stderr; took {took_s:.0f} s"
    )


def make_device(
    recordings: list[Path], folder: Path, faults: list[Fault], seed: int
) -> UnsteadyDevice:
    """A device that plays `recordings`, copied to `folder`, and has `faults`."""
    programmes = {rate_hz: folder / f"{rate_hz}.wav" for rate_hz in RATES_HZ}
    for rate_hz, file in programmes.items():
        write_programme(recordings, file, seed, rate_hz=rate_hz)
    return UnsteadyDevice(programmes, faults, seed)


def live_through(device: UnsteadyDevice, hours: float) -> tuple[Day, ListenSummary]:
    """Listen to `device` for so many hours of its time."""
    load_portaudio()  # its memory counts, too
    day = Day()
    source = LiveSource(device, say=day.say, sleep=device.sleep)
    classifier = SceneClassifier(ModelFile.read(default_model_path()))
    manifest = classifier.manifest
    outputs = Outputs([MainOutput(JsonLines(Lines(day.timeline)))], say=day.say, patient=True)
    summary = listen(
        Heard(source, device, day, hours),
        classifier,
        outputs,
        SceneContext(),
        judgement=Judgement(Decider(manifest.scenes, manifest.decision_config, classifier.hop_s)),
        say=day.say,
        doubt=lambda: None,
    )
    outputs.close()
    return day, summary


@click.command()
@click.option("--hours", type=click.FloatRange(min=0.1), default=24.0, show_default=True)
@click.option("--seed", default=1, show_default=True)
@recordings_option
def main(hours: float, seed: int, recordings: list[Path]) -> None:
    """Push hours of sound with faults through the listener, faster than they would last."""
    began_s = time.monotonic()
    with tempfile.TemporaryDirectory() as name:
        device = make_device(recordings, Path(name), schedule(seed, 3600 * hours), seed)
        day, summary = live_through(device, hours)
    report(day, device, summary, time.monotonic() - began_s)
    wrong = judge(day, device, summary)
    for line in wrong:
        click.echo(f"WRONG: {line}")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
