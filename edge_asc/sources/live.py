"""Sound that happens now: whatever becomes of the device, listening goes on and knows what it
missed.

    capture --thread--> Feed (5 s at most) --> LiveSource --> Chunk, Chunk, ...
       ^ opened anew, after 1, 2, 4 ... 30 s, whenever it stops         lost_s where there is a hole
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Protocol

from edge_asc.clock import WallClock, elapsed_s
from edge_asc.errors import EdgeAscError, MissingLibraryError, SourceError
from edge_asc.sources import MAX_LAG_S, Chunk
from edge_asc.sources.flow import Block, FlowMeter

STALL_S = 2.0
"""A device that sends nothing for so long has stopped."""

FIRST_RETRY_S, LAST_RETRY_S = 1.0, 30.0

STEADY_S = 30.0
"""After so much sound without a stop, the next stop is a new one: waiting begins anew."""

_OVERSLEPT_S = 0.5
"""A wait that lasts so much longer than it should was a process that did not run."""

_AHEAD_S = 2.0
"""Sound that comes faster than time is waited for when it is so far ahead."""

_HINT_LOSSES, _HINT_S = 4, 60.0
"""So many losses within a minute have one cause, most often a wrong rate."""


class Session(Protocol):
    """One opening of a capture."""

    def blocks(self) -> Iterator[Block]:
        """Read it, in a thread; ends at the stream's end. Raises EdgeAscError when it stops."""

    def close(self) -> None:
        """Let `blocks` end, from another thread; called again it does nothing."""


class Capture(Protocol):
    """Something that can be captured."""

    name: str
    description: str
    start_grace_s: float
    """So long it may take to begin."""
    can_restart: bool
    """Whether it can be opened anew when it stops."""
    may_flood: bool
    """Whether it may send faster than time passes, and waits when it is not read."""

    def open(self) -> Session:
        """Begin to capture. Raises SourceError."""


class Feed:
    """What was captured and not yet heard: at most `max_lag_s` of it.

    When it is full, all of it goes: one hole is better than many, and the newest sound is next.
    Blocks that came at once, because they were held, may all wait.
    """

    def __init__(self, max_lag_s: float) -> None:
        self._max_lag_s = max_lag_s
        self._blocks: deque[Block] = deque()
        self._waiting_s = 0.0
        self._excused_s = 0.0
        """How much of that came at once."""
        self._num_puts = 0
        self._notes: list[str] = []
        self._ended = False
        self._error: BaseException | None = None
        self._changed = threading.Condition()

    def put(self, blocks: Sequence[Block]) -> None:
        """Add what came, at the expense of what waits if that is too much.

        Nothing is a sign of life, too: something came, and is held.
        """
        with self._changed:
            self._num_puts += 1
            for number, block in enumerate(blocks):
                if number:
                    self._excused_s += block.duration_s
                self._blocks.append(block if number else self._after_those_that_wait(block))
                self._waiting_s += block.duration_s
            self._changed.notify()

    def _after_those_that_wait(self, block: Block) -> Block:
        late_s = self._waiting_s - self._excused_s + block.duration_s
        if not self._blocks or late_s <= self._max_lag_s:
            return block
        dropped_s = self._waiting_s + sum(waiting.lost_s for waiting in self._blocks)
        cause = f"listening was held up for {self._waiting_s:.1f} s"
        self._blocks.clear()
        self._waiting_s = self._excused_s = 0.0
        return replace(block, lost_s=block.lost_s + dropped_s, cause=cause)

    def note(self, text: str) -> None:
        """Leave a word for the user."""
        with self._changed:
            self._notes.append(text)

    def end(self, error: BaseException | None) -> None:
        """Nothing more will come, because of `error` or because the stream is over."""
        with self._changed:
            self._ended, self._error = True, error
            self._changed.notify()

    def get(self, timeout_s: float) -> Block | None:
        """The next block; None at the stream's end.

        Raises TimeoutError if nothing comes for `timeout_s`, and what ended the capture.
        """
        with self._changed:
            while not (self._blocks or self._ended):
                num_puts, began_s = self._num_puts, elapsed_s()
                if self._changed.wait(timeout_s) or num_puts != self._num_puts:
                    continue
                # If it was us who were frozen, what came meanwhile is about to be put.
                if elapsed_s() - began_s < timeout_s + _OVERSLEPT_S:
                    raise TimeoutError
            if self._blocks:
                block = self._blocks.popleft()
                self._waiting_s -= block.duration_s
                self._excused_s = max(0.0, self._excused_s - block.duration_s)
                return block
            if self._error is not None:
                raise self._error
            return None

    def take_notes(self) -> list[str]:
        """The words left since the last call."""
        with self._changed:
            notes, self._notes = self._notes, []
        return notes


