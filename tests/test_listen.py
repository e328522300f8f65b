"""The loop, with a source and a classifier that write down what happens to them."""

from __future__ import annotations

import errno
import types
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, timezone
from typing import Any, cast

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_asc.classifier import SceneClassifier, SceneEstimate
from edge_asc.context import SceneContext
from edge_asc.decision import HOLD_S, Decider
from edge_asc.decision_config import DecisionConfig
from edge_asc.errors import AudioError
from edge_asc.features import Samples
from edge_asc.listen import Judgement, ListenSummary, listen
from edge_asc.messages import Gap, Health, Message, Report, SceneChange
from edge_asc.outputs import Outputs
from edge_asc.resample import resample
from edge_asc.sinks.main_output import MainOutput
from edge_asc.sources import Chunk

RATE_HZ = 1_000
WINDOW_S = 2
NOON = datetime(2026, 5, 17, 12, 0, tzinfo=timezone(timedelta(hours=8)))


class Source:
    """Plays the chunks it was given; an exception among them is raised."""

    name = description = "test source"
    trouble = ""

    def __init__(self, *chunks: Chunk | BaseException, live: bool = False):
        self.live, self._chunks = live, chunks
        self.closed = False

    def __enter__(self) -> Source:
        return self

    def __exit__(self, *exc: object) -> None:
        self.closed = True

    def __iter__(self) -> Iterator[Chunk]:
        for chunk in self._chunks:
            if isinstance(chunk, BaseException):
                raise chunk
            yield chunk


class Classifier:
    """Like `SceneClassifier`: an estimate a second once a window is full; loud sound is "bar"."""

    manifest = types.SimpleNamespace(name="tiny", demonstration=True)
    sample_rate_hz = RATE_HZ
    window_samples = WINDOW_S * RATE_HZ

    def __init__(self) -> None:
        self.sound = np.empty(0, np.float32)
        self.calls: list[Any] = []
        self.contexts: list[SceneContext] = []
        self._start = self._told = 0
        self._gap = False

    def process(self, chunk: Samples, context: SceneContext) -> list[SceneEstimate]:
        self.contexts.append(context)
        self.sound = np.concatenate([self.sound, chunk])
        estimates = []
        while len(self.sound) - self._told >= (RATE_HZ if self._told else self.window_samples):
            self._told += RATE_HZ if self._told else self.window_samples
            estimates.append(self._estimate(self._told))
        return estimates

    def _estimate(self, end: int, padded: bool = False) -> SceneEstimate:
        loud = float(np.abs(self.sound[:end][-self.window_samples :]).mean())
        end_s = (self._start + end) / RATE_HZ
        gap, self._gap = self._gap, False
        start_s = max(0.0, end_s - WINDOW_S)
        probabilities = np.array([1 - loud, loud], np.float32)
        return SceneEstimate(("bus", "bar"), probabilities, start_s, end_s, padded, gap)

    def begin_at(self, start_s: float) -> None:
        self.calls.append(("begin at", start_s, len(self.sound)))
        self._start = round(start_s * RATE_HZ)
        self._told, self.sound, self._gap = 0, np.empty(0, np.float32), True

    def finish(self, context: SceneContext) -> list[SceneEstimate]:
        self.calls.append("finish")
        return [] if self._told or not len(self.sound) else [self._estimate(len(self.sound), True)]


@dataclass
class Heard:
    """All that came out of one run."""

    classifier: Classifier = field(default_factory=Classifier)
    reports: list[Report] = field(default_factory=list)
    gaps: list[Gap] = field(default_factory=list)
    changes: list[SceneChange] = field(default_factory=list)
    healths: list[Health] = field(default_factory=list)
    alive: list[str] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    waiting: list[tuple[float, float]] = field(default_factory=list)
    summary: ListenSummary | None = None
    num_unwritten: int = 0

    def takes(self, message: Message) -> bool:
        return True

    def write(self, message: Message) -> None:
        if isinstance(message, Report):
            self.reports.append(message)
        elif isinstance(message, Gap):
            self.gaps.append(message)
        elif isinstance(message, SceneChange):
            self.changes.append(message)
        else:
            self.healths.append(message)

    def run(
        self,
        source: Source,
        context: SceneContext | None = None,
        seconds: float | None = None,
        doubt: Callable[[], str | None] = lambda: None,
        **options: Any,
    ) -> Heard:
        outputs = Outputs([MainOutput(self)], say=self.said.append, patient=True)
        self.summary = listen(
            source,
            cast(SceneClassifier, self.classifier),
            outputs,
            context or SceneContext(),
            seconds=seconds,
            say=self.said.append,
            progress=lambda heard_s, window_s: self.waiting.append((heard_s, window_s)),
            alive=self.alive.append,
            doubt=doubt,
            **options,
        )
        outputs.close()
        self.num_unwritten = outputs.num_unwritten
        return self

    @property
    def ends_s(self) -> list[float]:
        return [report.estimate.end_s for report in self.reports]


