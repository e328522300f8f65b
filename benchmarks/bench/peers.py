"""Ways from sound to probabilities, ours and others', side by side in one process on one thread.

    samples |--- front end ---| features |--- network ---| probabilities
            |------------------- total ------------------|

All runs are in shuffled order, each on one of a few pieces of the sound. Total is from samples to
probabilities; the two parts are taken in the same run. Samples are float32, mono, in memory, at the
rate that the front end wants, so that nobody pays for resampling.
"""

from __future__ import annotations

import random
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timezone
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from edge_asc.benchmarks.bench.machine import Machine, device_facts, software_versions
from edge_asc.benchmarks.bench.peers_threads import (
    MAX_OTHER_SHARE,
    check_one_thread,
    kernels,
    one_thread,
    versions,
)
from edge_asc.benchmarks.bench.result import TOTAL, Result, Timing
from edge_asc.benchmarks.bench.warnings import busy_warnings, device_warnings, heat_warnings
from edge_asc.benchmarks.bench.watch import Watch, busy_cores, load_1min
from edge_asc.errors import EdgeAscError
from edge_asc.features import Samples
from edge_asc.resample import resample

Array = npt.NDArray[np.float32]

RATE_HZ = 44_100
WINDOW_S = 10.0

FRONT_END = "features"
NETWORK = "network"
PARTS = (FRONT_END, NETWORK, TOTAL)
"""Stages of a Result"""

PACKAGES = ("librosa", "numba", "scipy", "torch", "onnxruntime")

NUM_PIECES = 8
"""Of the sound, which take turns"""

REST_S = 1.0

TRAINED = "trained"
RANDOM = "random weights, cost only"
THEIRS = "the file's"
"""What `Peer.weights` may say"""

Clock = Callable[[], float]
CLOCKS: Mapping[str, Clock] = {"wall": time.perf_counter, "cpu": time.thread_time}
"""The second one is for a machine that others use, too: it stands still while they run."""


@dataclass(frozen=True, slots=True)
class Peer:
    """One way from ten seconds of samples to probabilities."""

    name: str
    runtime: str
    """As "ai-edge-litert 2.1.0" """
    weights: str
    about: str
    """What it is, in a sentence without its full stop"""
    front_end: Callable[[Samples], Array]
    network: Callable[[Array], Array]
    rate_hz: int = RATE_HZ
    """Of the samples that `front_end` takes"""
    quantization: str = "float32"

    def run(self, samples: Samples, clock: Clock) -> dict[str, float]:
        """Go the way once: seconds by part."""
        began_s = clock()
        features = self.front_end(samples)
        between_s = clock()
        self.network(features)
        ended_s = clock()
        parts_s = (between_s - began_s, ended_s - between_s, ended_s - began_s)
        return dict(zip(PARTS, parts_s, strict=True))


Hop = Callable[[], None]
"""One more second of a stream of the model that peers are compared with"""

Make = Callable[[], Peer]

Job = tuple[str, str, Callable[[], dict[str, float]]]
"""A peer's name, the way, and how to go it once"""


def gather(
    makers: Iterable[tuple[str, Make]], say: Callable[[str], None]
) -> tuple[list[Peer], dict[str, str]]:
    """All peers that can be made here, and why the others cannot, by name; that is said, too."""
    peers, missing = [], {}
    for name, make in makers:
        try:
            peers.append(make())
        except ModuleNotFoundError as error:
            if error.name is None or error.name.split(".")[0] == "edge_asc":
                raise
            missing[name] = f"{error.name} is missing: pip install 'edge-asc[peers]'"
        except EdgeAscError as error:
            missing[name] = str(error)
    for text in left_out(missing):
        say(f"left out: {text}")
    return peers, missing


def left_out(missing: Mapping[str, str]) -> Iterator[str]:
    """A line for each reason: which peers are missing for it."""
    for reason in dict.fromkeys(missing.values()):
        names = ", ".join(f"`{name}`" for name, said in missing.items() if said == reason)
        yield f"{names}: {reason}"


def pieces(sound: Samples, count: int, seed: int) -> list[Samples]:
    """`count` windows of a sound at RATE_HZ that is at least one window long.

    Where a window runs over the end it goes on at the beginning.
    """
    starts = np.random.default_rng(seed).integers(0, len(sound), count)
    size = round(WINDOW_S * RATE_HZ)
    return [np.roll(sound, -start)[:size].copy() for start in starts]


@dataclass(frozen=True, slots=True)
class Settings:
    """What the user chose."""

    runs: int = 100
    warm_up: int = 10
    """Runs of each peer that come first and do not count"""
    seed: int = 1
    clock: str = "wall"
    """One of CLOCKS"""


