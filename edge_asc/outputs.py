"""Several outputs at once, none of which can hold up listening.

    listening --> lane: bounded queue --> thread --> output      one lane for each output

What an output cannot take waits in its lane; what a full lane cannot hold is counted, the oldest
first but for the one that is being written. How each output is doing can be asked at any time, and
a change is told.
"""

from __future__ import annotations

import errno
import threading
from collections import deque
from collections.abc import Callable, Iterable
from typing import Literal, Protocol, runtime_checkable

from edge_asc.clock import elapsed_s
from edge_asc.errors import OutputError, OutputUnavailableError
from edge_asc.messages import Message, OutputState

QUEUE_MESSAGES = 1_000
"""A quarter of an hour at one estimate a second, some hundred kB"""

FIRST_RETRY_S, LAST_RETRY_S = 1.0, 30.0

FLUSH_S = 5.0
"""So long outputs may take to deliver what waits when listening has ended"""

FLUSH_WHEN_TERMINATED_S = 0.4
"""SIGTERM ends the program within a second"""

SLOW_S = 5.0
"""An output that takes no message for so long is said to be waited for"""

_LAST_TRIES_S = 0.2
"""At the end, tries are so far apart"""

_DISK_FULL = (errno.ENOSPC, errno.EDQUOT)


class Output(Protocol):
    """Takes messages one by one, in a thread of its own."""

    name: str
    """For people: "MQTT mqtt://broker", "standard output"."""
    is_main: bool
    """Standard output: an error there ends listening, unless the disk is full."""

    def write(self, message: Message) -> None:
        """Pass `message` on; nobody may ever read a buffer that is not yet full.

        It may take its time. Raises OutputUnavailableError if `message` is to be offered again
        later, OutputError or OSError if it is lost.
        """

    def close(self) -> None:
        """Say farewell and let go of everything; nothing is written any more."""


@runtime_checkable
class Selective(Protocol):
    """An output that has no form for some messages; those say nothing of how it is doing."""

    def takes(self, message: Message) -> bool:
        """Whether `message` is for it. Called in the thread that listens: it must not wait."""


class Outputs:
    """Hands every message to every output."""

    def __init__(
        self,
        outputs: Iterable[Output],
        *,
        say: Callable[[str], None],
        patient: bool = False,
        queue_messages: int = QUEUE_MESSAGES,
    ) -> None:
        """`patient`: nothing is lost because an output is slow; for what is not live.

        `say` is told, from any thread, when an output begins to fail and when it recovers.
        """
        self._lanes = [_Lane(output, say, patient, queue_messages) for output in outputs]

    def write(self, message: Message) -> None:
        """Hand `message` on. Raises what the main output ended with."""
        for lane in self._lanes:
            lane.put(message)

    def states(self) -> tuple[OutputState, ...]:
        """How each is doing, in their order."""
        return tuple(lane.state() for lane in self._lanes)

    @property
    def num_unwritten(self) -> int:
        """Messages that the main output refused, as a full disk does."""
        return sum(lane.num_refused for lane in self._lanes if lane.is_main)

    def close(self, patience_s: float = FLUSH_S) -> None:
        """Deliver what waits, for `patience_s` at most, and end. Raises as `write`."""
        for lane in self._lanes:
            lane.finish()
        for lane in self._lanes:
            lane.join(patience_s)


