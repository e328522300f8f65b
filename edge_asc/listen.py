"""The loop: sound from a source, through resampler, classifier and decisions, to the outputs.

Estimates and gaps cover a stream without a hole, whatever was lost:

    sound      |############## 14.6 s #|.. lost ..|########### 30 s #####|
    estimates  |--------- 14 s --------|          |----------- ... ------|
    gap                                |14      18|  0.6 s of it were heard, but filled no second
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from edge_asc.changes import SceneChanges
from edge_asc.classifier import SceneClassifier, SceneEstimate
from edge_asc.clock import clock_doubt, elapsed_s
from edge_asc.context import SceneContext
from edge_asc.decision import Decider, Decision
from edge_asc.drift import DriftMonitor
from edge_asc.errors import AudioError
from edge_asc.features import Samples
from edge_asc.level import LevelMonitor
from edge_asc.messages import Gap, Report
from edge_asc.outputs import Outputs
from edge_asc.resample import Resampler
from edge_asc.sources import AudioSource, Chunk
from edge_asc.vitals import Heart, Vitals

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

    @property
    def num_estimates(self) -> int:
        return sum(self.scene_counts.values())


@dataclass(frozen=True, slots=True)
class Judgement:
    """What follows the network; without its parts there are estimates and nothing else."""

    decider: Decider | None = None
    drift: DriftMonitor | None = None


def listen(
    source: AudioSource,
    classifier: SceneClassifier,
    outputs: Outputs,
    context: SceneContext,
    *,
    judgement: Judgement = Judgement(),
    vitals: Vitals | None = None,
    health_every_s: float | None = None,
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

    `vitals` can be read by others meanwhile. With `health_every_s` they go to the outputs so often
    and when a state changes, if the source is live, and at the end. `outputs` stay open.

    Raises AudioError if nothing was heard, and what the source and the main output raise.
    """
    vitals = vitals or Vitals(source.name, classifier.manifest.name, live=source.live)
    vitals.trouble, vitals.outputs = lambda: source.trouble, outputs.states
    local_time = _LocalTime(context.local_time, source.live, say, doubt)
    listener = _Listener(
        source.name, classifier, judgement, outputs, vitals, context, local_time, say, progress
    )
    beats = source.live and health_every_s is not None
    heart = Heart(vitals, health_every_s or 0.0, outputs.write) if beats else nullcontext()
    interrupted = False
    try:
        with source, heart:
            for chunk in source:
                chunk = _first_part(chunk, seconds, vitals.heard_s)
                listener.hear(chunk)
                alive(listener.last_heard)
                if seconds is not None and vitals.heard_s >= seconds:
                    break
        listener.finish()
    except KeyboardInterrupt:
        interrupted = True
    listener.conclude()
    vitals.ended = True
    if health_every_s is not None:
        outputs.write(vitals.health())
    return ListenSummary(
        vitals.heard_s,
        vitals.lost_s,
        dict(listener.scene_counts.most_common()),
        interrupted,
        vitals.num_gaps,
    )