def chunk(seconds: float, level: float = 0.0, lost_s: float = 0.0, rate_hz: int = RATE_HZ) -> Chunk:
    """Sound with a little noise in it, so that nobody takes it for a muted microphone."""
    rng = np.random.default_rng(3)
    samples = level + 0.001 * rng.standard_normal(round(seconds * rate_hz))
    cause = "the cat pulled the plug" if lost_s else ""
    return Chunk(samples.astype(np.float32), rate_hz, NOON, lost_s, cause)


def test_a_recording_to_its_end() -> None:
    source = Source(chunk(1.5, 0.1), chunk(1.5, 0.1), chunk(2, 1.0))
    heard = Heard().run(source, SceneContext(city="Hefei"))
    assert heard.ends_s == [2, 3, 4, 5]
    assert heard.summary == ListenSummary(5.0, 0.0, {"bus": 2, "bar": 2}, False)
    assert heard.summary.num_estimates == 4
    assert source.closed
    assert heard.said == []
    first = heard.reports[0]
    assert (first.source, first.model, first.demonstration, first.city, first.time) == (
        "test source",
        "tiny",
        True,
        "Hefei",
        None,
    )


def test_progress_until_the_first_window() -> None:
    heard = Heard().run(Source(*[chunk(0.5)] * 6))
    assert heard.waiting == [(0.5, 2), (1.0, 2), (1.5, 2), (2, 2)]


def test_a_short_recording_is_padded() -> None:
    heard = Heard().run(Source(chunk(0.75)))
    (report,) = heard.reports
    assert report.estimate.padded
    assert report.estimate.end_s == 0.75


@pytest.mark.parametrize("chunks", [(), (chunk(0),)])
def test_nothing_heard(chunks: tuple[Chunk, ...]) -> None:
    with pytest.raises(AudioError, match="test source: nothing was heard"):
        Heard().run(Source(*chunks))


@pytest.mark.parametrize(("seconds", "ends_s"), [(2.5, [2]), (3, [2, 3]), (60, [2, 3, 4])])
def test_seconds_of_sound(seconds: float, ends_s: list[float]) -> None:
    heard = Heard().run(Source(*[chunk(0.4)] * 10), seconds=seconds)
    assert heard.ends_s == ends_s
    assert heard.summary is not None
    assert heard.summary.heard_s == min(seconds, 4)


def test_lost_sound_begins_a_new_window() -> None:
    heard = Heard().run(Source(chunk(2.5), chunk(1.5, lost_s=0.5), chunk(1)))
    assert heard.gaps == [Gap(2.0, 3.0, 0.5, "the cat pulled the plug", "test source", None)]
    assert heard.classifier.calls == [("begin at", 3.0, 2_500), "finish"]
    assert heard.ends_s == [2, 5]
    assert [report.estimate.after_gap for report in heard.reports] == [False, True]
    assert heard.summary == ListenSummary(5.0, 0.5, {"bus": 2}, False, num_gaps=1)
    assert heard.waiting[-3:] == [(2, 2), (1.5, 2), (2, 2)]


def test_sound_lost_before_the_first_chunk() -> None:
    heard = Heard().run(Source(chunk(2, lost_s=7.0)))
    assert [(gap.start_s, gap.end_s) for gap in heard.gaps] == [(0.0, 7.0)]
    assert heard.ends_s == [9]


def test_a_gap_knows_when_it_ended() -> None:
    late = replace(chunk(1.5, lost_s=0.5), arrived=NOON + timedelta(seconds=60))
    heard = Heard().run(Source(chunk(2.5), late, live=True))
    assert heard.gaps[0].time == NOON + timedelta(seconds=58.5)


@given(
    st.lists(
        st.tuples(st.floats(0.05, 5.0), st.sampled_from([0.0, 0.0, 0.0, 0.25, 3.1, 100.0])),
        min_size=1,
        max_size=30,
    )
)
def test_estimates_and_gaps_cover_a_stream_without_a_hole(
    pieces: list[tuple[float, float]],
) -> None:
    heard = Heard().run(Source(*(chunk(seconds, lost_s=lost_s) for seconds, lost_s in pieces)))
    assert heard.summary is not None
    stretches = [(r.estimate.start_s, r.estimate.end_s) for r in heard.reports]
    stretches += [(gap.start_s, gap.end_s) for gap in heard.gaps]
    covered_s = 0.0
    for start_s, end_s in sorted(stretches, key=lambda stretch: (stretch[1], stretch[0])):
        assert start_s <= covered_s + 1e-6
        covered_s = max(covered_s, end_s)
    total_s = heard.summary.heard_s + heard.summary.lost_s
    # What is left is the second that the end of the stream did not let come to its end.
    assert covered_s <= total_s + 2e-3 * len(pieces)
    assert total_s - covered_s < 1 + 2e-3 * len(pieces)
    assert heard.summary.num_gaps == len(heard.gaps)
    assert sum(gap.lost_s for gap in heard.gaps) == pytest.approx(heard.summary.lost_s)


