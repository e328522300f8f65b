"""The loop, with a source and a classifier that write down what happens to them."""

from __future__ import annotations

import types
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Any, cast

import numpy as np
import pytest

from edge_asc.classifier import SceneClassifier, SceneEstimate
from edge_asc.context import SceneContext
from edge_asc.errors import AudioError
from edge_asc.features import Samples
from edge_asc.listen import ListenSummary, listen
from edge_asc.resample import resample
from edge_asc.sinks import Report
from edge_asc.sources import Chunk

RATE_HZ = 1_000
WINDOW_S = 2
NOON = datetime(2026, 5, 17, 12, 0, tzinfo=timezone(timedelta(hours=8)))


class Source:
    """Plays the chunks it was given; an exception among them is raised."""

    name = "test source"

    def __init__(self, *chunks: Chunk | BaseException, rate_hz: int = RATE_HZ, live: bool = False):
        self.sample_rate_hz, self.live, self._chunks = rate_hz, live, chunks
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

    def skip(self, num_samples: int) -> None:
        self.calls.append(("skip", num_samples, len(self.sound)))
        self._start += len(self.sound) + num_samples
        self._told, self.sound, self._gap = 0, np.empty(0, np.float32), True

    def finish(self, context: SceneContext) -> list[SceneEstimate]:
        self.calls.append("finish")
        return [] if self._told or not len(self.sound) else [self._estimate(len(self.sound), True)]


@dataclass
class Heard:
    """All that came out of one run."""

    classifier: Classifier = field(default_factory=Classifier)
    reports: list[Report] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    waiting: list[tuple[float, float]] = field(default_factory=list)
    summary: ListenSummary | None = None

    def write(self, report: Report) -> None:
        self.reports.append(report)

    def run(
        self, source: Source, context: SceneContext | None = None, seconds: float | None = None
    ) -> Heard:
        self.summary = listen(
            source,
            cast(SceneClassifier, self.classifier),
            [self],
            context or SceneContext(),
            seconds=seconds,
            say=self.said.append,
            progress=lambda heard_s, window_s: self.waiting.append((heard_s, window_s)),
        )
        return self

    @property
    def ends_s(self) -> list[float]:
        return [report.estimate.end_s for report in self.reports]


def chunk(seconds: float, level: float = 0.0, lost: int = 0, rate_hz: int = RATE_HZ) -> Chunk:
    samples = np.full(round(seconds * rate_hz), level, np.float32)
    return Chunk(samples, NOON, lost)


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
    heard = Heard().run(Source(chunk(2.5), chunk(1.5, lost=500), chunk(1)))
    assert heard.said == ["lost 0.5 s of sound after 2.5 s; a new window begins"]
    assert heard.classifier.calls == [("skip", 500, 2_500), "finish"]
    assert heard.ends_s == [2, 5]
    assert [report.estimate.after_gap for report in heard.reports] == [False, True]
    assert heard.summary == ListenSummary(5.0, 0.5, {"bus": 2}, False)
    assert heard.waiting[-3:] == [(2, 2), (1.5, 2), (2, 2)]


def test_what_reaches_the_classifier_is_resampled_across_chunks(rng: np.random.Generator) -> None:
    sound = rng.uniform(-1, 1, 12_000).astype(np.float32)
    chunks = [Chunk(piece, NOON) for piece in np.split(sound, [7, 1_600, 3_201, 9_000])]
    heard = Heard().run(Source(*chunks, rate_hz=8_000))
    np.testing.assert_array_equal(heard.classifier.sound, resample(sound, 8_000, RATE_HZ))


def test_what_the_resampler_holds_back_is_heard_before_a_gap() -> None:
    source = Source(chunk(1, rate_hz=8_000), chunk(1, lost=800, rate_hz=8_000), rate_hz=8_000)
    heard = Heard().run(source)
    assert heard.classifier.calls[0] == ("skip", 100, RATE_HZ)
    assert len(heard.classifier.sound) == RATE_HZ


def test_live_sound_takes_its_time_from_the_clock() -> None:
    chunks = [
        Chunk(np.zeros(1_500, np.float32), NOON + timedelta(seconds=1.5 * number))
        for number in (1, 2)
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
    class Broken:
        def write(self, report: Report) -> None:
            raise BrokenPipeError

    source = Source(chunk(3))
    classifier = cast(SceneClassifier, Classifier())
    with pytest.raises(BrokenPipeError):
        listen(source, classifier, [Broken()], SceneContext(), say=print)
    assert source.closed
