"""A real mosquitto with a configuration of its own, one who watches it, and a line to it."""

from __future__ import annotations

import getpass
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
from paho.mqtt.client import Client, MQTTMessage, MQTTv5
from paho.mqtt.enums import CallbackAPIVersion

PATIENCE_S = 30.0
HOST = "127.0.0.1"


class Mosquitto:
    """A broker on a free port of loopback, which keeps nothing when it ends.

    As a context manager it is running, and is killed at the end.
    """

    def __init__(self, folder: Path, *lines: str) -> None:
        """`lines` are added to its configuration. Skips the test where mosquitto is missing."""
        # Debian has it where only root looks.
        program = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin")
        if program is None:
            pytest.skip("needs mosquitto: sudo apt-get install mosquitto")
        self._program, self.port = program, free_port()
        self._file = folder / f"mosquitto-{self.port}.conf"
        own = [f"listener {self.port} {HOST}", f"user {getpass.getuser()}", "persistence false"]
        if not any(line.startswith("allow_anonymous") for line in lines):
            own.append("allow_anonymous true")
        self._file.write_text("\n".join([*own, *lines, ""]), encoding="utf-8")
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"mqtt://{HOST}:{self.port}"

    def __enter__(self) -> Mosquitto:
        self.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.kill()

    def start(self) -> None:
        command = [self._program, "-c", str(self._file)]
        self._process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        wait_until(self._listens)

    def kill(self) -> None:
        """SIGKILL."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def freeze(self) -> None:
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def _listens(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, f"mosquitto refuses {self._file.read_text()}"
        with suppress(OSError), socket.create_connection((HOST, self.port), 1.0):
            return True
        return False


@dataclass(frozen=True)
class Heard:
    """A message as a subscriber gets it."""

    topic: str
    text: str
    retained: bool
    """Whether it was there before the subscriber was"""


class Watcher:
    """Subscribes to everything below some topics, and remembers what comes, in its order."""

    def __init__(self, port: int, topics: Sequence[str] = ("#",)) -> None:
        self.heard: list[Heard] = []
        self._topics = topics
        self._ready = threading.Event()
        self._client = Client(CallbackAPIVersion.VERSION2, protocol=MQTTv5)
        self._client.on_connect = lambda client, *_: client.subscribe([(t, 1) for t in topics])
        self._client.on_subscribe = lambda *_: self._ready.set()
        self._client.on_message = self._hear
        self._client.connect(HOST, port)
        self._client.loop_start()
        assert self._ready.wait(PATIENCE_S)

    def __enter__(self) -> Watcher:
        return self

    def __exit__(self, *exc: object) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def texts(self, topic: str) -> list[str]:
        """What came at `topic`, in its order."""
        return [heard.text for heard in self.heard if heard.topic == topic]

    def wait_for(self, topic: str, *texts: str) -> None:
        """Wait until `texts` are the last that came at `topic`."""
        wait_until(lambda: self.texts(topic)[-len(texts) :] == list(texts), lambda: self.heard)

    def wait_for_count(self, topic: str, count: int) -> None:
        """Wait until `count` messages have come at `topic`."""
        wait_until(lambda: len(self.texts(topic)) >= count, lambda: self.heard)

    def say(self, topic: str, text: str) -> None:
        self._client.publish(topic, text, 1)

    def _hear(self, client: Client, _: object, message: MQTTMessage) -> None:
        self.heard.append(Heard(message.topic, message.payload.decode(), message.retain))


class Relay:
    """A line to a port of loopback, on a port of its own, that can be cut and be slow.

    As a context manager it is cut at the end. It is not there before `open`.
    """

    def __init__(self, to_port: int, *, bytes_per_s: float | None = None) -> None:
        self.port = free_port()
        self._to_port, self._bytes_per_s = to_port, bytes_per_s
        self._sockets: list[socket.socket] = []

    def __enter__(self) -> Relay:
        return self

    def __exit__(self, *exc: object) -> None:
        self.cut()

    def open(self) -> None:
        server = socket.create_server((HOST, self.port))
        self._sockets.append(server)
        threading.Thread(target=self._accept, args=(server,), daemon=True).start()

    def cut(self) -> None:
        for end in self._sockets:
            with suppress(OSError):  # it was never connected, or is not any more
                end.shutdown(socket.SHUT_RDWR)
            end.close()
        self._sockets.clear()

    def _accept(self, server: socket.socket) -> None:
        with suppress(OSError):  # it was cut
            while True:
                near, _ = server.accept()
                far = socket.create_connection((HOST, self._to_port))
                self._sockets += [near, far]
                for ends in ((near, far), (far, near)):
                    threading.Thread(target=self._carry, args=ends, daemon=True).start()

    def _carry(self, source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(64 if self._bytes_per_s else 65_536):
                sink.sendall(data)
                if self._bytes_per_s:
                    time.sleep(len(data) / self._bytes_per_s)
            sink.shutdown(socket.SHUT_RDWR)


def wait_until(happened: Callable[[], bool], told: Callable[[], object] = lambda: "") -> None:
    """Wait until `happened`; fail with what is `told` if it takes too long."""
    until_s = time.monotonic() + PATIENCE_S
    while not happened():
        assert time.monotonic() < until_s, f"it did not come: {told()}"
        time.sleep(0.01)


def free_port() -> int:
    with socket.socket() as one:
        one.bind((HOST, 0))
        return int(one.getsockname()[1])