def test_what_reaches_the_classifier_is_resampled_across_chunks(rng: np.random.Generator) -> None:
    sound = rng.uniform(-1, 1, 12_000).astype(np.float32)
    chunks = [Chunk(piece, 8_000, NOON) for piece in np.split(sound, [7, 1_600, 3_201, 9_000])]
    heard = Heard().run(Source(*chunks))
    np.testing.assert_array_equal(heard.classifier.sound, resample(sound, 8_000, RATE_HZ))


def test_what_the_resampler_holds_back_is_heard_before_a_gap() -> None:
    source = Source(chunk(1, rate_hz=8_000), chunk(1, lost_s=0.1, rate_hz=8_000))
    heard = Heard().run(source)
    assert heard.classifier.calls[0] == ("begin at", 1.1, RATE_HZ)
    assert len(heard.classifier.sound) == RATE_HZ


def test_after_a_gap_the_rate_may_be_another() -> None:
    heard = Heard().run(Source(chunk(2), chunk(3, lost_s=1.0, rate_hz=4_000)))
    assert heard.ends_s == [2, 5, 6]
    assert heard.summary is not None
    assert (heard.summary.heard_s, heard.summary.lost_s) == (5.0, 1.0)


def test_live_sound_takes_its_time_from_the_clock() -> None:
    chunks = [
        replace(chunk(1.5), arrived=NOON + timedelta(seconds=1.5 * number)) for number in (1, 2)
    ]
    heard = Heard().run(Source(*chunks, live=True))
    assert [context.local_time for context in heard.classifier.contexts[:2]] == [
        chunks[0].arrived,
        chunks[1].arrived,
    ]
    assert [report.time for report in heard.reports] == [
        NOON + timedelta(seconds=2),
        NOON + timedelta(seconds=3),
    ]


@pytest.mark.parametrize("live", [False, True])
def test_a_given_time_counts_on(live: bool) -> None:
    context = SceneContext(local_time=datetime(2026, 5, 17, 23, 59, 59))
    heard = Heard().run(Source(chunk(1.5), chunk(1.5), live=live), context)
    assert heard.classifier.contexts[1].local_time == datetime(2026, 5, 18, 0, 0, 2)
    assert [report.time for report in heard.reports] == [
        datetime(2026, 5, 18, 0, 0, 1),
        datetime(2026, 5, 18, 0, 0, 2),
    ]


def test_a_recording_does_not_know_its_time() -> None:
    heard = Heard().run(Source(chunk(3)))
    assert heard.classifier.contexts[0].local_time is None


@pytest.mark.parametrize("heard_s", [0.0, 2.5])
def test_an_interrupt_ends_it_with_a_summary(heard_s: float) -> None:
    source = Source(chunk(heard_s), KeyboardInterrupt())
    heard = Heard().run(source)
    assert heard.summary is not None
    assert heard.summary.interrupted
    assert heard.summary.heard_s == heard_s
    assert heard.classifier.calls == []
    assert source.closed


def test_the_source_is_closed_when_a_sink_fails() -> None:
    source = Source(chunk(3))
    with pytest.raises(BrokenPipeError):
        run_with(BrokenPipeError(), source)
    assert source.closed


class Failing(Heard):
    """A sink that fails at first; then it writes down what it gets."""

    def __init__(self, *errors: BaseException) -> None:
        super().__init__()
        self._errors = list(errors)

    def write(self, message: Message) -> None:
        if self._errors:
            raise self._errors.pop(0)
        super().write(message)


def run_with(error: BaseException, source: Source) -> Heard:
    return Failing(error).run(source)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_ends_nothing(number: int) -> None:
    full = OSError(number, "no room")
    heard = Failing(full, full).run(Source(*[chunk(1)] * 5))
    assert heard.ends_s == [4, 5]
    assert heard.said == [
        "standard output: no room; listening goes on",
        "standard output: works again; 2 messages lost so far",
    ]
    assert heard.summary is not None
    assert (heard.num_unwritten, heard.summary.num_estimates) == (2, 4)


