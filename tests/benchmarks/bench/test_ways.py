"""The ways of sound through the shipped model, and what their clocks cover."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from edge_asc.benchmarks.bench import ways
from edge_asc.benchmarks.bench.result import TOTAL
from edge_asc.benchmarks.bench.subject import opened_sound
from edge_asc.benchmarks.bench.ways import LiveStream, Pipeline, Stream, Window
from edge_asc.context import SceneContext
from edge_asc.model_file import ModelFile, default_model_path
from edge_asc.recordings import classify_recording
from tests.conftest import WavWriter
from tests.paced_clock import PacedClock

CLASSIFIED = {"decision", "publish", "features", "resample", TOTAL}


@pytest.fixture(scope="module")
def model() -> ModelFile:
    return ModelFile.read(default_model_path())


@pytest.fixture
def pipeline(model: ModelFile) -> Iterator[Pipeline]:
    made = Pipeline(model)
    yield made
    made.close()


@pytest.fixture
def clip() -> Iterator[Path]:
    with opened_sound(None, 10.0) as sound:
        yield sound.path


class Lines:
    """Keeps what is published."""

    def __init__(self, pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
        self.messages: list[dict[str, object]] = []
        monkeypatch.setattr(pipeline, "_lines", self)

    def write(self, message: object) -> None:
        from edge_asc.sinks.json_values import to_line

        self.messages.append(json.loads(to_line(message)))  # type: ignore[arg-type]


def stages_fill_the_whole(laps: dict[str, float]) -> bool:
    """They are parts of it that do not overlap."""
    parts = [seconds for stage, seconds in laps.items() if stage != TOTAL]
    return min(parts) > 0.0 and sum(parts) <= laps[TOTAL]


def test_a_window_passes_through_every_stage(pipeline: Pipeline, clip: Path) -> None:
    laps = Window(pipeline, clip).run()
    assert laps.keys() == CLASSIFIED | {"read", "network"}
    assert stages_fill_the_whole(laps)


def test_a_hop_passes_through_every_stage(pipeline: Pipeline, clip: Path) -> None:
    laps = Stream(pipeline, clip).run()
    assert laps.keys() == CLASSIFIED | {"read", "encoder", "head"}
    assert stages_fill_the_whole(laps)


def test_a_window_gives_what_classify_gives(
    pipeline: Pipeline, clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same numbers as `edge-asc classify`: the way is the runtime's, not a copy of it."""
    lines = Lines(pipeline, monkeypatch)
    Window(pipeline, clip)
    (wanted,) = classify_recording(clip, pipeline.classifier, pipeline.context)
    (message,) = lines.messages
    got = message["probabilities"]
    assert isinstance(got, dict)
    np.testing.assert_allclose(list(got.values()), wanted.probabilities, atol=1e-6)


def test_a_stream_gives_an_answer_for_each_second(
    pipeline: Pipeline, clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = Lines(pipeline, monkeypatch)
    stream = Stream(pipeline, clip)  # its first window, and one hop to see the clocks
    for _ in range(12):  # beyond the end of the file, which begins again
        stream.run()
    assert [message["end_s"] for message in lines.messages] == [10.0 + hop for hop in range(14)]


def test_sound_of_another_rate(pipeline: Pipeline, write_wav: WavWriter) -> None:
    noise = 0.1 * np.random.default_rng(1).standard_normal(11 * 22_050)
    path = write_wav(noise, 22_050)
    for way in (Window(pipeline, path), Stream(pipeline, path)):
        assert way.run().keys() >= CLASSIFIED


def test_the_context_is_a_city_that_the_model_knows(model: ModelFile, pipeline: Pipeline) -> None:
    assert pipeline.context.city in model.manifest.trained_cities
    assert pipeline.context.local_time is not None
    assert pipeline.context != SceneContext()


def test_a_network_without_a_clock_is_noticed(
    model: ModelFile, clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ways, "_NETWORKS", {"_whole": "network"})
    with pytest.raises(RuntimeError, match="stream: no time was taken of encoder, head"):
        Stream(Pipeline(model), clip)


def test_slowed_on_purpose(model: ModelFile, clip: Path) -> None:
    """The network, a small part of a window, becomes most of it."""
    laps = Window(Pipeline(model, slowed={"network": 500.0}), clip).run()
    assert laps["network"] > 0.5 * laps[TOTAL]


def test_live_sound_comes_at_its_pace(pipeline: Pipeline, clip: Path) -> None:
    clock = PacedClock()
    live = LiveStream(pipeline, clip, 1.0, clock, clock.sleep)
    began_s, clock.slept = clock.now_s, []
    laps = live.run()
    assert laps.keys() == CLASSIFIED | {"encoder", "head"}
    assert laps[TOTAL] == pytest.approx(0.0, abs=1e-9)  # answered before the clock went on
    assert clock.now_s - began_s == pytest.approx(1.0)
    assert clock.slept == [pytest.approx(0.1)] * 10


def test_live_sound_that_comes_faster(pipeline: Pipeline, clip: Path) -> None:
    clock = PacedClock()
    live = LiveStream(pipeline, clip, 0.25, clock, clock.sleep)
    began_s = clock.now_s
    for _ in range(4):
        live.run()
    assert clock.now_s - began_s == pytest.approx(1.0)


def test_latency_counts_from_the_arrival_of_the_last_sample(
    pipeline: Pipeline, clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Answers take 0.4 s, but one takes 2.5 s: it is late, and those after it are not."""
    clock = PacedClock()
    live = LiveStream(pipeline, clip, 1.0, clock, clock.sleep)
    process = pipeline.process
    takes_s = itertools.chain([0.4, 2.5], itertools.repeat(0.4))

    def slow(chunk: object) -> bool:
        answered = process(chunk)  # type: ignore[arg-type]
        if answered:
            clock.now_s += next(takes_s)
        return answered

    monkeypatch.setattr(pipeline, "process", slow)
    latencies_s = [live.run()[TOTAL] for _ in range(4)]
    assert latencies_s == pytest.approx([0.4, 2.5, 0.4, 0.4])


def test_a_hop_that_takes_longer_than_it_lasts_is_always_late(
    pipeline: Pipeline, clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = PacedClock()
    live = LiveStream(pipeline, clip, 1.0, clock, clock.sleep)
    process = pipeline.process

    def slow(chunk: object) -> bool:
        answered = process(chunk)  # type: ignore[arg-type]
        clock.now_s += 1.5 if answered else 0.0
        return answered

    monkeypatch.setattr(pipeline, "process", slow)
    assert [live.run()[TOTAL] for _ in range(3)] == pytest.approx([1.5, 1.5, 1.5])
