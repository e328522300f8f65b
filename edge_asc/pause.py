"""Listening that can be paused: what sounds meanwhile is classified by nobody."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime

from edge_asc.clock import elapsed_s
from edge_asc.sources import AudioSource, Chunk
from edge_asc.vitals import Vitals

PAUSED = "paused"
"""The cause of the gap that a pause leaves"""


class PausableSource:
    """Yields the chunks of `source`, but none of a pause. `vitals.paused` says whether it is one.

    A live source goes on meanwhile; its sound is thrown away, and the first chunk afterwards says
    how much, with what the source itself lost:

        sound  |######| thrown away |..lost..| thrown away |######
               heard  ^ pause                      resume ^ |lost_s: all of it|

    A recording waits where it is; nothing of it is lost. Both may be asked from any thread.
    """

    def __init__(
        self,
        source: AudioSource,
        vitals: Vitals,
        *,
        now: Callable[[], datetime] = lambda: datetime.now().astimezone(),
        elapsed_s: Callable[[], float] = elapsed_s,
    ) -> None:
        self._source, self._vitals = source, vitals
        self._now, self._elapsed_s = now, elapsed_s
        self.name, self.description, self.live = source.name, source.description, source.live
        self.missed_s = 0.0
        """Sound of a pause, thrown away or lost, that no chunk has told of yet"""
        self._resumed_s: float | None = None
        """When the last pause ended, as long as sound from before may still come"""
        self._going = threading.Event()
        self._going.set()

    @property
    def trouble(self) -> str:
        return self._source.trouble

    @property
    def paused(self) -> bool:
        return self._vitals.paused

    def pause(self) -> None:
        """From now on nothing is heard."""
        self._going.clear()
        self._vitals.paused = True

    def resume(self) -> None:
        """What sounds from now on is heard."""
        self._resumed_s = self._elapsed_s()
        self._vitals.paused = False
        self._going.set()

    def toggle(self) -> None:
        """Pause, or go on."""
        if self.paused:
            self.resume()
        else:
            self.pause()

    def __enter__(self) -> PausableSource:
        self._source.__enter__()
        return self

    def __exit__(self, *exc: object) -> None:
        self._source.__exit__(*exc)

    def __iter__(self) -> Iterator[Chunk]:
        for chunk in self._source:
            if not self.live:
                self._going.wait()
                yield chunk
            elif self._is_of_a_pause(chunk):
                self.missed_s += chunk.lost_s + _duration_s(chunk)
                self._vitals.sound_came()
            else:
                yield self._after_a_pause(chunk)

    def _is_of_a_pause(self, chunk: Chunk) -> bool:
        """Whether any of it sounded during a pause; some comes late, because it was held."""
        if self.paused:
            return True
        if self._resumed_s is None:
            return False
        # By its age, so that it does not matter if the wall clock is set.
        age_s = (self._now() - chunk.arrived).total_seconds() + _duration_s(chunk)
        if self._elapsed_s() - age_s < self._resumed_s:
            return True
        self._resumed_s = None
        return False

    def _after_a_pause(self, chunk: Chunk) -> Chunk:
        """`chunk`, which tells of what was missed before it."""
        if not self.missed_s:
            return chunk
        missed_s, self.missed_s = self.missed_s, 0.0
        return replace(chunk, lost_s=missed_s + chunk.lost_s, cause=PAUSED)


def _duration_s(chunk: Chunk) -> float:
    return len(chunk.samples) / chunk.sample_rate_hz
