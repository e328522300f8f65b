"""The loop: sound from a source, through resampler and classifier, to the sinks.

Estimates and gaps cover a stream without a hole, whatever was lost:

    sound      |############## 14.6 s #|.. lost ..|########### 30 s #####|
    estimates  |--------- 14 s --------|          |----------- ... ------|
    gap                                |14      18|  0.6 s of it were heard, but filled no second
"""

from __future__ import annotations

import errno
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from edge_asc.classifier import SceneClassifier, SceneEstimate
from edge_asc.clock import clock_doubt, elapsed_s
from edge_asc.context import SceneContext
from edge_asc.errors import AudioError
from edge_asc.features import Samples
from edge_asc.level import LevelMonitor
from edge_asc.resample import Resampler
from edge_asc.sinks import Gap, Report, StreamSink
from edge_asc.sources import AudioSource, Chunk

_DOUBT_EVERY_S = 60.0
"""A clock that could not be trusted is looked at again after so long."""


@dataclass(frozen=True, slots=True)
class ListenSummary:
    """What was heard."""

    heard_s: float
    lost_s: float
    scene_counts: Mapping[str, int]
    """How many estimates each scene led, the most frequent first."""

    interrupted: bool
    num_gaps: int = 0
    num_unwritten: int = 0
    """Estimates and gaps that a full disk kept from being written."""

    @property
    def num_estimates(self) -> int:
        return sum(self.scene_counts.values())


def listen(
    source: AudioSource,
    classifier: SceneClassifier,
    sinks: Iterable[StreamSink],
    context: SceneContext,
    *,
    seconds: float | None = None,
    say: Callable[[str], None],
    progress: Callable[[float, float], None] = lambda heard_s, window_s: None,
    alive: Callable[[str], None] = lambda status: None,
    doubt: Callable[[], str | None] = clock_doubt,
) -> ListenSummary:
    """Hear `source` to its end, for `seconds` of sound, or until KeyboardInterrupt.

    `context.local_time` is the time at which the sound begins; if it is None and the source is
    live, the clock's time is used, unless there is a `doubt` about it. `say` is told what went
    wrong on the way; `progress` how many seconds of the first window, of how many, have been heard;
    `alive`, with each chunk of sound, what was heard last. A stream that ends within its first
    window gives one padded estimate.

    Raises AudioError if nothing was heard, and what the source raises.
    """
    outputs = _Outputs(list(sinks), say)
    local_time = _LocalTime(context.local_time, source.live, say, doubt)
    listener = _Listener(source.name, classifier, outputs, context, local_time, say, progress)
    interrupted = False
    try:
        with source:
            for chunk in source:
                chunk = _first_part(chunk, seconds, listener.heard_s)
                listener.hear(chunk)
                alive(listener.last_heard)
                if seconds is not None and listener.heard_s >= seconds:
                    break
        listener.finish()
    except KeyboardInterrupt:
        interrupted = True
    return ListenSummary(
        listener.heard_s,
        listener.lost_s,
        dict(listener.scene_counts.most_common()),
        interrupted,
        listener.num_gaps,
        outputs.num_unwritten,
    )


