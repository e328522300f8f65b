"""Listening in real time, through PortAudio, while everything around it fails.

    python -m edge_asc.benchmarks.real_soak --minutes 60 --seed 1

Starts a sound server of its own, plays recordings into its microphone, listens with `edge-asc
listen`, and every few minutes, on a schedule that the seed gives, kills, freezes or unplugs what it
can. Prints every fault with the gap that was reported for it, and what it cost. Fails unless
estimates and gaps cover the time without hole or overlap, each outage is one gap of the right
length, and memory, threads and descriptors end as they began.
"""

from __future__ import annotations

import os
import random
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import click

from edge_asc.benchmarks.listener import Listener
from edge_asc.benchmarks.process_facts import ProcessFacts, read_facts
from edge_asc.benchmarks.programme import playing, recordings_option, write_programme
from edge_asc.benchmarks.sound_server import DEVICE, SoundServer, missing_parts
from edge_asc.benchmarks.timeline import GapLine, Timeline, joined
from edge_asc.clock import elapsed_s
from edge_asc.sources import MAX_LAG_S

QUIET_S = (100.0, 200.0)
"""So long nothing happens between two faults: room for the longest wait before a new try, and for
a window."""

KEPT_S = 1.5
"""A gap may be so much shorter than the outage: sound that was on its way is still heard."""

BLINK, HELD_UP = "sound server blinks", "listener frozen"


@dataclass(slots=True)
class Outage:
    """A fault, and what was reported of it."""

    kind: str
    began: datetime
    began_s: float
    down_s: float
    gaps: list[GapLine] = field(default_factory=list)

    @property
    def lost_s(self) -> float:
        return sum(gap.lost_s for gap in self.gaps)

    @property
    def most_s(self) -> float:
        """The longest gap that it may cause: tries are 1, 2, 4 ... 30 s apart, and it starts."""
        return self.down_s + min(self.down_s, 30.0) + 10.0

    def fault(self) -> str:
        """What is wrong with the report of it, "" if nothing is."""
        # Too short to be noticed, all sound may come later.
        if len(self.gaps) != 1 and not (self.kind == BLINK and not self.gaps):
            return f"{len(self.gaps)} gaps"
        # Up to --max-lag of the newest sound waits for a listener.
        kept_s = MAX_LAG_S + KEPT_S if self.kind == HELD_UP else KEPT_S
        return "" if self.down_s - kept_s < self.lost_s < self.most_s else "wrong length"


class Faults:
    """What can be done to a listener; each takes its time and returns how long it lasted, s."""

    def __init__(self, server: SoundServer, listener: Listener, rng: random.Random) -> None:
        self._server, self._listener, self._rng = server, listener, rng
        self.kinds: dict[str, Callable[[], None]] = {
            "microphone unplugged": self._unplug,
            "sound server killed": self._kill_server,
            "sound server frozen": self._freeze_server,
            "capture process killed": self._kill_capture,
            BLINK: self._blink,
            HELD_UP: self._freeze_listener,
        }

    def schedule(self) -> Iterator[str]:
        """Kinds for ever: each once, in a new order, before any comes again."""
        while True:
            yield from self._rng.sample(sorted(self.kinds), len(self.kinds))

    def commit(self, kind: str, since_s: float) -> Outage:
        """Let it happen; returns when it is over."""
        began, began_s = datetime.now().astimezone(), elapsed_s()
        self.kinds[kind]()
        return Outage(kind, began, began_s - since_s, elapsed_s() - began_s)

    def _unplug(self) -> None:
        self._server.unplug()
        self._wait(2, 45)
        self._server.plug_in()

    def _kill_server(self) -> None:
        self._server.kill()
        self._wait(2, 45)
        self._server.start()

    def _freeze_server(self) -> None:
        self._server.freeze()
        self._wait(4, 30)
        self._server.release()

    def _blink(self) -> None:
        self._server.freeze()
        self._wait(0.3, 1.5)
        self._server.release()

    def _kill_capture(self) -> None:
        pid = self._listener.capture_pid()
        assert pid is not None, "nothing captures, though nothing happened"
        os.kill(pid, signal.SIGKILL)

    def _freeze_listener(self) -> None:
        self._listener.process.send_signal(signal.SIGSTOP)
        self._wait(8, 20)
        self._listener.process.send_signal(signal.SIGCONT)

    def _wait(self, least_s: float, most_s: float) -> None:
        time.sleep(self._rng.uniform(least_s, most_s))


def assign(gaps: list[GapLine], outages: list[Outage]) -> list[GapLine]:
    """Give each gap to the last outage that began before it ended; returns those before any."""
    stray: list[GapLine] = []
    for gap in joined(gaps):
        before = [outage for outage in outages if gap.time is None or outage.began < gap.time]
        (before[-1].gaps if before else stray).append(gap)
    return stray