class _Lane:
    """The queue of one output, and the thread that empties it."""

    def __init__(
        self, output: Output, say: Callable[[str], None], patient: bool, queue_messages: int
    ) -> None:
        self._output, self._say, self._patient = output, say, patient
        # Asked once: whether an object fits a protocol takes longer than all else here.
        self._takes = output.takes if isinstance(output, Selective) else lambda message: True
        self._bound = queue_messages
        self.is_main = output.is_main
        self._waiting: deque[Message] = deque()
        self._written = self._lost = self.num_refused = 0
        self._state: Literal["ok", "waiting", "failing"] = "ok"
        self._error = ""
        self._fatal: BaseException | None = None
        self._in_hand_since_s: float | None = None
        """Since when the output has been writing a message"""
        self._finishing = self._abandoned = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, name=output.name, daemon=True)
        self._thread.start()

    def put(self, message: Message) -> None:
        if not self._takes(message):
            return
        with self._changed:
            while self._patient and self._is_full() and self._state == "ok" and not self._fatal:
                self._changed.wait()
            if self._fatal is not None:
                raise self._fatal
            if self._is_full():
                # The oldest is in hand, and may have arrived: only the output will know.
                del self._waiting[1 if len(self._waiting) > 1 else 0]
                self._lost += 1
            self._waiting.append(message)
            self._changed.notify_all()
            since_s = self._in_hand_since_s
        if not self._patient and since_s is not None and elapsed_s() - since_s > SLOW_S:
            self._become("waiting", f"has taken no message for {SLOW_S:g} s")

    def state(self) -> OutputState:
        with self._changed:
            waiting = len(self._waiting)
            return OutputState(
                self._output.name, self._state, self._written, waiting, self._lost, self._error
            )

    def finish(self) -> None:
        """Nothing more will come."""
        with self._changed:
            self._finishing = True
            self._changed.notify_all()

    def join(self, patience_s: float) -> None:
        """Wait until all is delivered, at most `patience_s`; what is left then is lost."""
        self._thread.join(patience_s)
        with self._changed:
            self._abandoned = True
            self._changed.notify_all()
            left = 0 if self._fatal else len(self._waiting)
            self._lost += left
        if left:
            self._say(f"{self._output.name}: {_messages(left)} could not be delivered")
        if self._fatal is not None:
            raise self._fatal

    def _is_full(self) -> bool:
        return len(self._waiting) >= self._bound

    def _run(self) -> None:
        retry_s = FIRST_RETRY_S
        try:
            while (message := self._next()) is not None:
                if self._deliver(message):
                    retry_s = FIRST_RETRY_S
                else:
                    self._rest(retry_s)
                    retry_s = min(2.0 * retry_s, LAST_RETRY_S)
        except BaseException as error:  # the thread that listens must hear of it
            with self._changed:
                self._fatal = error
                self._changed.notify_all()
        finally:
            self._output.close()

    def _next(self) -> Message | None:
        """The oldest message, which stays where it is; None at the end."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._finishing)
            return self._waiting[0] if self._waiting and not self._abandoned else None

    def _rest(self, retry_s: float) -> None:
        """Until it is time to try again; at the end there is little."""
        with self._changed:
            self._changed.wait_for(lambda: self._finishing, retry_s)
            if self._finishing:
                self._changed.wait_for(lambda: self._abandoned, _LAST_TRIES_S)

    def _deliver(self, message: Message) -> bool:
        """Whether it was delivered or lost, and not kept for another try."""
        try:
            self._write(message)
        except OutputUnavailableError as error:
            self._become("waiting", str(error))
            return False
        except Exception as error:  # a fault in one output must not end listening
            if self.is_main and getattr(error, "errno", None) not in _DISK_FULL:
                raise
            self.num_refused += 1
            self._remove(message, lost=True)
            self._become("failing", _words(error))
        else:
            self._remove(message, lost=False)
            self._become("ok", "")
        return True

    def _write(self, message: Message) -> None:
        self._in_hand_since_s = elapsed_s()
        try:
            self._output.write(message)
        finally:
            self._in_hand_since_s = None

    def _remove(self, message: Message, *, lost: bool) -> None:
        with self._changed:
            # Unless it was dropped in the meantime, and counted as lost.
            if self._waiting and self._waiting[0] is message:
                self._waiting.popleft()
                self._lost += lost
                self._written += not lost
            self._changed.notify_all()

    def _become(self, state: Literal["ok", "waiting", "failing"], error: str) -> None:
        with self._changed:
            before, self._state, self._error = self._state, state, error
            lost, waiting = self._lost, len(self._waiting)
            self._changed.notify_all()
        if state == before:
            return
        name = self._output.name
        if state == "ok":
            so_far = f"; {_messages(lost)} lost so far" if lost else ""
            self._say(f"{name}: works again{so_far}")
        elif state == "waiting":
            self._say(f"{name}: {error}; {_messages(waiting)} waiting, at most {self._bound}")
        else:
            self._say(f"{name}: {error}; listening goes on")


def _words(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) if isinstance(error, (OutputError, OSError)) else f"a fault in it, {error!r}"


def _messages(count: int) -> str:
    return "1 message" if count == 1 else f"{count} messages"