@dataclass(slots=True)
class Comparison:
    """Measures; `result` may be asked for at any time, after Ctrl-C too."""

    peers: Sequence[Peer]
    """The first one is what the others are compared with."""
    hop: Hop | None
    sound: Samples
    """At RATE_HZ"""
    sound_facts: Mapping[str, Any]
    """`audio` and what else a Result tells of it"""
    settings: Settings
    machine: Machine = field(default_factory=Machine)
    show: Callable[[str], None] = lambda text: None
    """Progress, each text in the place of the last"""
    complete: bool = False
    other_threads_share: float = 0.0
    """Of the processor time of the run, what threads besides this one took"""
    _laps: dict[tuple[str, str], list[tuple[float, dict[str, float]]]] = field(
        default_factory=lambda: defaultdict(list)
    )
    _found: dict[str, float | None] = field(default_factory=dict)
    _watch: Watch = field(init=False)
    _created: str = field(init=False)

    def measure(self) -> None:
        """All of it; after KeyboardInterrupt what was measured by then is kept.

        Raises BenchError if something would compute in more than one thread.
        """
        self._watch = Watch(self.machine)
        self._created = datetime.now(timezone.utc).isoformat(timespec="seconds")
        self._found = {
            "load_before": load_1min(self.machine),
            "busy_cores_before": busy_cores(self.machine, REST_S),
        }
        self._watch.begin()
        try:
            self._measure()
            self.complete = True
        except KeyboardInterrupt:
            pass
        self._watch.look(now=True)
        self.show("")

    def result(self) -> Result:
        """What was measured; the models are the peers."""
        return Result(
            device=device_facts(self.machine),
            software={**software_versions(), **versions(PACKAGES), **kernels()},
            settings={**self.sound_facts, **asdict(self.settings), "threads": 1},
            models=tuple(_facts(peer) for peer in self.peers),
            timings=tuple(self._timings()),
            created=self._created,
            complete=self.complete,
            warnings=tuple(self._warnings()),
            conditions=self._conditions(),
            timeline=tuple(self._watch.timeline),
        )

    def _measure(self) -> None:
        settings, rng = self.settings, random.Random(self.settings.seed)
        jobs = list(self._jobs(rng))
        one_thread()
        for name, _, run in rng.sample(jobs * settings.warm_up, len(jobs) * settings.warm_up):
            self.show(f"warming up: {name}")
            run()
        check_one_thread()
        order = rng.sample(jobs * settings.runs, len(jobs) * settings.runs)
        process_s, thread_s = time.process_time(), time.thread_time()
        for number, (name, way, run) in enumerate(order):
            self.show(f"run {number + 1} of {len(order)}: {name}")
            lap = self._watch.run(run)
            self._laps[name, way].append((self._watch.now_s, lap))
            self._watch.look()
            own_s = time.thread_time() - thread_s
            self.other_threads_share = max(0.0, 1.0 - own_s / (time.process_time() - process_s))

    def _jobs(self, rng: random.Random) -> Iterator[Job]:
        clock = CLOCKS[self.settings.clock]
        at_home = pieces(self.sound, NUM_PIECES, self.settings.seed)
        rates_hz = {peer.rate_hz for peer in self.peers}
        heard = {hz: [resample(piece, RATE_HZ, hz) for piece in at_home] for hz in rates_hz}

        def window(peer: Peer) -> dict[str, float]:
            return peer.run(rng.choice(heard[peer.rate_hz]), clock)

        def stream(hop: Hop) -> dict[str, float]:
            began_s = clock()
            hop()
            return {TOTAL: clock() - began_s}

        for peer in self.peers:
            yield peer.name, "window", partial(window, peer)
        if self.hop is not None:
            yield self.peers[0].name, "stream", partial(stream, self.hop)

    def _timings(self) -> Iterator[Timing]:
        for (name, way), rows in self._laps.items():
            at_s = tuple(round(at_s, 3) for at_s, _ in rows)
            for part in PARTS:
                found = tuple(round(lap[part], 7) for _, lap in rows if part in lap)
                if found:
                    yield Timing(name, way, part, found, at_s if part == TOTAL else ())

    def _conditions(self) -> dict[str, float]:
        found = {
            **self._found,
            "load_after": load_1min(self.machine),
            **self._watch.use(),
        }
        return {name: round(value, 4) for name, value in found.items() if value is not None}

    def _warnings(self) -> Iterator[str]:
        yield from device_warnings(device_facts(self.machine))
        yield from busy_warnings(self._conditions())
        yield from heat_warnings(self._watch.timeline)
        if self.other_threads_share > MAX_OTHER_SHARE:
            yield (
                f"other threads of the process took {100 * self.other_threads_share:.1f} % of its"
                " time: something computed in more than one"
            )


def _facts(peer: Peer) -> Mapping[str, Any]:
    return {
        "name": peer.name,
        "runtime": peer.runtime,
        "quantization": peer.quantization,
        "weights": peer.weights,
        "about": peer.about,
        "window_s": WINDOW_S,
    }
