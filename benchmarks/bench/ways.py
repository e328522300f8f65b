"""The ways of sound to an answer, made of what listening is made of, with a clock at each stage.

    window  a file's ten seconds: read -> resample -> features, network -> decision -> publish
    stream  chunks until the next answer: read, resample, features, encoder -> head -> decision ...
    live    the same chunks when they would have been heard; only the last one counts

"features" is all that the classifier does besides its networks: log-mel, standardising, and a
softmax at the end. "network", "encoder" and "head" are the methods of its networks, which quantize
and invoke. "publish" is a line of JSON, written to the null device.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from edge_asc.audio import open_audio, read_blocks
from edge_asc.benchmarks.bench.laps import Laps
from edge_asc.benchmarks.bench.result import TOTAL
from edge_asc.classifier import SceneClassifier, SceneEstimate
from edge_asc.context import SceneContext
from edge_asc.decision import Decider
from edge_asc.features import Samples
from edge_asc.interpreter import Network
from edge_asc.messages import Report
from edge_asc.model_file import ModelFile
from edge_asc.resample import Resampler, resample
from edge_asc.sinks.jsonl import JsonLines
from edge_asc.sources import Chunk
from edge_asc.sources.audio_file import AudioFile

_NETWORKS = {"_whole": "network", "_encoder": "encoder", "_head": "head"}
"""Attributes of a classifier -> stages"""

_TIME = datetime(2026, 5, 17, 14, 30)


def usual_context(model: ModelFile) -> SceneContext:
    """A city that the model knows, if it knows one, and a time, as a device in use has them."""
    cities = model.manifest.trained_cities
    return SceneContext(cities[0] if cities else None, _TIME)


class _TimedNetwork:
    """A network all of whose methods are timed."""

    def __init__(self, network: Network, stage: str, laps: Laps) -> None:
        self._network, self._stage, self._laps = network, stage, laps

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401
        value = getattr(self._network, name)
        if not callable(value):
            return value

        def timed(*args: Any, **inputs: Any) -> Any:  # noqa: ANN401
            return self._laps.time(self._stage, partial(value, *args, **inputs))

        return timed


class Pipeline:
    """A model from samples to a published line."""

    def __init__(
        self, model: ModelFile, num_threads: int = 1, slowed: Mapping[str, float] | None = None
    ) -> None:
        """Raises ModelFileError and InterpreterError."""
        self.laps = Laps(slowed)
        self.context = usual_context(model)
        self.classifier = SceneClassifier(model, num_threads)
        for attribute, stage in _NETWORKS.items():
            network = getattr(self.classifier, attribute)
            if network is not None:
                setattr(self.classifier, attribute, _TimedNetwork(network, stage, self.laps))
        manifest = model.manifest
        self._decider = Decider(manifest.scenes, manifest.decision_config, self.classifier.hop_s)
        self._null = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 - closed in `close`
        self._lines = JsonLines(self._null)

    @property
    def window_s(self) -> float:
        return self.classifier.window_samples / self.classifier.sample_rate_hz

    def close(self) -> None:
        """Let go of the null device."""
        self._null.close()

    def classify(self, window: Samples) -> None:
        """From one window's samples to its line."""
        estimate = self.laps.time(
            "features", partial(self.classifier.classify, window, self.context)
        )
        self._answer(estimate)

    def process(self, chunk: Samples) -> bool:
        """Take in some more of a stream; whether that gave an answer."""
        estimates = self.laps.time(
            "features", partial(self.classifier.process, chunk, self.context)
        )
        for estimate in estimates:
            self._answer(estimate)
        return bool(estimates)

    def _answer(self, estimate: SceneEstimate) -> None:
        decision = self.laps.time("decision", partial(self._decider.process, estimate))
        manifest = self.classifier.manifest
        report = Report(
            estimate,
            "bench",
            manifest.name,
            manifest.demonstration,
            self.context.city,
            self.context.local_time,
            decision=decision,
        )
        self.laps.time("publish", partial(self._lines.write, report))


class Way(Protocol):
    """One way of one model."""

    name: str
    """One of WAYS"""

    def run(self) -> dict[str, float]:
        """Go it once: seconds by stage, TOTAL among them."""


