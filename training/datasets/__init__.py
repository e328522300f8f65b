"""Where clips come from: one type for every data set.

A reader (`folder`, `synthetic`, ...) returns a list of `Clip`; nothing after it knows which reader
it was.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from edge_asc.context import SceneContext


@dataclass(frozen=True, slots=True)
class Clip:
    """A piece of one audio file with what is known about it."""

    path: Path
    """The audio file."""

    start_s: float
    """Where the clip begins in the file."""

    duration_s: float | None
    """Its length in seconds, or None: to the end of the file."""

    scene: str | None
    """The true label (any class name, not only one of the CAS scenes), or None: not labelled."""

    context: SceneContext
    """City and local time, each None where unknown."""

    group: str
    """What must never be split over training and test: a visit, a recording, a source."""

    fold: str | None
    """The fold that the data set's own protocol assigns, or None."""

    source_set: str
    """The data set it belongs to."""

    recording: str | None = None
    """The take of one recorder that it was cut from, or None: unknown. A group holds whole ones."""
