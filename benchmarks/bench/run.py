"""One run of `edge-asc bench`: what is measured, in which order."""

from __future__ import annotations

import os
import random
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any, TypeVar

from edge_asc.benchmarks.bench.cold_start import FreshProcesses
from edge_asc.benchmarks.bench.energy import EnergyBook, Meter
from edge_asc.benchmarks.bench.machine import Machine, device_facts, software_versions
from edge_asc.benchmarks.bench.result import (
    STAGES,
    TOTAL,
    BenchError,
    Live,
    Result,
    Throughput,
    Timing,
)
from edge_asc.benchmarks.bench.subject import Sound, Subject
from edge_asc.benchmarks.bench.throughput import windows_in
from edge_asc.benchmarks.bench.warnings import busy_warnings, device_warnings, heat_warnings
from edge_asc.benchmarks.bench.watch import Watch, busy_cores, load_1min
from edge_asc.benchmarks.bench.ways import (
    LiveStream,
    Pipeline,
    Stream,
    Way,
    Window,
    usual_context,
)
from edge_asc.errors import EdgeAscError

Item = TypeVar("Item")

REST_S = 1.0
"""How long the machine is looked at before anything is done"""

THROUGHPUT_S = 2.0

_DECIMALS = 7
"""Of seconds: as fine as clocks are"""

_TOLD = ("runs", "warm_up", "threads", "minutes", "starts", "seed")
"""Fields of Settings that the result tells as they are"""


@dataclass(frozen=True, slots=True)
class Settings:
    """What the user chose."""

    runs: int = 100
    warm_up: int = 10
    """Runs of each way that come first and do not count"""
    hop_s: float | None = None
    """How often a hop comes to a live stream; None for as often as it is heard"""
    threads: int = 1
    """Of the interpreter"""
    minutes: float = 0.25
    """How long each model listens to sound that comes as it is heard; 0: not at all"""
    starts: int = 5
    """Fresh processes of each model; 0: none"""
    seed: int = 1
    slowed: Mapping[str, float] = field(default_factory=dict)
    """Stage -> how many times its own time it is to take, to try comparisons"""


@dataclass(frozen=True, slots=True)
class Telling:
    """Where progress goes."""

    say: Callable[[str], None] = lambda text: None
    show: Callable[[str], None] = lambda text: None
    """What is overwritten by the next"""


