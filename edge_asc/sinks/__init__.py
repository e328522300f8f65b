"""Where estimates go: a terminal, JSON lines. Each sink takes one report after the other."""

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


class EstimateSink(Protocol):
    """Takes reports as they come."""

    def write(self, report: Report) -> None:
        """Pass `report` on at once: nobody may ever read a buffer that is not yet full."""
