"""A conversation with the device on a port: greeting, reading, farewell."""

from __future__ import annotations

import contextlib
import random
import threading

from edge_asc.clock import elapsed_s
from edge_asc.errors import SourceError
from edge_asc.firmware_bridge.link.controls import Can, Hello, HelloRequest, Start, Stop
from edge_asc.firmware_bridge.link.host import Arrived, HostLink
from edge_asc.firmware_bridge.link.port import PortName, SerialPort


class Conversation:
    """An open port and the device behind it, greeted. Raises SourceError and LinkError."""

    def __init__(self, name: PortName) -> None:
        self._port = SerialPort(name)
        self.link = HostLink(self._port.write, elapsed_s)

    def read(self) -> list[Arrived]:
        """What the device streamed meanwhile; waits a tenth of a second for it."""
        self.link.tick()
        return self.link.receive(self._port.read())

    def greet(self, closing: threading.Event) -> Hello | None:
        """Ask who is there; None if `closing` was set before the answer."""
        self.link.ask(HelloRequest())
        while self.link.hello is None and not closing.is_set():
            self.read()
        return self.link.hello

    def start(self, wanted: Can) -> None:
        """Ask for these kinds of data."""
        self.link.ask(Start(wanted, random.randrange(1 << 16)))

    def close(self) -> None:
        """Tell the device to be quiet, if it is still there, and close the port."""
        if self.link.hello is not None:
            with contextlib.suppress(SourceError):  # gone, or it takes nothing: then so be it
                self.link.send_once(Stop())
        self._port.close()
