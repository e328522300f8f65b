"""Where estimates and gaps go: a terminal, JSON lines."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from edge_asc.classifier import SceneEstimate


@dataclass(frozen=True, slots=True)
class Report:
    """An estimate, and what it was made from."""

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


class EstimateSink(Protocol):
    """Takes reports as they come."""

    def write(self, report: Report) -> None:
        """Pass `report` on at once: nobody may ever read a buffer that is not yet full."""


class StreamSink(EstimateSink, Protocol):
    """Takes what comes of a stream, where sound may be lost."""

    def write_gap(self, gap: Gap) -> None:
        """Pass `gap` on at once."""
