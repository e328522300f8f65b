"""What is heard, and how the listener is, as Prometheus metrics.

Most of it is read when Prometheus asks, from the vitals. A value that is not known is left out: a 0
would be drawn as one.
"""

from __future__ import annotations

import math
import threading
from bisect import bisect_left
from collections.abc import Iterator
from typing import TYPE_CHECKING, get_args

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
)
from prometheus_client.registry import Collector

import edge_asc
from edge_asc.decision import UNKNOWN_SCENE
from edge_asc.messages import Gap, Message, OutputState, Report
from edge_asc.sinks.told import told
from edge_asc.vitals import State, Vitals

if TYPE_CHECKING:
    from prometheus_client.core import Metric

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
"""Of the text format that every Prometheus reads"""

_LATENCY_BOUNDS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
_OUTPUT_STATES = ("ok", "waiting", "failing")


class Metrics(Collector):
    """Takes messages from one thread, and tells another one what they say."""

    def __init__(self, vitals: Vitals) -> None:
        self._vitals = vitals
        self._lock = threading.Lock()
        self._report: Report | None = None
        """The last one, None if sound was lost since"""
        self._latencies = [0] * (len(_LATENCY_BOUNDS_S) + 1)
        """How many there were up to each bound and above the one before"""
        self._latency_sum_s = 0.0
        self._registry = CollectorRegistry()
        self._registry.register(self)
        ProcessCollector(registry=self._registry)

    def write(self, message: Message) -> None:
        """Take in `message`."""
        with self._lock:
            if isinstance(message, Report):
                self._report = message
                self._add_latency(self._vitals.latency_ms)
            elif isinstance(message, Gap):
                self._report = None

    def exposition(self) -> bytes:
        """All metrics in Prometheus' text format."""
        return generate_latest(self._registry)

    def collect(self) -> Iterator[Metric]:
        """All metrics but the process's, as they are now."""
        vitals = self._vitals
        facts = {"version": edge_asc.__version__, "model": vitals.model}
        yield InfoMetricFamily("edge_asc_build", "What runs here.", value=facts)
        yield _one_hot("edge_asc_state", "Of the listener.", "state", get_args(State), vitals.state)
        yield from _counts(vitals)
        yield from _outputs(vitals.outputs())
        with self._lock:
            yield self._latency()
            report = self._report
        if vitals.state == "listening":
            yield from _level(vitals)
            yield from [] if report is None else _report(report)
        yield from _drift(vitals)

    def _add_latency(self, latency_ms: float | None) -> None:
        if latency_ms is not None:
            self._latencies[bisect_left(_LATENCY_BOUNDS_S, latency_ms / 1000)] += 1
            self._latency_sum_s += latency_ms / 1000

    def _latency(self) -> Metric:
        bounds = [*map(str, _LATENCY_BOUNDS_S), "+Inf"]
        counts = [sum(self._latencies[: index + 1]) for index in range(len(bounds))]
        return HistogramMetricFamily(
            "edge_asc_latency_seconds",
            "From the arrival of a window's last sound to its estimate.",
            buckets=list(zip(bounds, counts, strict=True)),
            sum_value=self._latency_sum_s,
        )


def _counts(vitals: Vitals) -> Iterator[Metric]:
    rows = (
        ("heard_seconds", "Sound that was heard.", vitals.heard_s),
        ("lost_seconds", "Sound that was lost.", vitals.lost_s),
        ("gaps", "Stretches in which sound was lost.", vitals.num_gaps),
        ("estimates", "Windows that were classified.", vitals.num_estimates),
        ("scene_changes", "Scenes that began.", vitals.num_changes),
    )
    for name, what, value in rows:
        yield CounterMetricFamily(f"edge_asc_{name}", what, value=value)


def _report(report: Report) -> Iterator[Metric]:
    answer = told(report)
    probability = GaugeMetricFamily(
        "edge_asc_scene_probability", "Belief in each scene, after smoothing.", labels=["scene"]
    )
    for scene, value in zip(answer.scenes, answer.probabilities, strict=True):
        probability.add_metric([scene], float(value))
    yield probability
    if answer.scene is not None:
        scenes = (*answer.scenes, UNKNOWN_SCENE)
        yield _one_hot("edge_asc_scene", "1 for the decided scene.", "scene", scenes, answer.scene)
    if answer.confidence is not None:
        yield _gauge("confidence", "Belief in the decided scene.", answer.confidence)
    familiarity = report.estimate.familiarity
    if report.decision is not None:
        familiarity = report.decision.familiarity
    if math.isfinite(familiarity):
        yield _gauge("familiarity", "How like the model's own the sound is.", familiarity)


def _level(vitals: Vitals) -> Iterator[Metric]:
    if vitals.level is not None:
        what = "RMS of the last second as AES17 counts it; -Inf for digital silence."
        yield _gauge("level_dbfs", what, vitals.level.rms_dbfs)


def _drift(vitals: Vitals) -> Iterator[Metric]:
    drift = vitals.drift
    if drift is None:
        return
    yield _gauge("drift_level", "Of the last window, in standard deviations.", drift.level)
    yield _gauge("drift_colour", "Of the last window.", drift.colour)
    outside = "Share of the last hour's windows beyond what held-out sound has."
    yield _gauge("drift_level_outside_ratio", outside, drift.level_outside)
    yield _gauge("drift_colour_outside_ratio", outside, drift.colour_outside)
    yield _gauge("drift_expected_ratio", "That share on held-out sound.", drift.expected)


def _outputs(outputs: tuple[OutputState, ...]) -> Iterator[Metric]:
    state = GaugeMetricFamily(
        "edge_asc_output_state", "1 for the state of each output.", labels=["output", "state"]
    )
    written = CounterMetricFamily(
        "edge_asc_output_written", "Messages delivered.", labels=["output"]
    )
    lost = CounterMetricFamily("edge_asc_output_lost", "Messages given up.", labels=["output"])
    queued = GaugeMetricFamily("edge_asc_output_queued", "Messages that wait.", labels=["output"])
    for output in outputs:
        for name in _OUTPUT_STATES:
            state.add_metric([output.name, name], float(output.state == name))
        written.add_metric([output.name], output.written)
        lost.add_metric([output.name], output.lost)
        queued.add_metric([output.name], output.queued)
    yield from (state, written, lost, queued)


def _gauge(name: str, what: str, value: float) -> Metric:
    return GaugeMetricFamily(f"edge_asc_{name}", what, value=value)


def _one_hot(name: str, what: str, label: str, values: tuple[str, ...], current: str) -> Metric:
    """1 for the value that holds, 0 for the others."""
    gauge = GaugeMetricFamily(name, what, labels=[label])
    for value in values:
        gauge.add_metric([value], float(value == current))
    return gauge
