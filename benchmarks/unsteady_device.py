"""A device that fails as real ones do, in a time of its own that passes as fast as it is heard."""

from __future__ import annotations

import random
import threading
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import Enum
from pathlib import Path

import soundfile

from edge_asc.clock import elapsed_s
from edge_asc.errors import SourceError
from edge_asc.features import Samples
from edge_asc.sources import CHUNK_S, Chunk
from edge_asc.sources.flow import SETTLED_S, Block
from edge_asc.sources.live import STALL_S

JITTER_S = 0.02
"""Blocks come so much late at most; real callbacks do."""

CRYSTAL = 5e-5
"""The device's clock is off by so much at most."""

_AHEAD_BLOCKS = 20
"""Sound waits for the listener when so many blocks are on their way: time is virtual."""

_HELD_BLOCKS = round((SETTLED_S + 1.0) / CHUNK_S)
"""After a silent loss nothing is passed on until it is certain; so many more may be sent then."""

_APART_S = 20.0
"""What was due so soon after an outage does not happen: what it cost could not be told apart."""


class Kind(Enum):
    """What may happen: a text, and what the listener must call it."""

    STOP = "stopped and came back", "unplugged"
    STALL = "sent nothing, and came back", "has sent no sound"
    OVERFLOW = "lost sound and said so", "the device says"
    SILENT = "lost sound without a word", "without a word"
    HELD_UP = "the listener was held up", "held up"
    LATE = "was late, but lost nothing", ""

    def __init__(self, text: str, cause: str) -> None:
        self.text, self.cause = text, cause


@dataclass(slots=True)
class Fault:
    """Something that happens to the device."""

    kind: Kind
    at_s: float
    """When, in seconds since the first sound"""
    length_s: float
    lost_s: float = 0.0
    """How much sound it really cost, once it is over"""

    @property
    def loses(self) -> bool:
        return self.kind is not Kind.LATE


_LENGTHS_S = {
    Kind.STOP: (0.5, 600.0),
    Kind.STALL: (0.5, 60.0),
    Kind.OVERFLOW: (0.01, 1.0),
    Kind.SILENT: (0.4, 3.0),
    Kind.HELD_UP: (5.5, 30.0),
    Kind.LATE: (0.3, 1.8),
}

_STALLS_PER_HOUR = 1.0
"""Few, because each lasts two seconds of our own time, too."""


def schedule(seed: int, duration_s: float) -> list[Fault]:
    """Faults one to ten minutes apart, each of a random kind and length."""
    rng = random.Random(seed)
    faults: list[Fault] = []
    at_s = rng.uniform(60, 300)
    while at_s < duration_s - 120:
        kinds = [kind for kind in Kind if kind is not Kind.STALL]
        stalls = rng.random() < _STALLS_PER_HOUR * 300 / 3600
        kind = Kind.STALL if stalls else rng.choice(kinds)
        least_s, most_s = _LENGTHS_S[kind]
        length_s = least_s * (most_s / least_s) ** rng.random()
        faults.append(Fault(kind, at_s, length_s))
        at_s += rng.uniform(60, 540)
    return faults


