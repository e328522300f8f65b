"""The loop: sound from a source, through resampler and classifier, to the sinks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from edge_asc.classifier import SceneClassifier, SceneEstimate
from edge_asc.context import SceneContext
from edge_asc.errors import AudioError
from edge_asc.features import Samples
from edge_asc.resample import Resampler
from edge_asc.sinks import EstimateSink, Report
from edge_asc.sources import AudioSource, Chunk


@dataclass(frozen=True, slots=True)
class ListenSummary:
    """What was heard."""

    heard_s: float
    lost_s: float
    scene_counts: Mapping[str, int]
    """How many estimates each scene led, the most frequent first."""

    interrupted: bool

    @property
    def num_estimates(self) -> int:
        return sum(self.scene_counts.values())


def listen(
    source: AudioSource,
    classifier: SceneClassifier,
    sinks: Iterable[EstimateSink],
    context: SceneContext,
    *,
    seconds: float | None = None,
    say: Callable[[str], None],
    progress: Callable[[float, float], None] = lambda heard_s, window_s: None,
) -> ListenSummary:
    """Hear `source` to its end, for `seconds` of sound, or until KeyboardInterrupt.

    `context.local_time` is the time at which the sound begins; if it is None and the source is
    live, the clock's time is used. `say` is told what went wrong on the way; `progress` how many
    seconds of the first window, of how many, have been heard. A stream that ends within its first
    window gives one padded estimate.

    Raises AudioError if nothing was heard, and what the source raises.
    """
    listener = _Listener(source, classifier, list(sinks), context, say, progress)
    most_samples = None if seconds is None else max(1, round(seconds * source.sample_rate_hz))
    try:
        with source:
            for chunk in source:
                listener.hear(_first_part(chunk, most_samples, listener.heard_samples))
                if most_samples is not None and listener.heard_samples >= most_samples:
                    break
        listener.finish()
    except KeyboardInterrupt:
        return listener.summary(interrupted=True)
    return listener.summary(interrupted=False)


class _Listener:
    """What `listen` must remember from one chunk to the next."""

    def __init__(
        self,
        source: AudioSource,
        classifier: SceneClassifier,
        sinks: list[EstimateSink],
        context: SceneContext,
        say: Callable[[str], None],
        progress: Callable[[float, float], None],
    ) -> None:
        self._source, self._classifier, self._sinks = source, classifier, sinks
        self._resampler = Resampler(source.sample_rate_hz, classifier.sample_rate_hz)
        self._context, self._say, self._progress = context, say, progress
        self._scene_counts: Counter[str] = Counter()
        self.heard_samples = 0
        self._lost_samples = 0
        self._window_began_samples: int | None = 0
        """Where the window that is not yet complete began; None once one was."""

    def hear(self, chunk: Chunk) -> None:
        if chunk.lost_samples:
            self._skip(chunk)
        self.heard_samples += len(chunk.samples)
        self._classify(self._resampler.process(chunk.samples), self._time_at(chunk.arrived))
        if self._window_began_samples is not None:
            heard_samples = self._position_samples - self._window_began_samples
            self._progress(heard_samples / self._source.sample_rate_hz, self._window_s)

    def finish(self) -> None:
        """The stream ended: hear what the resampler holds back, and a window never completed."""
        if self.heard_samples == 0:
            raise AudioError(f"{self._source.name}: nothing was heard, the stream ended at once")
        now = self._time_at(datetime.now().astimezone())
        self._classify(self._resampler.finish(), now)
        self._report(self._classifier.finish(replace(self._context, local_time=now)), now)

    def summary(self, interrupted: bool) -> ListenSummary:
        rate_hz = self._source.sample_rate_hz
        return ListenSummary(
            self.heard_samples / rate_hz,
            self._lost_samples / rate_hz,
            dict(self._scene_counts.most_common()),
            interrupted,
        )

    @property
    def _position_samples(self) -> int:
        return self.heard_samples + self._lost_samples

    @property
    def _window_s(self) -> float:
        return self._classifier.window_samples / self._classifier.sample_rate_hz

    def _time_at(self, arrived: datetime) -> datetime | None:
        """Local time at the present position of the stream."""
        if self._context.local_time is not None:
            position_s = self._position_samples / self._source.sample_rate_hz
            return self._context.local_time + timedelta(seconds=position_s)
        return arrived if self._source.live else None

    def _skip(self, chunk: Chunk) -> None:
        """Sound was lost before `chunk`: finish what came before, begin a new window after it."""
        rate_hz = self._source.sample_rate_hz
        lost_s = chunk.lost_samples / rate_hz
        self._classify(self._resampler.finish(), self._time_at(chunk.arrived))
        self._say(
            f"lost {lost_s:.1f} s of sound after {self._position_samples / rate_hz:.1f} s;"
            " a new window begins"
        )
        self._lost_samples += chunk.lost_samples
        self._classifier.skip(round(lost_s * self._classifier.sample_rate_hz))
        self._window_began_samples = self._position_samples

    def _classify(self, samples: Samples, now: datetime | None) -> None:
        context = replace(self._context, local_time=now)
        self._report(self._classifier.process(samples, context), now)

    def _report(self, estimates: list[SceneEstimate], now: datetime | None) -> None:
        if estimates and self._window_began_samples is not None:
            self._progress(self._window_s, self._window_s)
            self._window_began_samples = None
        position_s = self._position_samples / self._source.sample_rate_hz
        manifest = self._classifier.manifest
        for estimate in estimates:
            self._scene_counts[estimate.scene] += 1
            ended = now and now - timedelta(seconds=position_s - estimate.end_s)
            report = Report(
                estimate,
                self._source.name,
                manifest.name,
                manifest.demonstration,
                self._context.city,
                ended,
            )
            for sink in self._sinks:
                sink.write(report)


def _first_part(chunk: Chunk, most_samples: int | None, heard_samples: int) -> Chunk:
    """`chunk`, or as much of it as may still be heard."""
    if most_samples is None:
        return chunk
    return replace(chunk, samples=chunk.samples[: most_samples - heard_samples])