class Run:
    """Measures; `result` may be asked for at any time, after Ctrl-C too."""

    def __init__(
        self,
        subjects: Sequence[Subject],
        sound: Sound,
        settings: Settings,
        meters: Sequence[Meter] = (),
        machine: Machine | None = None,
        telling: Telling | None = None,
    ) -> None:
        self._subjects, self._sound, self._settings = subjects, sound, settings
        self._machine, self._telling = machine or Machine(), telling or Telling()
        self._book = EnergyBook(meters)
        self._rng = random.Random(settings.seed)
        self._watch = Watch(self._machine)
        self._busy_before: float | None = None
        self._load_before = load_1min(self._machine)
        self._device, self._software = device_facts(self._machine), software_versions()
        self._created = datetime.now(timezone.utc).isoformat(timespec="seconds")
        self._laps: dict[tuple[str, str], list[tuple[float, dict[str, float]]]] = defaultdict(list)
        """Of each model and way: when it ended, what it took"""
        self._live: list[Live] = []
        self._throughput: list[Throughput] = []
        self._starts: list[FreshProcesses] = []
        self._no_starts = ""
        self.complete = False
        self.failure = ""
        """Why it ended before all was measured, unless it was interrupted"""

    def measure(self) -> None:
        """All of it; after KeyboardInterrupt and failures, what was measured by then is kept."""
        self._watch.begin()
        try:
            self._telling.show("the machine at rest")
            with self._book.measuring(None, "rest"):
                self._busy_before = busy_cores(self._machine, REST_S)
            self._measure_flat_out()
            for subject in self._shuffled(self._subjects):
                self._measure_throughput(subject)
            self._measure_starts()
            for subject in self._shuffled(self._subjects):
                self._measure_live(subject)
            self.complete = True
        except KeyboardInterrupt:
            self._telling.say("interrupted: what was measured by now is kept")
        except (EdgeAscError, OSError) as error:
            self.failure = f"ended early: {error}"
            self._telling.say(f"edge-asc: error: {error}; what was measured by now is kept")
        self._watch.look(now=True)
        self._telling.show("")

    def result(self) -> Result:
        """What was measured."""
        starts = [processes.cold_start for processes in self._starts]
        memory = [processes.memory for processes in self._starts]
        return Result(
            device=self._device,
            software=self._software,
            settings=self._settings_told(),
            models=tuple(subject.facts() for subject in self._subjects),
            timings=tuple(self._timings()),
            created=self._created,
            complete=self.complete,
            warnings=tuple(self._warnings()),
            conditions=self._conditions(),
            live=tuple(self._live),
            throughput=tuple(self._throughput),
            cold_start=tuple(each for each in starts if each is not None),
            memory=tuple(each for each in memory if each is not None),
            energy=tuple(self._book.rows),
            timeline=tuple(self._watch.timeline),
        )

    def _measure_flat_out(self) -> None:
        """Every model, whole windows and hops, in shuffled order."""
        settings = self._settings
        with ExitStack() as stack:
            ways: list[tuple[str, Way]] = []
            for subject in self._subjects:
                path = self._sound.path
                ways.append((subject.name, Window(self._pipeline(stack, subject), path)))
                ways.append((subject.name, Stream(self._pipeline(stack, subject), path)))
            for _, way in self._shuffled(ways * settings.warm_up):
                way.run()
            self._telling.say(f"{settings.runs} runs of {len(ways)} ways, in shuffled order")
            order = self._shuffled(ways * settings.runs)
            for number, (name, way) in enumerate(order):
                self._telling.show(f"run {number + 1} of {len(order)}: {name}, {way.name}")
                laps = self._watch.run(way.run)
                self._laps[name, way.name].append((self._watch.now_s, laps))
                self._look()

    def _measure_throughput(self, subject: Subject) -> None:
        cores = len(os.sched_getaffinity(0))
        self._telling.say(f"{subject.name}: throughput in 1 to {cores} threads")
        for threads in thread_counts(cores):
            self._telling.show(f"throughput of {subject.name}: {threads} of {cores} threads")
            with ExitStack() as stack:
                pipelines = [self._pipeline(stack, subject, 1) for _ in range(threads)]
                ways = [Window(pipeline, self._sound.path) for pipeline in pipelines]
                with self._book.measuring(subject.name, "window", threads) as answers:
                    count, seconds = windows_in(ways, THROUGHPUT_S)
                    answers.append(count)
            self._throughput.append(Throughput(subject.name, threads, count / seconds))
            self._look()

    def _measure_starts(self) -> None:
        self._starts = [FreshProcesses(subject, self._sound) for subject in self._subjects]
        order = self._starts * self._settings.starts
        if order:
            self._telling.say(f"{len(order)} cold starts, in shuffled order")
        try:
            for number, processes in enumerate(self._shuffled(order)):
                self._telling.show(f"cold start {number + 1} of {len(order)}")
                processes.start_one()
                self._look()
        except (BenchError, OSError) as error:  # as under an emulator, which starts no others
            said = error.strerror if isinstance(error, OSError) else error
            self._no_starts = f"cold starts failed: {said}"
            self._telling.say(self._no_starts)

    def _measure_live(self, subject: Subject) -> None:
        with ExitStack() as stack:
            pipeline = self._pipeline(stack, subject)
            every_s = self._settings.hop_s or subject.hop_s
            num_hops = round(60.0 * self._settings.minutes / every_s)
            if num_hops == 0:
                return
            self._telling.say(f"{subject.name}: {num_hops} hops of sound, one every {every_s:g} s")
            stream = LiveStream(pipeline, self._sound.path, every_s)
            began_s, cpu_s = time.perf_counter(), time.process_time()
            laps = self._laps[subject.name, stream.name]
            try:
                with self._book.measuring(subject.name, stream.name) as answers:
                    for number in range(num_hops):
                        self._telling.show(f"{subject.name} live: hop {number + 1} of {num_hops}")
                        lap = stream.run()
                        laps.append((self._watch.now_s, lap))
                        answers.append(1)
                        self._look()
            finally:  # Ctrl-C, too
                seconds = time.perf_counter() - began_s
                share = (time.process_time() - cpu_s) / seconds
                missed = sum(lap[TOTAL] > every_s for _, lap in laps)
                live = Live(subject.name, every_s, len(laps), missed, seconds, share)
                self._live += [live] if laps else []

    def _pipeline(self, stack: ExitStack, subject: Subject, threads: int | None = None) -> Pipeline:
        threads = threads or self._settings.threads
        pipeline = Pipeline(subject.model, threads, self._settings.slowed)
        stack.callback(pipeline.close)
        return pipeline

    def _shuffled(self, items: Sequence[Item]) -> list[Item]:
        return self._rng.sample(items, len(items))

    def _look(self) -> None:
        if self._watch.look():
            self._book.look()

    def _timings(self) -> Iterator[Timing]:
        for (model, way), rows in self._laps.items():
            for stage in (*STAGES, TOTAL):
                found = tuple(round(laps[stage], _DECIMALS) for _, laps in rows if stage in laps)
                at_s = tuple(round(at_s, 3) for at_s, _ in rows) if stage == TOTAL else ()
                if found:
                    yield Timing(model, way, stage, found, at_s)

    def _settings_told(self) -> dict[str, Any]:
        settings = self._settings
        context = {subject.name: usual_context(subject.model) for subject in self._subjects}
        return {
            **self._sound.facts,
            "hop_s": settings.hop_s or self._subjects[0].hop_s,
            **{name: getattr(settings, name) for name in _TOLD},
            "blas_threads": os.environ.get("OPENBLAS_NUM_THREADS", "as many as cores"),
            "cities": {name: place.city for name, place in context.items()},
        }

    def _conditions(self) -> dict[str, float]:
        found = {
            "load_before": self._load_before,
            "load_after": load_1min(self._machine),
            "busy_cores_before": self._busy_before,
            **self._watch.use(),
        }
        return {name: round(value, 4) for name, value in found.items() if value is not None}

    def _warnings(self) -> Iterator[str]:
        yield from device_warnings(self._device)
        yield from busy_warnings(self._conditions())
        yield from heat_warnings(self._watch.timeline)
        yield from self._book.faults
        yield from filter(None, (self._no_starts, self.failure))
        for stage, factor in self._settings.slowed.items():
            yield f"{stage} was slowed {factor:g} times on purpose"


def thread_counts(cores: int) -> list[int]:
    """1 to 4, powers of two, all."""
    return [n for n in range(1, cores + 1) if n <= 4 or n == cores or n & (n - 1) == 0]