class UnsteadyDevice:
    """A capture of the sound files `programmes`, by sample rate, over and over.

    Each opening may have another rate. The stamps of its blocks are virtual: its time passes with
    the sound that it sends, with what it loses, and while the listener sleeps.
    """

    name = "unsteady device"
    description = name
    start_grace_s = 10.0
    can_restart = True
    may_flood = False

    def __init__(self, programmes: Mapping[int, Path], faults: Iterable[Fault], seed: int) -> None:
        self._files = {rate: soundfile.SoundFile(path) for rate, path in programmes.items()}
        self._due = deque(faults)
        self._rng = random.Random(seed)
        self.over: list[Fault] = []
        """What has happened"""
        self.sent_s = self.lost_s = 0.0
        """Sound that was sent, and that never was, in seconds"""
        self._began_s = self.now_s = elapsed_s()
        """Virtual time"""
        self._outage: Fault | None = None
        self._in_flight: deque[Samples] = deque()
        self._held_up: Fault | None = None
        self._holding = self._held = False
        self._changed = threading.Condition()

    @property
    def passed_s(self) -> float:
        """How much of its time has passed since it began."""
        return self.now_s - self._began_s

    @property
    def unheard_s(self) -> float:
        """Sound that was sent and is still on its way, in seconds, about."""
        return CHUNK_S * len(self._in_flight)

    def open(self) -> _Session:
        """Begin to send, unless there is an outage. Raises SourceError."""
        outage = self._outage
        if outage is not None:
            until_s = self._began_s + outage.at_s + outage.length_s
            if self.now_s < until_s:
                raise SourceError("there is no unsteady device; trying is all that can be done")
            self._outage = None
            self._end(outage, self.passed_s - outage.at_s)
            while self._due and self._due[0].at_s < self.passed_s + _APART_S:
                self._due.popleft()
        return _Session(self, *self._rng.choice(sorted(self._files.items())))

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        self.now_s += seconds

    def heard(self, chunk: Chunk) -> None:
        """The listener is done with `chunk`. Raises RuntimeError for sound that was not sent."""
        with self._changed:
            while (sent := self._next_in_flight()) is not chunk.samples:
                if self._held_up is None:
                    raise RuntimeError(f"{len(sent)} samples vanished at {self.passed_s:.1f} s")
                self._held_up.lost_s += len(sent) / chunk.sample_rate_hz
            self._held = self._holding
            self._changed.notify_all()
            self._changed.wait_for(lambda: not self._holding)
            self._held = False

    def draw_crystal(self) -> float:
        """By how much its clock is off this time, as a share."""
        return self._rng.uniform(-CRYSTAL, CRYSTAL)

    def next_fault(self) -> Fault | None:
        """What happens now, if anything."""
        if not self._due or self._due[0].at_s > self.passed_s:
            return None
        return self._due.popleft()

    def send(self, samples: Samples, rate_hz: int, crystal: float, stamp_s: float) -> Block:
        """Let the time of `samples` pass; the block that brings them, not before `stamp_s`."""
        duration_s = len(samples) / rate_hz
        self.now_s += duration_s * (1 + crystal)
        self.sent_s += duration_s
        with self._changed:
            self._in_flight.append(samples)
        arrived_s = max(stamp_s, self.now_s + self._rng.uniform(0, JITTER_S))
        return Block(samples, rate_hz, arrived_s)

    def lose(self, fault: Fault) -> None:
        """Let the time of `fault` pass without sound."""
        self.now_s += fault.length_s
        self._end(fault, fault.length_s)

    def stop(self, fault: Fault) -> None:
        """Be away from now on, for as long as `fault` says."""
        fault.at_s = self.passed_s
        self._outage = fault

    def wait_for_listener(self, most_blocks: int) -> None:
        """Wait until no more than `most_blocks` are on their way, or the listener is held up."""
        with self._changed:
            self._changed.wait_for(lambda: len(self._in_flight) <= most_blocks or self._held)

    def hold_listener(self, fault: Fault) -> None:
        """Hold the listener up when it has done with its next chunk."""
        self._held_up = fault
        self.over.append(fault)
        with self._changed:
            self._holding = True

    def holds(self) -> bool:
        """Whether the listener is held up now."""
        with self._changed:
            return self._held

    def release_listener(self) -> None:
        """Let the listener go on."""
        with self._changed:
            self._holding = False
            self._changed.notify_all()

    def _end(self, fault: Fault, lost_s: float) -> None:
        fault.lost_s = lost_s
        self.lost_s += lost_s
        self.over.append(fault)

    def _next_in_flight(self) -> Samples:
        if not self._in_flight:
            raise RuntimeError(f"sound was heard twice, at {self.passed_s:.1f} s")
        return self._in_flight.popleft()


class _Session:
    def __init__(self, device: UnsteadyDevice, rate_hz: int, file: soundfile.SoundFile) -> None:
        self._device, self._rate_hz, self._file = device, rate_hz, file
        self._crystal = device.draw_crystal()
        self._closed = threading.Event()

    def blocks(self) -> Iterator[Block]:
        while not self._closed.is_set():
            fault = self._device.next_fault()
            if fault is not None:
                yield from self._suffer(fault)
            else:
                self._device.wait_for_listener(_AHEAD_BLOCKS)
                yield self._next()

    def close(self) -> None:
        self._closed.set()

    def _suffer(self, fault: Fault) -> Iterator[Block]:
        device = self._device
        if fault.kind is Kind.STOP:
            device.stop(fault)
            raise SourceError(f"{device.name} sends no more sound (unplugged)")
        if fault.kind is Kind.STALL:
            device.stop(fault)
            device.sleep(STALL_S)  # as long as the listener waits in its own time
            self._closed.wait()
        elif fault.kind is Kind.OVERFLOW:
            device.lose(fault)
            yield replace(self._next(), overflow=True)
        elif fault.kind is Kind.SILENT:
            device.lose(fault)
            for _ in range(_HELD_BLOCKS):
                yield self._next()
        elif fault.kind is Kind.LATE:
            device.over.append(fault)
            stamp_s = device.now_s + fault.length_s
            while device.now_s < stamp_s:
                yield self._next(stamp_s)
        else:
            yield from self._hold_up(fault)

    def _hold_up(self, fault: Fault) -> Iterator[Block]:
        self._device.hold_listener(fault)
        while not self._device.holds():
            self._device.wait_for_listener(_AHEAD_BLOCKS)
            yield self._next()
        for _ in range(round(fault.length_s / CHUNK_S)):
            yield self._next()
        self._device.release_listener()

    def _next(self, stamp_s: float = 0.0) -> Block:
        size = round(CHUNK_S * self._rate_hz)
        samples = self._file.read(size, dtype="float32")
        if len(samples) < size:
            self._file.seek(0)
            samples = self._file.read(size, dtype="float32")
        return self._device.send(samples, self._rate_hz, self._crystal, stamp_s)