class _Listener:
    """What `listen` must remember from one chunk to the next."""

    def __init__(
        self,
        name: str,
        classifier: SceneClassifier,
        judgement: Judgement,
        outputs: Outputs,
        vitals: Vitals,
        context: SceneContext,
        local_time: _LocalTime,
        say: Callable[[str], None],
        progress: Callable[[float, float], None],
    ) -> None:
        self._name, self._classifier, self._outputs = name, classifier, outputs
        self._decider, self._drift = judgement.decider, judgement.drift
        self._vitals, self._context, self._local_time = vitals, context, local_time
        self._progress = progress
        self._level = LevelMonitor(say)
        self._changes = SceneChanges(name)
        self._resampler: Resampler | None = None
        self.scene_counts: Counter[str] = Counter()
        self.last_heard = "the first window is not yet full"
        self._began_s = 0.0
        """Where the stretch without a hole began, in seconds since the stream did."""
        self._rate_hz = 0
        self._num_samples = 0
        """How much of that stretch has been heard, at `_rate_hz`."""
        self._covered_s = 0.0
        """How far estimates and gaps reach."""
        self._arrived: datetime | None = None
        """When the sound up to `_position_s` arrived."""
        self._window_is_full = False

    def hear(self, chunk: Chunk) -> None:
        self._vitals.sound_came()
        if chunk.lost_s:
            self._skip(chunk)
        if self._resampler is None:
            self._rate_hz = chunk.sample_rate_hz
            self._resampler = Resampler(self._rate_hz, self._classifier.sample_rate_hz)
        self._num_samples += len(chunk.samples)
        self._vitals.heard_s = self._position_s - self._vitals.lost_s
        self._level.process(chunk.samples, self._rate_hz)
        self._vitals.level = self._level.last
        self._classify(self._resampler.process(chunk.samples), chunk.arrived)
        if not self._window_is_full:
            self._progress(self._position_s - self._began_s, self._window_s)

    def finish(self) -> None:
        """The stream ended: hear what the resampler holds back, and a window never completed."""
        if self._resampler is None or self._vitals.heard_s == 0:
            raise AudioError(f"{self._name}: nothing was heard, the stream ended at once")
        now = datetime.now().astimezone()
        self._classify(self._resampler.finish(), now)
        self._report(self._classifier.finish(self._context_at(now)), now)

    def conclude(self) -> None:
        """The scene that was decided last is over, as far as is known."""
        self._end_scene(self._covered_s)

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
        self._vitals.lost_s += chunk.lost_s
        self._vitals.num_gaps += 1
        self._resampler, self._num_samples, self._began_s = None, 0, began_s
        self._classifier.begin_at(began_s)
        self._level.reset()
        self._window_is_full = False
        self._arrived = chunk.arrived - timedelta(seconds=len(chunk.samples) / chunk.sample_rate_hz)
        ended = self._time_at(began_s)
        gap = Gap(self._covered_s, began_s, chunk.lost_s, chunk.cause, self._name, ended)
        if self._decider is not None and self._decider.lose(gap.end_s - gap.start_s):
            self._end_scene(gap.start_s)
        self._covered_s = began_s
        self._outputs.write(gap)

    def _classify(self, samples: Samples, arrived: datetime) -> None:
        self._report(self._classifier.process(samples, self._context_at(arrived)), arrived)

    def _report(self, estimates: list[SceneEstimate], arrived: datetime) -> None:
        if estimates and not self._window_is_full:
            self._progress(self._window_s, self._window_s)
            self._window_is_full = True
        self._arrived = arrived
        for estimate in estimates:
            self._covered_s = estimate.end_s
            self._vitals.estimate_made()
            if self._drift is not None and estimate.profile is not None:
                self._drift.process(estimate.profile)
                self._vitals.drift = self._drift.drift
            decision = None if self._decider is None else self._decider.process(estimate)
            self.last_heard = _last_heard(estimate, decision)
            self.scene_counts[(decision and decision.scene) or estimate.scene] += 1
            self._outputs.write(self._make_report(estimate, decision))
            if decision is not None:
                self._tell_change(decision, estimate.end_s)

    def _make_report(self, estimate: SceneEstimate, decision: Decision | None) -> Report:
        manifest, level = self._classifier.manifest, self._level.last
        return Report(
            estimate,
            self._name,
            manifest.name,
            manifest.demonstration,
            self._context.city,
            self._time_at(estimate.end_s),
            decision=decision,
            level_dbfs=None if level is None else level.rms_dbfs,
        )

    def _tell_change(self, decision: Decision, end_s: float) -> None:
        change = self._changes.process(decision, end_s, self._time_at)
        if change is not None:
            self._vitals.num_changes += 1
            self._outputs.write(change)

    def _end_scene(self, at_s: float) -> None:
        change = self._changes.end(at_s, self._time_at)
        if change is not None:
            self._outputs.write(change)

    def _time_at(self, moment_s: float) -> datetime | None:
        """Local time of a moment of the stream, None if unknown."""
        if self._arrived is None:
            return None
        now = self._local_time.for_people(self._arrived, self._position_s)
        return now and now - timedelta(seconds=self._position_s - moment_s)


def _last_heard(estimate: SceneEstimate, decision: Decision | None) -> str:
    if decision is None or decision.scene is None:
        return f"{estimate.scene} {100 * estimate.confidence:.0f} %"
    confidence = decision.confidence
    return decision.scene + ("" if confidence is None else f" {100 * confidence:.0f} %")


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


def _first_part(chunk: Chunk, seconds: float | None, heard_s: float) -> Chunk:
    """`chunk`, or as much of it as may still be heard."""
    if seconds is None:
        return chunk
    most_samples = max(1, round((seconds - heard_s) * chunk.sample_rate_hz))
    return replace(chunk, samples=chunk.samples[:most_samples])
