"""A device on a pseudo-terminal, played by a few lines that do what the test says."""

from __future__ import annotations

import contextlib
import os
import select
import threading
import time
import tty
from collections.abc import Callable, Iterator

import numpy as np

from edge_asc.firmware_bridge.link.controls import (
    NO_MODEL,
    Ack,
    Can,
    Context,
    Hello,
    HelloRequest,
    Start,
    Status,
    Stop,
    TimeAnswer,
    TimeRequest,
)
from edge_asc.firmware_bridge.link.frames import Frame, FrameReader, encode
from edge_asc.firmware_bridge.link.messages import Control, Message, from_frame, to_frame
from edge_asc.firmware_bridge.link.streams import Flow, Pcm

FRAME_SAMPLES = 441

Channel = Callable[[bytes], bytes]


def flawless(data: bytes) -> bytes:
    return data


class Line:
    """A serial line whose near end is `path`, until it is unplugged."""

    def __init__(self) -> None:
        self.master, self._slave = os.openpty()
        tty.setraw(self._slave)  # or the terminal would echo
        self.path = os.ttyname(self._slave)
        self._open = True
        self._lock = threading.Lock()

    def read(self) -> bytes | None:
        """What the host sent, nothing if nothing came for a moment; None when unplugged."""
        with self._lock:  # a file that is being read would stay open when it is closed
            if not self._open:
                return None
            ready, _, _ = select.select([self.master], [], [], 0.005)
            return os.read(self.master, 4096) if ready else b""

    def write(self, data: bytes) -> None:
        """All of it, waiting for the host; nothing when unplugged."""
        while data:
            with self._lock:
                if not self._open:
                    return
                _, ready, _ = select.select([], [self.master], [], 0.005)
                if ready:
                    with contextlib.suppress(BlockingIOError):
                        data = data[os.write(self.master, data) :]
            if data:
                time.sleep(0.001)  # without the lock, which others wait for

    def unplug(self) -> None:
        with self._lock:
            if self._open:
                self._open = False
                os.close(self.master)
                os.close(self._slave)


@contextlib.contextmanager
def plugged() -> Iterator[Line]:
    line = Line()
    try:
        yield line
    finally:
        line.unplug()


class FakeDevice:
    """Answers what a host asks, in a thread; the test sends the rest.

    What it sends goes through `channel`, which may harm it.
    """

    def __init__(
        self,
        line: Line,
        *,
        capabilities: Can = Can.PCM,
        sample_rate_hz: int = 44_100,
        model_sha256: bytes = NO_MODEL,
        protocol: int = 1,
        oldest: int = 1,
        channel: Channel = flawless,
    ) -> None:
        facts = (capabilities, sample_rate_hz, model_sha256, "fake")
        self.hello = Hello(protocol, oldest, False, *facts)
        self.channel = channel
        self.asked: list[Control] = []
        self.ignores: list[type[Control]] = []
        """Types of control frames that do not reach it, each once"""
        self.started = threading.Event()
        self.stopped = threading.Event()
        self.clock_us = 1_000_000
        self.stream = 0
        self._line = line
        os.set_blocking(line.master, False)  # whoever waits holds the lock
        self._sequence = 0
        self._position = self._dropped = 0
        self._done: tuple[int, int] | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def send(self, message: Message, sequence: int, *, version: int = 1) -> None:
        frame = to_frame(message, sequence)
        of_version = Frame(frame.type, frame.sequence, frame.payload, version)
        self._line.write(self.channel(encode(of_version)))

    def stream_message(self, message: Message) -> None:
        """One that is numbered, as estimates and sound are."""
        self.send(message, self._sequence)
        self._sequence = (self._sequence + 1) % 65_536

    def stream_pcm(self, samples: np.ndarray) -> None:
        """Sound of any length, in frames of 10 ms at 44.1 kHz."""
        for begin in range(0, len(samples), FRAME_SAMPLES):
            piece = samples[begin : begin + FRAME_SAMPLES]
            self.stream_message(Pcm(Flow(self._position, self._dropped, self.stream), piece))
            self._position += len(piece)

    def drop(self, num_samples: int) -> None:
        """There was no room for these."""
        self._position += num_samples
        self._dropped += num_samples

    def lose(self, num_samples: int) -> None:
        """A frame with these was sent, and never came."""
        self._position += num_samples
        self._sequence += 1

    def _run(self) -> None:
        reader = FrameReader()
        while (data := self._line.read()) is not None:
            for frame in reader.process(data):
                message = from_frame(frame)
                if type(message) in self.ignores:
                    self.ignores.remove(type(message))  # type: ignore[arg-type]
                else:
                    self._take(message, frame.type, frame.sequence)
            time.sleep(0.001)

    def _take(self, message: object, kind: int, sequence: int) -> None:
        if isinstance(message, HelloRequest):
            self._done = None
            self.send(self.hello, sequence, version=self.hello.protocol)
        elif isinstance(message, TimeRequest):
            self.send(TimeAnswer(message.host_us, self.clock_us, self.clock_us), sequence)
        elif isinstance(message, (Start, Stop, Context)):
            if self._done != (kind, sequence):
                self._carry_out(message)
            self._done = kind, sequence
            if isinstance(message, Stop):
                self.stopped.set()  # the host does not wait for the answer, nor read it
            self.send(Ack(kind, Status.DONE), sequence)
            if not isinstance(message, Stop):
                self.started.set()

    def _carry_out(self, message: Start | Stop | Context) -> None:
        self.asked.append(message)
        if isinstance(message, Start):
            self.stream, self._sequence = message.stream, 0
            self._position = self._dropped = 0
