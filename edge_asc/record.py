"""Collect labelled clips for training: sound from a source, cut into files of ten seconds."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from types import FrameType
from typing import Protocol

import numpy as np

from edge_asc.clip_folder import ClipFolder, encode_clip
from edge_asc.clock import clock_doubt
from edge_asc.errors import RecordError
from edge_asc.features import Samples
from edge_asc.level import Level, LevelMonitor, measure_level
from edge_asc.sources import AudioSource, Chunk

CLIP_S = 10
"""What a clip of the public sets lasts, and a window of the default model."""


@dataclass(frozen=True, slots=True)
class Visit:
    """What the clips of one run have in common."""

    label: str
    group: str
    city: str | None = None
    place: str = ""


@dataclass(frozen=True, slots=True)
class Clip:
    """Ten seconds without a gap."""

    samples: Samples
    """shape (10 * sample_rate_hz,)"""
    sample_rate_hz: int
    began: datetime
    """Wall clock, with its zone, when the first sample arrived"""


@dataclass(slots=True)
class Progress:
    """How far a recording is."""

    num_clips: int = 0
    num_bytes: int = 0
    """Size of all sound in the folder"""
    heard_s: float = 0.0
    lost_s: float = 0.0
    """Sound that never came"""
    dropped_s: float = 0.0
    """Sound that came and filled no clip: before a gap, or at the end"""
    left_s: float | None = None
    """Until it ends by itself, None if it does not"""


@dataclass(frozen=True, slots=True)
class RecordSummary:
    """What became of a recording."""

    progress: Progress
    ended: str
    """Why it ended"""
    interrupted: bool
    """By Ctrl-C"""


class RecordDisplay(Protocol):
    """Shows a recording to a person."""

    def say(self, text: str) -> None:
        """Something worth a line happened."""

    def heard(self, level: Level, progress: Progress) -> None:
        """Another tenth of a second was heard."""

    def kept(self, file: str, level: Level, progress: Progress) -> None:
        """A clip was written and listed."""


class ClipCutter:
    """Takes chunks of any size; returns the clips that they complete.

    How the sound was cut into chunks never changes the clips.
    """

    def __init__(self) -> None:
        self._parts: list[Samples] = []
        self._num_samples = 0
        self._rate_hz = 0

    def process(self, chunk: Chunk) -> list[Clip]:
        """Take in `chunk`, which continues those before it."""
        self._rate_hz = chunk.sample_rate_hz
        self._parts.append(chunk.samples)
        self._num_samples += len(chunk.samples)
        clip_samples = CLIP_S * self._rate_hz
        if self._num_samples < clip_samples:
            return []
        sound = np.concatenate(self._parts)
        clips = []
        while len(sound) >= clip_samples:
            began = chunk.arrived - timedelta(seconds=len(sound) / self._rate_hz)
            clips.append(Clip(sound[:clip_samples], self._rate_hz, began))
            sound = sound[clip_samples:]
        self._parts, self._num_samples = [sound.copy()], len(sound)
        return clips

    def reset(self) -> float:
        """Drop the clip that is not complete, as after lost sound; returns its length in s."""
        dropped_s = self._num_samples / self._rate_hz if self._num_samples else 0.0
        self._parts, self._num_samples = [], 0
        return dropped_s


def record(
    source: AudioSource,
    folder: ClipFolder,
    visit: Visit,
    display: RecordDisplay,
    *,
    seconds: float | None = None,
    doubt: Callable[[], str | None] = clock_doubt,
) -> RecordSummary:
    """Cut `source` into clips in `folder` until it ends, for `seconds`, or until it is full.

    Ctrl-C and SIGTERM end it too, but never while a clip is written; call it in the main thread.
    `seconds` counts what is lost, too. A clip never goes across a gap, and one that is not complete
    at the end is dropped. `doubt` says why the clock is not to be trusted; then clips have no time.

    Raises RecordError, also when there is no room to begin with, and what the source raises.
    """
    if full := folder.why_full():
        raise RecordError(f"no room for a clip: {full}")
    recorder = _Recorder(source, folder, visit, display, seconds, doubt)
    stop = _Stop()
    try:
        with stop.caught(), source:
            ended = recorder.run(source, stop)
    except KeyboardInterrupt:
        ended = "stopped"
    recorder.finish()
    return RecordSummary(recorder.progress, ended, stop.received == signal.SIGINT)


class _Recorder:
    """What `record` must remember from one chunk to the next."""

    def __init__(
        self,
        source: AudioSource,
        folder: ClipFolder,
        visit: Visit,
        display: RecordDisplay,
        seconds: float | None,
        doubt: Callable[[], str | None],
    ) -> None:
        self.progress = Progress(num_bytes=folder.num_bytes, left_s=seconds)
        self._folder, self._visit, self._display = folder, visit, display
        self._source_name = source.name
        self._seconds = seconds
        self._cutter = ClipCutter()
        self._monitor = LevelMonitor(display.say)
        self._clock = _Clock(source.live, doubt, display.say)

    def run(self, source: AudioSource, stop: _Stop) -> str:
        """Record to the end; returns why it ended."""
        for chunk in source:
            if chunk.lost_s:
                self._skip(chunk)
            for clip in self._hear(chunk):
                with stop.held_back():
                    if full := self._keep(clip):
                        return full
            if self.progress.left_s is not None and self.progress.left_s <= 0.0:
                return "time is up"
        return f"{self._source_name} ended"

    def finish(self) -> None:
        """Drop what fills no clip, and say so."""
        dropped_s = self._cutter.reset()
        self.progress.dropped_s += dropped_s
        if dropped_s:
            self._display.say(f"the last {dropped_s:.1f} s fill no clip and are dropped")

    def _skip(self, chunk: Chunk) -> None:
        dropped_s = self._cutter.reset()
        self._monitor.reset()
        self.progress.lost_s += chunk.lost_s
        self.progress.dropped_s += dropped_s
        cause = f" ({chunk.cause})" if chunk.cause else ""
        dropped = f"; {dropped_s:.1f} s before it are dropped" if dropped_s else ""
        self._display.say(f"lost {chunk.lost_s:.1f} s of sound{cause}{dropped}; a new clip begins")
        self._count_down()

    def _hear(self, chunk: Chunk) -> list[Clip]:
        rate_hz, left_s = chunk.sample_rate_hz, self.progress.left_s
        if left_s is not None:
            samples = chunk.samples[: max(0, round(left_s * rate_hz))]
            late = timedelta(seconds=(len(chunk.samples) - len(samples)) / rate_hz)
            chunk = replace(chunk, samples=samples, arrived=chunk.arrived - late)
        if len(chunk.samples) == 0:
            return []
        self.progress.heard_s += len(chunk.samples) / rate_hz
        self._count_down()
        self._monitor.process(chunk.samples, rate_hz)
        self._display.heard(measure_level(chunk.samples), self.progress)
        return self._cutter.process(chunk)

    def _count_down(self) -> None:
        if self._seconds is not None:
            # Sums of tenths of a second are not exact; a sample is longer than a microsecond.
            position_s = self.progress.heard_s + self.progress.lost_s
            self.progress.left_s = max(0.0, round(self._seconds - position_s, 6))

    def _keep(self, clip: Clip) -> str | None:
        """Write and list `clip`; why there is no room for it, if there is none."""
        visit, rate_hz = self._visit, clip.sample_rate_hz
        values = {
            "label": visit.label,
            "group": visit.group,
            "city": visit.city or "",
            "time": self._clock.local_time(clip.began),
            "duration_s": str(CLIP_S),
            "original_sample_rate_hz": str(rate_hz),
            "place": visit.place,
            "source": self._source_name,
        }
        data = encode_clip(clip.samples, rate_hz, values)
        if full := self._folder.why_full(len(data)):
            self.progress.dropped_s += CLIP_S
            return full
        file = self._folder.add(name_at(visit.label, clip.began), data, values)
        self.progress.num_clips += 1
        self.progress.num_bytes = self._folder.num_bytes
        self._display.kept(file, measure_level(clip.samples), self.progress)
        return None


def name_at(label: str, moment: datetime) -> str:
    """A name for what began then: `bus-20261122T083000Z`. UTC has no hour that comes twice."""
    return f"{label}-{moment.astimezone(timezone.utc):%Y%m%dT%H%M%SZ}"


class _Clock:
    """The local time of a clip, if the clock was right when it began."""

    def __init__(
        self, live: bool, doubt: Callable[[], str | None], say: Callable[[str], None]
    ) -> None:
        self._doubt = doubt if live else (lambda: "a recording does not know its time of day")
        self._say = say
        self._reason = self._doubt()
        if self._reason:
            say(f"{self._reason}; the clips get no time")

    def local_time(self, began: datetime) -> str:
        """The time for the table, empty if unknown; asked for each clip when it ends."""
        if self._reason is None:
            return began.astimezone().replace(tzinfo=None).isoformat(sep=" ", timespec="seconds")
        self._reason = self._doubt()
        if self._reason is None:
            self._say("the clock has been set: clips get their time from now on")
        return ""


class _Stop:
    """Ctrl-C and SIGTERM: they interrupt waiting for sound, but not the writing of a clip."""

    def __init__(self) -> None:
        self.received: int | None = None
        self._held_back = False

    @contextmanager
    def caught(self) -> Iterator[None]:
        """Handle the signals."""
        numbers = (signal.SIGINT, signal.SIGTERM)
        before = {number: signal.signal(number, self._handle) for number in numbers}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    @contextmanager
    def held_back(self) -> Iterator[None]:
        """A signal interrupts only at the end of this."""
        self._held_back = True
        try:
            yield
        finally:
            self._held_back = False
        if self.received is not None:
            raise KeyboardInterrupt

    def _handle(self, number: int, _: FrameType | None) -> None:
        self.received = number
        if not self._held_back:
            raise KeyboardInterrupt
