"""Brokers that are none: what they answer is told, and a listener is not held up by them.

Against a real one: tests/end_to_end/test_mqtt_broker.py.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import suppress

import pytest

from edge_asc.errors import OutputUnavailableError
from edge_asc.sinks.mqtt import MqttOutput
from edge_asc.sinks.mqtt_broker import Broker
from tests.mosquitto import HOST, free_port, wait_until
from tests.sample_messages import REPORT

ACCEPTED = bytes.fromhex("20 03 00 00 00")
"""CONNACK of MQTT 5"""

REFUSED_BY_AN_OLD_ONE = bytes.fromhex("20 02 00 01")
"""CONNACK of MQTT 3.1.1: unacceptable protocol version"""

NO_SUBSCRIPTION = bytes.fromhex("90 05 00 01 00 87 87")
"""SUBACK of packet 1: not authorized, twice"""


class Scripted:
    """Answers every connection with the same bytes, and then says nothing."""

    def __init__(self, answer: bytes) -> None:
        self._answer, self._server = answer, socket.create_server((HOST, 0))
        self.broker = Broker(HOST, self._server.getsockname()[1], None, tls=False)
        self._ends: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        for end in (self._server, *self._ends):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()

    def _accept(self) -> None:
        with suppress(OSError):  # it was closed
            while True:
                end, _ = self._server.accept()
                self._ends.append(end)
                end.recv(4_096)
                end.sendall(self._answer)


@pytest.fixture
def output(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[MqttOutput]:
    """Writes to a scripted broker; what it says is in `said`."""
    monkeypatch.setattr("edge_asc.sinks.mqtt.ANSWER_S", 0.2)
    monkeypatch.setattr("edge_asc.sinks.mqtt.CONNECT_S", 0.5)
    scripted = Scripted(request.param)
    said.clear()
    output = MqttOutput(scripted.broker, "edge-asc/test", say=said.append, announce_again="birth")
    yield output
    output.close()
    scripted.close()


said: list[str] = []


@pytest.mark.parametrize("output", [REFUSED_BY_AN_OLD_ONE], indirect=True)
def test_an_older_broker_is_told_from_others(output: MqttOutput) -> None:
    with pytest.raises(OutputUnavailableError, match="it must speak MQTT 5"):
        output.write(REPORT)


@pytest.mark.parametrize("output", [b""], indirect=True)
def test_one_that_does_not_answer(output: MqttOutput) -> None:
    with pytest.raises(OutputUnavailableError, match=f"no answer yet from {HOST} at port"):
        output.write(REPORT)


MALFORMED = [
    "48 54 54 50" + 84 * "2f",  # an HTTP server's answer, as a PUBACK
    "20 03 00 00 00" + "90 05 00 01 00 01 01 01",  # more answers than there were topics
    "20 03 00 00 00" + "32 03 00 01 ff",  # a topic that is no UTF-8
    "20 03 00 00 00" + "40 04 00 01 2f ff",  # an acknowledgement that MQTT does not know
    "ff ff ff ff ff ff",
]


@pytest.mark.parametrize("output", [*map(bytes.fromhex, MALFORMED)], indirect=True)
def test_what_is_no_mqtt_does_not_end_the_connecting(output: MqttOutput) -> None:
    for _ in range(2):
        with pytest.raises(OutputUnavailableError):
            output.write(REPORT)
    assert any(thread.name.startswith("paho") for thread in threading.enumerate())


@pytest.mark.parametrize("output", [ACCEPTED], indirect=True)
def test_one_that_acknowledges_nothing(output: MqttOutput) -> None:
    for _ in range(2):
        with pytest.raises(OutputUnavailableError, match=r"no acknowledgement for 0\.2 s"):
            output.write(REPORT)


@pytest.mark.parametrize("output", [ACCEPTED + NO_SUBSCRIPTION], indirect=True)
def test_one_that_lets_nobody_read(output: MqttOutput) -> None:
    with pytest.raises(OutputUnavailableError):
        output.write(REPORT)
    wait_until(lambda: len(said) == 2)
    assert said == [
        f"{output.name}: the broker does not tell of {topic} (not authorized)"
        for topic in ("edge-asc/test/availability", "birth")
    ]


def test_closing_before_there_was_a_connection() -> None:
    output = MqttOutput(Broker(HOST, free_port(), None, tls=False), "edge-asc/test", say=print)
    output.close()
    with pytest.raises(OutputUnavailableError):
        output.write(REPORT)
