"""A sound file, heard as if it were played."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

from edge_asc.audio import open_audio, read_blocks
from edge_asc.sources import CHUNK_S, Chunk

LATE_S = 0.5
"""A listener who is held up for a moment catches up; after more, the recording has waited."""


class AudioFile:
    """Yields the chunks of a file when they would have been heard, or at once if `fast`.

    Any rate, any number of channels (averaged), any format of libsndfile. Raises AudioError on
    opening for a file that is missing, empty or not sound, and while iterating for one that is
    damaged or holds NaN.
    """

    live = False
    trouble = ""

    def __init__(
        self,
        path: Path,
        *,
        fast: bool = False,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.name = str(path)
        self._file = open_audio(path)
        pace = "as fast as it can be read" if fast else "as it would be heard"
        self.description = f"{path} ({self._file.samplerate} Hz, {pace})"
        self._fast = fast
        self._clock, self._sleep = clock, sleep

    def __enter__(self) -> AudioFile:
        return self

    def __exit__(self, *exc: object) -> None:
        self._file.close()

    def __iter__(self) -> Iterator[Chunk]:
        rate_hz: int = self._file.samplerate
        started_s = self._clock()
        heard_samples = 0
        for samples in read_blocks(self._file, max(1, round(CHUNK_S * rate_hz))):
            heard_samples += len(samples)
            if not self._fast:
                started_s += self._wait_until(started_s + heard_samples / rate_hz)
            yield Chunk(samples, rate_hz, datetime.now().astimezone())

    def _wait_until(self, due_s: float) -> float:
        """A chunk arrives when its last sample was played; absolute times cannot drift.

        Returns by how much all that follows comes later, because the listener was away (paused,
        suspended): what it missed is not rushed through.
        """
        early_s = due_s - self._clock()
        if early_s > 0:
            self._sleep(early_s)
        return -early_s if early_s < -LATE_S else 0.0
