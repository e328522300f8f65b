"""What a listener tells: estimates with decisions, gaps, changes of scene, its own health.

Every output takes these, in the order in which they happened.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from edge_asc.classifier import SceneEstimate
from edge_asc.decision import Decision
from edge_asc.drift import Drift


@dataclass(frozen=True, slots=True)
class Report:
    """An estimate, what was decided by it, and what it was made from."""

    estimate: SceneEstimate
    source: str
    model: str
    demonstration: bool
    """Whether the model is one for demonstration, whose estimates decide nothing."""

    city: str | None = None
    time: datetime | None = None
    """Local time at the end of the sound, None if unknown."""

    file: str | None = None
    """The recording that was classified, None for a stream."""

    decision: Decision | None = None
    """None where nothing is decided: `classify`, `--raw`."""

    level_dbfs: float | None = None
    """RMS of the last whole second as AES17 counts it, None before one; -inf for digital silence"""


@dataclass(frozen=True, slots=True)
class Gap:
    """A stretch of a stream that no estimate covers, because sound was lost in it."""

    start_s: float
    """Where the estimates before it end, in seconds since the stream began."""
    end_s: float
    """Where the next window begins."""
    lost_s: float
    """How much of it was lost; the rest was heard, but did not fill another window."""
    cause: str
    source: str
    time: datetime | None = None
    """Local time at its end, None if unknown."""


@dataclass(frozen=True, slots=True)
class PastScene:
    """A scene that is over."""

    scene: str
    start_s: float
    end_s: float
    confidence: float | None
    """Mean belief in it while it lasted; None for an unknown scene"""

    @property
    def duration_s(self) -> float:
        return self.end_s - self.start_s


@dataclass(frozen=True, slots=True)
class SceneChange:
    """The decided scene changed: another began, or it is not known any more which it is."""

    scene: str | None
    """The scene that began, `UNKNOWN_SCENE`, or None: the stream ended or sound was lost."""
    start_s: float
    """Where it began, in seconds since the stream did, by estimate"""
    detected_s: float
    """Where the sound ended by which it was decided"""
    confidence: float | None
    """Belief in the scene when it was decided, None without one"""
    previous: PastScene | None
    """What was before, None where there was no decision"""
    source: str
    time: datetime | None = None
    """Local time at `start_s`, None if unknown."""


@dataclass(frozen=True, slots=True)
class OutputState:
    """How an output is doing."""

    name: str
    state: Literal["ok", "waiting", "failing"]
    """"waiting": what it sends to is away, messages are kept; "failing": they are lost"""
    written: int = 0
    queued: int = 0
    lost: int = 0
    """Messages that were given up: the queue was full, or could not be written"""
    error: str = ""
    """Why it is not ok, for people"""


@dataclass(frozen=True, slots=True)
class Latency:
    """From the arrival of the last sample to the estimate, since the last report of health."""

    median_ms: float
    max_ms: float


@dataclass(frozen=True, slots=True)
class Health:
    """How the listener itself is doing."""

    state: Literal["starting", "listening", "no sound", "paused", "ended"]
    """"starting": no sound has come yet"""
    trouble: str
    """Why there is no sound, for people; "" if there is no trouble"""
    source: str
    model: str
    uptime_s: float
    heard_s: float
    lost_s: float
    num_gaps: int
    num_estimates: int
    num_changes: int
    level_dbfs: float | None = None
    latency: Latency | None = None
    """None if there was no estimate"""
    memory_mb: float | None = None
    """Resident memory of this process, None where the system does not tell"""
    drift: Drift | None = None
    """How far the sound is from what the model was trained on; None where that is not known"""
    outputs: tuple[OutputState, ...] = ()
    time: datetime | None = None


Message = Report | Gap | SceneChange | Health