def test_another_fault_of_a_sink_is_not_hidden() -> None:
    with pytest.raises(PermissionError):
        run_with(PermissionError(errno.EACCES, "no"), Source(chunk(3)))


def test_each_chunk_is_a_sign_of_life() -> None:
    heard = Heard().run(Source(*[chunk(0.75, 1.0)] * 4))
    assert heard.alive == ["the first window is not yet full"] * 2 + ["bar 100 %"] * 2


def test_a_clock_in_doubt_is_not_used_but_shown() -> None:
    heard = Heard().run(Source(chunk(2), chunk(1), live=True), doubt=lambda: "no NTP")
    assert {context.local_time for context in heard.classifier.contexts} == {None}
    assert [report.time for report in heard.reports] == [NOON, NOON]
    (note,) = heard.said
    assert note.startswith("no NTP; until then the time of day counts as unknown")


def test_a_clock_that_has_been_set_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    doubts = ["no NTP", "no NTP", None]
    monkeypatch.setattr("edge_asc.listen._DOUBT_EVERY_S", 0.0)
    heard = Heard().run(Source(*[chunk(1)] * 4, live=True), doubt=lambda: doubts.pop(0))
    times = [context.local_time for context in heard.classifier.contexts]
    assert times[:2] == [None, None]
    assert times[2:4] == [NOON, NOON]
    assert heard.said[1:] == ["the clock has been set: the time of day is used from now on"]


def test_a_given_time_is_beyond_doubt() -> None:
    context = SceneContext(local_time=NOON)
    heard = Heard().run(Source(chunk(2), live=True), context, doubt=lambda: "no NTP")
    assert heard.classifier.contexts[0].local_time == NOON + timedelta(seconds=2)
    assert heard.said == []


def test_a_muted_microphone_is_told() -> None:
    silence = Chunk(np.zeros(11 * RATE_HZ, np.float32), RATE_HZ, NOON)
    assert "muted" in Heard().run(Source(silence)).said[0]


def deciding(**config: Any) -> Judgement:
    values: dict[str, Any] = {"smoothing": "none", "margin": 0.0, **config}
    return Judgement(Decider(("bus", "bar"), DecisionConfig(**values), 1.0))


def test_a_change_of_scene_is_told_after_the_estimate_that_made_it() -> None:
    context = SceneContext(local_time=NOON)
    source = Source(chunk(4, 0.0), chunk(6, 1.0))
    heard = Heard().run(source, context, judgement=deciding())
    bus, bar, end = heard.changes
    assert (bus.scene, bus.start_s, bus.detected_s, bus.time) == ("bus", 0.0, 2.0, NOON)
    # The window that ends at 5 s is half and half; of the two it is as much the one as the other.
    assert bar.scene == "bar"
    assert bar.start_s in (4.0, 5.0)
    assert bar.previous is not None
    assert (bar.previous.scene, bar.previous.end_s) == ("bus", bar.start_s)
    assert bar.time == NOON + timedelta(seconds=bar.start_s)
    assert (end.scene, end.start_s) == (None, 10.0)
    assert [report.decision is not None for report in heard.reports] == [True] * 9
    assert heard.summary is not None
    assert heard.summary.scene_counts["bar"] in (5, 6)


def test_without_a_judgement_nothing_is_decided() -> None:
    heard = Heard().run(Source(chunk(4), chunk(4, 1.0)))
    assert heard.changes == []
    assert {report.decision for report in heard.reports} == {None}


@pytest.mark.parametrize(("lost_s", "ends"), [(HOLD_S - 1, False), (HOLD_S + 1, True)])
def test_a_long_gap_ends_the_scene_and_a_short_one_does_not(lost_s: float, ends: bool) -> None:
    heard = Heard().run(Source(chunk(4), chunk(4, lost_s=lost_s)), judgement=deciding())
    scenes = [change.scene for change in heard.changes]
    assert scenes == (["bus", None, "bus", None] if ends else ["bus", None])
    if ends:
        assert heard.changes[1].start_s == heard.gaps[0].start_s


def test_health_is_told_at_the_end_with_the_counts() -> None:
    source = Source(chunk(4, 0.1), chunk(4, 0.1, lost_s=1.0))
    heard = Heard().run(source, health_every_s=60.0)
    (health,) = heard.healths
    assert (health.state, health.heard_s, health.lost_s) == ("ended", 8.0, 1.0)
    assert (health.num_gaps, health.num_estimates, health.num_changes) == (1, 6, 0)
    assert health.level_dbfs == heard.reports[-1].level_dbfs
    assert Heard().run(Source(chunk(4))).healths == []