class _Listener:
    """What `listen` must remember from one chunk to the next."""

    def __init__(
        self,
        name: str,
        classifier: SceneClassifier,
        outputs: _Outputs,
        context: SceneContext,
        local_time: _LocalTime,
        say: Callable[[str], None],
        progress: Callable[[float, float], None],
    ) -> None:
        self._name, self._classifier, self._outputs = name, classifier, outputs
        self._context, self._local_time, self._progress = context, local_time, progress
        self._level = LevelMonitor(say)
        self._resampler: Resampler | None = None
        self.scene_counts: Counter[str] = Counter()
        self.lost_s = 0.0
        self.num_gaps = 0
        self.last_heard = "the first window is not yet full"
        self._began_s = 0.0
        """Where the stretch without a hole began, in seconds since the stream did."""
        self._rate_hz = 0
        self._num_samples = 0
        """How much of that stretch has been heard, at `_rate_hz`."""
        self._covered_s = 0.0
        """How far estimates and gaps reach."""
        self._window_is_full = False

    def hear(self, chunk: Chunk) -> None:
        if chunk.lost_s:
            self._skip(chunk)
        if self._resampler is None:
            self._rate_hz = chunk.sample_rate_hz
            self._resampler = Resampler(self._rate_hz, self._classifier.sample_rate_hz)
        self._num_samples += len(chunk.samples)
        self._level.process(chunk.samples, self._rate_hz)
        self._classify(self._resampler.process(chunk.samples), chunk.arrived)
        if not self._window_is_full:
            self._progress(self._position_s - self._began_s, self._window_s)

    def finish(self) -> None:
        """The stream ended: hear what the resampler holds back, and a window never completed."""
        if self._resampler is None or self.heard_s == 0:
            raise AudioError(f"{self._name}: nothing was heard, the stream ended at once")
        now = datetime.now().astimezone()
        self._classify(self._resampler.finish(), now)
        self._report(self._classifier.finish(self._context_at(now)), now)

    @property
    def heard_s(self) -> float:
        return self._position_s - self.lost_s

    @property
    def _position_s(self) -> float:
        """Seconds since the stream began, lost sound included."""
        return self._began_s + (self._num_samples / self._rate_hz if self._rate_hz else 0.0)

    @property
    def _window_s(self) -> float:
        return self._classifier.window_samples / self._classifier.sample_rate_hz

    def _context_at(self, arrived: datetime) -> SceneContext:
        now = self._local_time.for_network(arrived, self._position_s)
        return replace(self._context, local_time=now)

    def _skip(self, chunk: Chunk) -> None:
        """Sound was lost before `chunk`: finish what came before, begin a new window after it."""
        if self._resampler is not None:
            self._classify(self._resampler.finish(), chunk.arrived)
        began_s = self._position_s + chunk.lost_s
        self.lost_s += chunk.lost_s
        self.num_gaps += 1
        self._resampler, self._num_samples, self._began_s = None, 0, began_s
        self._classifier.begin_at(began_s)
        self._level.reset()
        self._window_is_full = False
        after_s = len(chunk.samples) / chunk.sample_rate_hz
        ended = self._local_time.for_people(chunk.arrived, began_s)
        ended = ended and ended - timedelta(seconds=after_s)
        gap = Gap(self._covered_s, began_s, chunk.lost_s, chunk.cause, self._name, ended)
        self._covered_s = began_s
        self._outputs.write(lambda sink: sink.write_gap(gap))

    def _classify(self, samples: Samples, arrived: datetime) -> None:
        self._report(self._classifier.process(samples, self._context_at(arrived)), arrived)

    def _report(self, estimates: list[SceneEstimate], arrived: datetime) -> None:
        if estimates and not self._window_is_full:
            self._progress(self._window_s, self._window_s)
            self._window_is_full = True
        now = self._local_time.for_people(arrived, self._position_s)
        manifest = self._classifier.manifest
        for estimate in estimates:
            self.scene_counts[estimate.scene] += 1
            self._covered_s = estimate.end_s
            self.last_heard = f"{estimate.scene} {100 * estimate.confidence:.0f} %"
            ended = now and now - timedelta(seconds=self._position_s - estimate.end_s)
            report = Report(
                estimate,
                self._name,
                manifest.name,
                manifest.demonstration,
                self._context.city,
                ended,
            )
            self._outputs.write(lambda sink, report=report: sink.write(report))  # type: ignore[misc]


class _LocalTime:
    """The time of day that goes with the sound."""

    def __init__(
        self,
        begins: datetime | None,
        live: bool,
        say: Callable[[str], None],
        doubt: Callable[[], str | None],
    ) -> None:
        self._begins, self._live, self._say, self._doubt = begins, live, say, doubt
        self._trusted = begins is not None or not live
        self._look_again_s = 0.0
        self._told = False

    def for_people(self, arrived: datetime, position_s: float) -> datetime | None:
        """The time at `position_s` of the stream, which `arrived` then; None if unknown."""
        if self._begins is not None:
            return self._begins + timedelta(seconds=position_s)
        return arrived if self._live else None

    def for_network(self, arrived: datetime, position_s: float) -> datetime | None:
        """The same, but unknown as long as there is a doubt: a wrong hour misleads."""
        if not self._trusted and elapsed_s() >= self._look_again_s:
            self._look()
        return self.for_people(arrived, position_s) if self._trusted else None

    def _look(self) -> None:
        doubt = self._doubt()
        self._trusted = doubt is None
        self._look_again_s = elapsed_s() + _DOUBT_EVERY_S
        if doubt is not None and not self._told:
            self._say(
                f"{doubt}; until then the time of day counts as unknown (--trust-clock uses it)"
            )
        elif self._trusted and self._told:
            self._say("the clock has been set: the time of day is used from now on")
        self._told = not self._trusted


class _Outputs:
    """The sinks; a full disk loses what could not be written, and is told, but ends nothing."""

    def __init__(self, sinks: list[StreamSink], say: Callable[[str], None]) -> None:
        self._sinks, self._say = sinks, say
        self.num_unwritten = 0
        self._failing = False

    def write(self, write: Callable[[StreamSink], None]) -> None:
        for sink in self._sinks:
            try:
                write(sink)
            except OSError as error:
                if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                    raise
                self.num_unwritten += 1
                if not self._failing:
                    self._say(f"cannot write: {error.strerror}; listening goes on")
                self._failing = True
            else:
                if self._failing:
                    self._say(f"writing again; {self.num_unwritten} lines were not written")
                self._failing = False


def _first_part(chunk: Chunk, seconds: float | None, heard_s: float) -> Chunk:
    """`chunk`, or as much of it as may still be heard."""
    if seconds is None:
        return chunk
    most_samples = max(1, round((seconds - heard_s) * chunk.sample_rate_hz))
    return replace(chunk, samples=chunk.samples[:most_samples])