def judge(
    timeline: Timeline, outages: list[Outage], readings: list[ProcessFacts], stray: list[GapLine]
) -> list[str]:
    """Everything that should not be."""
    wrong = [f"{outage.kind} at {outage.began_s:.0f} s: {outage.fault()}" for outage in outages]
    wrong = [line for line in wrong if not line.endswith(": ")]
    wrong += [f"a gap before any fault: {gap}" for gap in stray]
    if abs(timeline.clock_ahead_s) > 1.0:
        wrong.append(f"the stream and the clock are {timeline.clock_ahead_s:.2f} s apart")
    first, last = readings[0], readings[-1]
    if last.threads > first.threads or last.descriptors > first.descriptors:
        wrong.append(f"threads or descriptors leaked: {first}, then {last}")
    if last.peak_mb > 100:
        wrong.append(f"the listener took {last.peak_mb:.1f} MB")
    return wrong


def report(
    timeline: Timeline, outages: list[Outage], readings: list[ProcessFacts], passed_s: float
) -> None:
    """Print the outages and the sums."""
    click.echo("\n|  at, s | fault                  | down, s | gaps | lost, s | cause |")
    click.echo("|-------:|------------------------|--------:|-----:|--------:|-------|")
    for outage in outages:
        cause = outage.gaps[0].cause if outage.gaps else ""
        click.echo(
            f"| {outage.began_s:6.0f} | {outage.kind:22} | {outage.down_s:7.1f} |"
            f" {len(outage.gaps):4} | {outage.lost_s:7.2f} | {cause} |"
        )
    tenth = max(1, len(readings) // 10)
    before, after = (
        statistics.median(one.rss_mb for one in part)
        for part in (readings[tenth : 2 * tenth], readings[-tenth:])
    )
    last = readings[-1]
    click.echo(
        f"\n{timeline.num_estimates} estimates cover {timeline.estimated_s:.2f} s,"
        f" {len(timeline.gaps)} gaps {timeline.gap_s:.2f} s ({timeline.lost_s:.2f} s lost):"
        f" {timeline.covered_s:.2f} s in all\nthe time of day ran"
        f" {timeline.clock_ahead_s:+.3f} s against the stream\nlistener: peak"
        f" {last.peak_mb:.1f} MB, {before:.1f} MB in the second tenth of the time,"
        f" {after:.1f} MB in the last; {last.threads} threads, {last.descriptors} descriptors;"
        f" {100 * last.cpu_s / passed_s:.2f} % of a core"
    )


@click.command()
@click.option("--minutes", type=click.FloatRange(min=4), default=60.0, show_default=True)
@click.option("--seed", default=1, show_default=True)
@recordings_option
def main(minutes: float, seed: int, recordings: list[Path]) -> None:
    """Listen in real time while sound server, microphone and listener are hurt."""
    if missing := missing_parts():
        raise click.UsageError(f"needs {', '.join(missing)}")
    rng = random.Random(seed)
    outages: list[Outage] = []
    readings: list[ProcessFacts] = []
    with tempfile.TemporaryDirectory() as name, SoundServer(Path(name)) as server:
        programme = Path(name) / "programme.wav"
        write_programme(recordings, programme, seed)
        with playing(server, programme):
            since_s = elapsed_s()
            listener = Listener("--device", DEVICE, env=server.env, on_word=tell)
            faults = Faults(server, listener, rng)
            for kind in faults.schedule():
                if not wait(rng.uniform(*QUIET_S), since_s + 60 * minutes, listener, readings):
                    break
                outages.append(faults.commit(kind, since_s))
                tell(f"{kind}, {outages[-1].down_s:.1f} s")
            passed_s = elapsed_s() - since_s
            code = listener.finish()
    timeline = listener.timeline
    stray = assign(timeline.gaps, outages)
    report(timeline, outages, readings, passed_s)
    wrong = judge(timeline, outages, readings, stray)
    wrong += [str(listener.error)] if listener.error else []
    wrong += [f"the listener ended with exit code {code}"] if code else []
    for line in wrong:
        click.echo(f"WRONG: {line}")
    sys.exit(1 if wrong else 0)


def tell(text: str) -> None:
    """Print a line with the time of day."""
    click.echo(f"{datetime.now():%H:%M:%S} {text}")


def wait(seconds: float, until_s: float, listener: Listener, readings: list[ProcessFacts]) -> bool:
    """Let time pass, reading the listener's facts; whether there is time for another fault.

    What came last must be over, whatever it was, when the time is up.
    """
    end_s = elapsed_s() + seconds
    is_last = end_s + QUIET_S[0] > until_s
    end_s = until_s if is_last else end_s
    while elapsed_s() < end_s and listener.process.poll() is None:
        time.sleep(5.0)
        with suppress(FileNotFoundError):
            readings.append(read_facts(listener.process.pid))
    return not is_last and listener.process.poll() is None


if __name__ == "__main__":
    main()