class LiveSource:
    """Yields chunks of `capture`, for ever if it can be opened anew.

    Where sound was lost, the next chunk says how much and why: a device that stopped and came back,
    one that lost sound with or without a word, a listener who was held up for `max_lag_s`. `say`
    gets one line for each change of state. Without `retry` a stop raises SourceError.
    """

    live = True

    def __init__(
        self,
        capture: Capture,
        *,
        retry: bool = True,
        max_lag_s: float = MAX_LAG_S,
        say: Callable[[str], None],
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._capture, self._retry, self._max_lag_s = capture, retry, max_lag_s
        self._say, self._sleep = say, sleep
        self.name, self.description = capture.name, capture.description
        self._wall_clock = WallClock(say)
        self._session: Session | None = None
        self._heard_until_s: float | None = None
        self._rate_hz = 0
        self.trouble = ""
        """What was told of a stop that is not over."""
        self._cause = ""
        """Why it began."""

    def __enter__(self) -> LiveSource:
        return self

    def __exit__(self, *exc: object) -> None:
        self._close()

    def __iter__(self) -> Iterator[Chunk]:
        retry_s = FIRST_RETRY_S
        while True:
            began_s = elapsed_s()
            try:
                for block in self._captured():
                    if block.arrived_s - began_s > STEADY_S:
                        retry_s = FIRST_RETRY_S
                    yield self._chunk(block)
                return
            except EdgeAscError as error:
                trouble = error
            finally:
                self._close()
            self._stopped(trouble, began_s)
            self._sleep(retry_s)
            retry_s = min(2 * retry_s, LAST_RETRY_S)

    def _captured(self) -> Iterator[Block]:
        """The blocks of one opening. Raises EdgeAscError when it stops or stalls."""
        self._session = self._capture.open()
        feed = Feed(self._max_lag_s)
        pump = _Pump(self._session, self._capture, feed)
        threading.Thread(target=pump.run, daemon=True).start()
        patience_s = self._capture.start_grace_s
        while True:
            try:
                block = feed.get(patience_s)
            except TimeoutError:
                trouble = f"{self.name} has sent no sound for {patience_s:g} s"
                if self._capture.can_restart or not self._retry:
                    raise SourceError(trouble) from None
                self._tell_trouble(f"{trouble}; waiting for it")
                continue
            for note in feed.take_notes():
                self._say(note)
            if block is None:
                return
            yield block
            patience_s = STALL_S

    def _chunk(self, block: Block) -> Chunk:
        lost_s, cause = block.lost_s, block.cause
        if self.trouble:
            if self._capture.can_restart and self._heard_until_s is not None:
                away_s = block.arrived_s - block.duration_s - self._heard_until_s
                lost_s, cause = max(away_s, lost_s, 1 / block.sample_rate_hz), self._cause
                self._say(f"{self.name} is back after {away_s:.1f} s")
            else:
                self._say(f"{self.name} is back")
            self.trouble = self._cause = ""
        if block.sample_rate_hz != self._rate_hz:
            self._rate_hz = block.sample_rate_hz
            self._say(f"hearing {self.name} at {self._rate_hz} Hz")
        self._heard_until_s = block.arrived_s
        arrived = self._wall_clock.at(block.arrived_s)
        return Chunk(block.samples, block.sample_rate_hz, arrived, lost_s, cause)

    def _stopped(self, error: BaseException, since_s: float) -> None:
        """Say why sound stopped, once; raise `error` if that ends it."""
        if not self._retry or isinstance(error, MissingLibraryError):
            raise error
        if self._heard_until_s is None:
            self._heard_until_s = since_s
        self._cause = self._cause or str(error)
        self._tell_trouble(f"{error}; trying again until it is back")

    def _tell_trouble(self, text: str) -> None:
        if text != self.trouble:
            self._say(text)
        self.trouble = text

    def _close(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            session.close()


class _Pump:
    """Carries blocks from a session to a feed, in a thread, and compares them with time."""

    def __init__(self, session: Session, capture: Capture, feed: Feed) -> None:
        self._session, self._capture, self._feed = session, capture, feed
        self._meter = FlowMeter()
        self._losses: deque[Block] = deque(maxlen=_HINT_LOSSES)
        self._hinted = False
        self._numbered = False
        """Then the rate is known to be right, whatever the pace"""

    def run(self) -> None:
        error: BaseException | None = None
        try:
            for block in self._session.blocks():
                self._numbered = block.numbered
                self._pass_on(self._meter.process(block))
                if self._capture.may_flood:
                    self._wait_if_ahead()
        except BaseException as caught:  # whatever it is, the listener must hear of it
            error = caught
        self._pass_on(self._meter.finish())
        self._feed.end(error)

    def _pass_on(self, blocks: list[Block]) -> None:
        self._feed.put(blocks)
        for block in blocks:
            if block.lost_s:
                self._losses.append(block)
                self._hint_at_losses()

    def _hint_at_losses(self) -> None:
        since_s = self._losses[-1].arrived_s - self._losses[0].arrived_s
        if self._hinted or len(self._losses) < _HINT_LOSSES or since_s > _HINT_S:
            return
        self._hinted = True
        # What the first one lost was lost before the time that is looked at.
        lost_s = sum(block.lost_s for block in self._losses) - self._losses[0].lost_s
        if self._numbered:
            self._feed.note(
                f"{self._capture.name} loses sound again and again, and each time a new window"
                f" begins (last: {self._losses[-1].cause}): see docs/link.md, Losses"
            )
            return
        self._feed.note(
            f"{self._capture.name}: {100 * lost_s / since_s:.0f} % of the sound is missing all the"
            " time. If sample rate and format are right, the device or the machine is too slow"
        )

    def _wait_if_ahead(self) -> None:
        """A pipe holds back what is not read: so sound comes no faster than time passes."""
        ahead_s = self._meter.ahead_s(elapsed_s())
        if ahead_s <= _AHEAD_S:
            return
        if not (self._hinted or self._numbered):
            self._hinted = True
            self._feed.note(
                f"{self._capture.name} sends sound faster than time passes: are --rate, --channels"
                " and --sample-format right? It is heard at the pace of time"
            )
        time.sleep(ahead_s - _AHEAD_S)
