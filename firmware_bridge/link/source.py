"""The microphone of a microcontroller, as a source of live sound."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

from edge_asc.clock import elapsed_s
from edge_asc.errors import LinkError
from edge_asc.firmware_bridge.link.controls import Can, Hello
from edge_asc.firmware_bridge.link.conversation import Conversation
from edge_asc.firmware_bridge.link.port import PortName
from edge_asc.firmware_bridge.link.sound import SoundJoiner
from edge_asc.firmware_bridge.link.streams import Adpcm, Pcm
from edge_asc.sources.flow import Block

ALLOWED_HZ = (1_000, 768_000)

_FAREWELL_S = 0.5

_BITS_PER_BYTE = 10
"""Of a serial line, start and stop bits included"""
_FORMS = {Can.PCM: "PCM of 16 bits", Can.ADPCM: "IMA ADPCM of 4 bits"}

_FRAMING_BYTES_PER_S = 2_800
"""A hundred frames a second, each with 28 bytes that are no sound"""


class SerialMicrophone:
    """Captures the sound that a device on a serial port sends."""

    start_grace_s = 10.0
    can_restart = True
    may_flood = True
    """An emulated board may; a pseudo-terminal holds back what is not read."""

    def __init__(self, port: PortName, say: Callable[[str], None]) -> None:
        self._port, self._say = port, say
        self.name = f"serial port {port.path}"
        self.description = f"{self.name} ({port.baud} baud)"

    def open(self) -> _SerialSession:
        """Open the port. Raises SourceError."""
        return _SerialSession(Conversation(self._port), self._port, self._say)


class _SerialSession:
    def __init__(
        self, conversation: Conversation, port: PortName, say: Callable[[str], None]
    ) -> None:
        self._conversation, self._port, self._say = conversation, port, say
        self._closing = threading.Event()
        self._ended = threading.Event()

    def blocks(self) -> Iterator[Block]:
        try:
            hello = self._conversation.greet(self._closing)
            if hello is None:
                return
            form = choose_form(hello, self._port.baud)
            self._say(f"{hello.name!r} on {self._port.path} sends {_FORMS[form]}")
            self._conversation.start(form)
            joiner = SoundJoiner(hello.sample_rate_hz, elapsed_s)
            while not self._closing.is_set():
                messages = [arrived.message for arrived in self._conversation.read()]
                for message in messages:
                    if isinstance(message, (Pcm, Adpcm)):
                        yield from joiner.process(message)
                if not messages:
                    yield from joiner.flush()
        finally:
            self._conversation.close()
            self._ended.set()

    def close(self) -> None:
        """Waits for the farewell: a program that ends at once would not say it."""
        self._closing.set()
        self._ended.wait(_FAREWELL_S)


def choose_form(hello: Hello, baud: int) -> Can:
    """PCM if the line is fast enough for it, else ADPCM.

    Raises LinkError for a device that sends no sound, too much of it, or at a rate that cannot be.
    """
    rate_hz, can = hello.sample_rate_hz, hello.capabilities
    if not can & (Can.PCM | Can.ADPCM):
        raise LinkError(
            f"{hello.name} sends no sound"
            + (
                "; it classifies by itself: edge-asc firmware monitor shows what it reports"
                if can & Can.ESTIMATES
                else ": its firmware offers neither PCM nor ADPCM"
            )
        )
    if not ALLOWED_HZ[0] <= rate_hz <= ALLOWED_HZ[1]:
        raise LinkError(
            f"{hello.name} says that it samples at {rate_hz} Hz; from {ALLOWED_HZ[0]} to"
            f" {ALLOWED_HZ[1]} Hz is allowed: set sample_rate_hz in its asc_link_device_t"
        )
    needed_baud = 0
    for form, sample_bytes in ((Can.PCM, 2.0), (Can.ADPCM, 0.5)):
        if can & form:
            bytes_per_s = rate_hz * sample_bytes + _FRAMING_BYTES_PER_S
            needed_baud = round(bytes_per_s * _BITS_PER_BYTE)
            if needed_baud <= baud:
                return form
    raise LinkError(
        f"{hello.name} samples at {rate_hz} Hz, for which {baud} baud is too slow: it takes"
        f" {needed_baud}; set a higher speed in firmware and name it, or any for a USB port"
        " (serial:PORT:BAUD)"
    )