class Window:
    """The first window of a sound file, which is opened anew each time."""

    name = "window"

    def __init__(self, pipeline: Pipeline, path: Path) -> None:
        self._pipeline, self._path = pipeline, path
        _check(self, {"network"})

    def run(self) -> dict[str, float]:
        laps, classifier = self._pipeline.laps, self._pipeline.classifier
        to_hz, size = classifier.sample_rate_hz, classifier.window_samples
        laps.begin()
        began_s = time.perf_counter()
        samples, rate_hz = laps.time("read", self._read)
        window = laps.time("resample", partial(resample, samples, rate_hz, to_hz))
        self._pipeline.classify(window[:size])
        return {**laps.seconds, TOTAL: time.perf_counter() - began_s}

    def _read(self) -> tuple[Samples, int]:
        with open_audio(self._path) as file:
            num_samples = round(self._pipeline.window_s * file.samplerate)
            return next(read_blocks(file, num_samples)), file.samplerate


class Stream:
    """One more hop of a stream, as fast as it goes."""

    name = "stream"

    def __init__(self, pipeline: Pipeline, path: Path) -> None:
        self._pipeline = pipeline
        self._chunks = _endless(path)
        rate_hz = next(self._chunks).sample_rate_hz
        self._resampler = Resampler(rate_hz, pipeline.classifier.sample_rate_hz)
        while not self._hear():  # until the first window is full
            pass
        stages = {"encoder", "head"} if pipeline.classifier.streams else {"network"}
        _check(self, stages)

    def run(self) -> dict[str, float]:
        self._pipeline.laps.begin()
        began_s = time.perf_counter()
        while not self._hear():
            pass
        return {**self._pipeline.laps.seconds, TOTAL: time.perf_counter() - began_s}

    def _hear(self) -> bool:
        laps = self._pipeline.laps
        chunk = laps.time("read", partial(next, self._chunks))
        samples = laps.time("resample", partial(self._resampler.process, chunk.samples))
        return self._pipeline.process(samples)


class LiveStream:
    """One more hop of a stream that comes as sound does, or faster.

    chunks due   |    |    |    |    |    |    |    |    |    |
    work         -    -    -    -    -    -    -    -    -    -----|
                                                              latency: `run`'s total
    """

    name = "live"

    def __init__(
        self,
        pipeline: Pipeline,
        path: Path,
        hop_s: float,
        clock: Callable[[], float] = time.perf_counter,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """A hop of the model's takes `hop_s` here."""
        self._pipeline, self._hop_s, self._clock, self._sleep = pipeline, hop_s, clock, sleep
        self._chunks = _endless(path)
        self._resampler = Resampler(
            next(self._chunks).sample_rate_hz, pipeline.classifier.sample_rate_hz
        )
        while not self._hear(next(self._chunks)):
            pass
        self._due_s = clock()
        _check(self, {"head" if pipeline.classifier.streams else "network"})

    def run(self) -> dict[str, float]:
        laps = self._pipeline.laps
        while True:
            chunk = next(self._chunks)
            speed = self._pipeline.classifier.hop_s / self._hop_s
            self._due_s += len(chunk.samples) / chunk.sample_rate_hz / speed
            self._sleep(max(0.0, self._due_s - self._clock()))
            laps.begin()
            if self._hear(chunk):
                break
        latency_s = self._clock() - self._due_s
        if latency_s > self._hop_s:
            self._due_s = self._clock()  # what was late is not rushed after
        return {**laps.seconds, TOTAL: latency_s}

    def _hear(self, chunk: Chunk) -> bool:
        samples = self._pipeline.laps.time(
            "resample", partial(self._resampler.process, chunk.samples)
        )
        return self._pipeline.process(samples)


def _check(way: Way, stages: set[str]) -> None:
    """Whether the clocks are where they should be: what they miss would count as features."""
    if missing := stages - way.run().keys():
        raise RuntimeError(f"{way.name}: no time was taken of {', '.join(sorted(missing))}")


def _endless(path: Path) -> Iterator[Chunk]:
    while True:
        with AudioFile(path, fast=True) as source:
            yield from source
