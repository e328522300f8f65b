"""Messages as server-sent events, for any number of browsers, in bounded memory.

    lane --add--> ring of the last messages <--cursor of each client, in the server's loop

A client has no queue of its own: it is behind by so many messages of the ring. One that is behind
by more than the ring holds does not read, and is let go.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from collections.abc import AsyncGenerator

RING_MESSAGES = 300
"""Five minutes at one estimate a second, some 300 kB"""

HEARTBEAT_S = 15.0
"""A stream that is silent is told to be alive so often"""

RETRY_MS = 2_000

MAX_STREAMS = 16

_PING = b"event: ping\ndata: {}\n\n"
"""An event, since a page's script does not get to see comments"""


class EventFeed:
    """The last messages, and those who wait for the next one."""

    def __init__(self, *, heartbeat_s: float = HEARTBEAT_S) -> None:
        self._heartbeat_s = heartbeat_s
        self._lock = threading.Lock()
        self._ring: deque[tuple[int, bytes]] = deque(maxlen=RING_MESSAGES)
        # Milliseconds since 1970: numbers grow from one run to the next, too.
        self._last_id = time.time_ns() // 1_000_000
        self._news = asyncio.Event()
        self.num_streams = 0
        self.num_slow = 0
        """Streams that were ended because their client did not keep up"""

    @property
    def last_id(self) -> int:
        return self._last_id

    @property
    def is_full(self) -> bool:
        return self.num_streams >= MAX_STREAMS

    def add(self, kind: str, data: bytes) -> None:
        """Another message, from any thread; `wake` is to be called in the server's after it."""
        with self._lock:
            self._last_id += 1
            event = b"id: %d\nevent: %s\ndata: %s\n\n" % (self._last_id, kind.encode(), data)
            self._ring.append((self._last_id, event))

    def wake(self) -> None:
        """There are messages, say so to those who wait; in the server's loop."""
        self._news.set()
        self._news = asyncio.Event()

    async def stream(self, after: int | None) -> AsyncGenerator[bytes, None]:
        """Every message after that number which the ring still has, then each as it comes."""
        cursor = self._last_id if after is None else min(after, self._last_id)
        self.num_streams += 1
        try:
            yield b"retry: %d\n\n" % RETRY_MS
            if after is not None:
                cursor = max(cursor, self._first_id() - 1)
            while True:
                news = self._news
                events, cursor = self._after(cursor)
                if events:
                    yield events
                    continue
                try:
                    await asyncio.wait_for(news.wait(), self._heartbeat_s)
                except (TimeoutError, asyncio.TimeoutError):  # two before Python 3.11
                    yield _PING
        except _TooSlowError:
            self.num_slow += 1
        finally:
            self.num_streams -= 1

    def _first_id(self) -> int:
        with self._lock:
            return self._ring[0][0] if self._ring else self._last_id + 1

    def _after(self, cursor: int) -> tuple[bytes, int]:
        """The events after `cursor`, and the cursor after those."""
        with self._lock:
            if self._ring and cursor < self._ring[0][0] - 1:
                raise _TooSlowError
            events = [event for number, event in self._ring if number > cursor]
            return b"".join(events), self._last_id


class _TooSlowError(Exception):
    """A client is behind by more than the ring holds."""
