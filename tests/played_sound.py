"""A source that plays known sound, and a display that remembers, for tests of recording."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta, timezone

import numpy as np

from edge_asc.features import Samples
from edge_asc.level import Level
from edge_asc.record import Progress
from edge_asc.sources import Chunk

RATE_HZ = 8000
BEGIN = datetime(2026, 5, 17, 14, 30, tzinfo=timezone(timedelta(hours=8)))


def noise(seconds: float, *, seed: int = 1, bits: int = 16, rate_hz: int = RATE_HZ) -> Samples:
    """Noise whose samples are whole numbers of so many bits."""
    full_scale = 2 ** (bits - 1)
    rng = np.random.default_rng(seed)
    values = rng.integers(-full_scale, full_scale, round(seconds * rate_hz))
    return (values / full_scale).astype(np.float32)


def chunks(
    samples: Samples,
    begin: datetime = BEGIN,
    *,
    rate_hz: int = RATE_HZ,
    chunk_samples: int = RATE_HZ // 10,
    lost_s: float = 0.0,
    cause: str = "",
) -> Iterator[Chunk]:
    """`samples` as they arrive from `begin` on; `lost_s` is lost before the first."""
    for start in range(0, len(samples), chunk_samples):
        piece = samples[start : start + chunk_samples]
        arrived = begin + timedelta(seconds=(start + len(piece)) / rate_hz)
        yield Chunk(piece, rate_hz, arrived, lost_s, cause)
        lost_s, cause = 0.0, ""


class Played:
    """A source that plays chunks."""

    name = "test microphone"
    description = "test microphone (8000 Hz, live)"
    trouble = ""

    def __init__(self, played: Iterable[Chunk], *, live: bool = True) -> None:
        self._played, self.live = played, live
        self.is_closed = False

    def __enter__(self) -> Played:
        return self

    def __exit__(self, *exc: object) -> None:
        self.is_closed = True

    def __iter__(self) -> Iterator[Chunk]:
        return iter(self._played)


class Notes:
    """A display that remembers what it was told."""

    def __init__(self, told: Callable[[], object] = lambda: None) -> None:
        self._told = told
        self.said: list[str] = []
        self.levels: list[Level] = []
        self.files: list[str] = []
        self.left_s: list[float | None] = []

    def say(self, text: str) -> None:
        self.said.append(text)

    def heard(self, level: Level, progress: Progress) -> None:
        self.levels.append(level)
        self.left_s.append(progress.left_s)

    def kept(self, file: str, level: Level, progress: Progress) -> None:
        self.files.append(file)
        assert progress.num_clips == len(self.files)
        self._told()
