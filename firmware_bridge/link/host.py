"""The host's end of the link, without a port: bytes in, messages out, what is to be sent handed on.

ask(message) -> sent, sent again after ANSWER_S, 5 times; one at a time
                <- an ACK, HELLO or TIME_ANSWER with its number ends it
receive(bytes) -> what the device streams, each once, and how many of it are missing
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from edge_asc.errors import LinkError
from edge_asc.firmware_bridge.link import VERSION
from edge_asc.firmware_bridge.link.controls import (
    Ack,
    Hello,
    HelloRequest,
    Start,
    Status,
    TimeAnswer,
    TimeRequest,
)
from edge_asc.firmware_bridge.link.frames import Frame, FrameReader, encode
from edge_asc.firmware_bridge.link.messages import (
    Control,
    Data,
    FrameType,
    Message,
    from_frame,
    to_frame,
    type_of,
)

ANSWER_S = 0.5
"""A control frame that is not answered for so long is sent again."""

TRIES = 5

HELLO_TRIES = 12
"""A board that is reset when its port is opened may take some seconds until it runs."""

_NUMBERS = 1 << 16
_DATA = (*Data.__args__,)


@dataclass(frozen=True, slots=True)
class Arrived:
    """Something that the device streamed."""

    message: Data
    lost: int
    """Frames missing just before it"""


@dataclass(slots=True)
class _Question:
    message: Control
    sequence: int
    tries_left: int
    sent_s: float


class StreamNumbers:
    """Counts by sequence number: what is missing, what is there twice."""

    def __init__(self) -> None:
        self.num_lost = 0
        self.num_repeated = 0
        self._expected = 0

    def process(self, sequence: int) -> int | None:
        """How many are missing before this number; None for one that was there before."""
        ahead = (sequence - self._expected) % _NUMBERS
        if ahead >= _NUMBERS // 2:
            self.num_repeated += 1
            return None
        self.num_lost += ahead
        self._expected = (sequence + 1) % _NUMBERS
        return ahead


class HostLink:
    """One conversation with a device; a device that was reset ends it."""

    def __init__(self, write: Callable[[bytes], None], now_s: Callable[[], float]) -> None:
        """`write` takes bytes for the line, `now_s` is a clock that nobody sets."""
        self._write, self._now_s = write, now_s
        self._reader = FrameReader()
        self._waiting: deque[Control] = deque()
        self._question: _Question | None = None
        self._sequence = 0
        self._hello: Hello | None = None
        self._times: deque[tuple[TimeAnswer, float]] = deque()
        self._stream: int | None = None
        self._started = False
        self.numbers = StreamNumbers()

    @property
    def hello(self) -> Hello | None:
        """What the device answered to a HelloRequest."""
        return self._hello

    @property
    def idle(self) -> bool:
        """Whether everything asked was answered."""
        return self._question is None and not self._waiting

    @property
    def num_damaged(self) -> int:
        """Pieces of the line that were no frame"""
        return self._reader.num_damaged

    def ask(self, message: Control) -> None:
        """Send `message` when those before it are answered."""
        self._waiting.append(message)
        self._send_next()

    def send_once(self, message: Control) -> None:
        """Send `message` now and wait for nothing: a word of farewell."""
        self._send(message, self._next_sequence())

    def take_times(self) -> list[tuple[TimeAnswer, float]]:
        """The answers to TimeRequests since the last call, each with when it came."""
        times = list(self._times)
        self._times.clear()
        return times

    def receive(self, data: bytes) -> list[Arrived]:
        """Take in bytes of the line; return what the device streamed in them.

        Raises LinkError for a device of another version, one that refuses what was asked, was
        reset, or makes frames that are not as described.
        """
        arrived = []
        for frame in self._reader.process(data):
            message = self._read(frame)
            if isinstance(message, _DATA):
                arrived += self._take_data(message, frame.sequence)
            elif isinstance(message, Hello) and message.announced:
                self._hear_of_reset(message, frame.sequence)
            elif message is not None:
                self._take_answer(message, frame.sequence)
        return arrived

    def tick(self) -> None:
        """To be called often: sends again what was not answered. Raises LinkError."""
        question = self._question
        if question is None or self._now_s() - question.sent_s < ANSWER_S:
            return
        if question.tries_left:
            question.tries_left -= 1
            self._send(question.message, question.sequence)
            question.sent_s = self._now_s()
        elif isinstance(question.message, HelloRequest):
            came = (
                f"{self.num_damaged} pieces that are no frames" if self.num_damaged else "nothing"
            )
            raise LinkError(
                f"the device never said hello in {HELLO_TRIES * ANSWER_S:g} s ({came} came from"
                " it); is it the right port, at the right speed (PORT:BAUD), and does its firmware"
                " speak the link of docs/link.md?"
            )
        else:
            name = type(question.message).__name__.upper()
            raise LinkError(f"the device did not answer {name}, sent {TRIES} times")

    def _read(self, frame: Frame) -> Message | None:
        if frame.version != VERSION and frame.type != FrameType.HELLO:
            _refuse_version(frame.version, frame.version)
        message = from_frame(frame)
        if isinstance(message, Hello):
            _check_version(message)
        return message

    def _take_data(self, message: Data, sequence: int) -> list[Arrived]:
        if message.stream != self._stream:
            if self._started:
                raise LinkError("the device streams what nobody asked it for: it was reset")
            return []  # left from the host before
        lost = self.numbers.process(sequence)
        return [] if lost is None else [Arrived(message, lost)]

    def _hear_of_reset(self, hello: Hello, sequence: int) -> None:
        self._send(Ack(type_of(hello), Status.DONE), sequence)
        if self._hello is not None:
            raise LinkError(f"{hello.name} was reset")

    def _take_answer(self, message: Message, sequence: int) -> None:
        question = self._question
        if question is None or sequence != question.sequence:
            return  # to a question that was repeated, and answered before
        asked = question.message
        if isinstance(message, Hello) and isinstance(asked, HelloRequest):
            self._hello = message
        elif isinstance(message, TimeAnswer) and isinstance(asked, TimeRequest):
            self._times.append((message, self._now_s()))
        elif isinstance(message, Ack) and message.type == type_of(asked):
            _check_status(message, asked)
            self._started |= isinstance(asked, Start)
        else:
            return
        self._question = None
        self._send_next()

    def _send_next(self) -> None:
        if self._question is not None or not self._waiting:
            return
        message = self._waiting.popleft()
        if isinstance(message, Start):
            self._stream = message.stream
        tries = HELLO_TRIES if isinstance(message, HelloRequest) else TRIES
        self._question = _Question(message, self._next_sequence(), tries - 1, self._now_s())
        self._send(message, self._question.sequence)

    def _next_sequence(self) -> int:
        sequence, self._sequence = self._sequence, (self._sequence + 1) % _NUMBERS
        return sequence

    def _send(self, message: Control | Ack, sequence: int) -> None:
        self._write(encode(to_frame(message, sequence)))


def _check_status(ack: Ack, asked: Control) -> None:
    if ack.status == Status.DONE:
        return
    name = type_of(asked).name
    known = {Status.CANNOT: "it cannot do this", Status.MALFORMED: "it cannot read it"}
    why = known.get(ack.status, f"status {ack.status}")  # type: ignore[call-overload]
    raise LinkError(
        f"the device refuses {name}: {why}; build its firmware again with the asc_link.c of this"
        " version"
    )


def _check_version(hello: Hello) -> None:
    if not hello.oldest <= VERSION <= hello.protocol:
        _refuse_version(hello.oldest, hello.protocol)


def _refuse_version(oldest: int, newest: int) -> None:
    found = f"version {newest}" if oldest == newest else f"versions {oldest} to {newest}"
    todo = (
        "upgrade edge-asc"
        if oldest > VERSION
        else "build its firmware again with the asc_link.c of this version, and flash it"
    )
    raise LinkError(f"the device speaks {found} of the link, this program {VERSION}; {todo}")
