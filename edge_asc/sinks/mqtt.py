"""Messages to an MQTT broker. The one file that imports paho.

    TOPIC/estimate, /event, /gap, /health          JSON, a stream: not retained
    TOPIC/scene, /confidence, /level, /state       what is the case now: retained
    TOPIC/availability                             "online"; "offline", also as the last will

MQTT 5, because brokers acknowledge in older versions what they then throw away.
"""

from __future__ import annotations

import json
import secrets
import ssl
import threading
from collections.abc import Callable, Mapping

from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTMessage, MQTTv5
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from edge_asc.errors import OutputError, OutputUnavailableError
from edge_asc.messages import Message
from edge_asc.sinks.json_values import to_values
from edge_asc.sinks.mqtt_broker import (
    Broker,
    why_forbidden,
    why_lost,
    why_refused,
    why_unreachable,
)
from edge_asc.sinks.mqtt_states import states_of

KEEPALIVE_S = 20
"""A broker that has heard nothing for one and a half times as long publishes the last will."""

RECONNECT_S = 5
"""Tries to connect are 1, 2, 4, 5, 5 ... seconds apart."""

CONNECT_S = 2.0
"""So long a message waits for a connection before the lane is told that there is none"""

ANSWER_S = 4.0
"""So long it waits for the broker to say that it has it; the lane notices after 5 s by itself"""

CLOSE_S = 0.8

_AT_LEAST_ONCE = 1

Sent = Mapping[int, str]
"""Topics of what was published together, by paho's numbers"""


class MqttOutput:
    """Publishes each message, and waits until the broker has it."""

    is_main = False

    def __init__(
        self,
        broker: Broker,
        topic: str,
        *,
        say: Callable[[str], None],
        password: str | None = None,
        tls: ssl.SSLContext | None = None,
        announcements: Mapping[str, str] | None = None,
        announce_again: str | None = None,
        newer_waits: Callable[[], bool] = lambda: False,
    ) -> None:
        """`topic`: what all its topics begin with. Connects from now on.

        `announcements`: payloads by topics, retained, published with every connection and when
        somebody says "online" at the topic `announce_again`. `newer_waits`: whether others wait
        behind the message that is being written; the states that it tells are then over.
        """
        self.name = f"MQTT {broker.url}"
        self._topic, self._newer_waits = topic, newer_waits
        self._link = _Link(
            broker,
            topic,
            password,
            tls,
            announcements or {},
            announce_again,
            lambda text: say(f"{self.name}: {text}"),
        )
        self._offered: Message | None = None
        self._sent: Sent = {}
        self._states: dict[str, str] = {}
        self._told: dict[str, str] = {}
        self._connection = 0
        """The one at which `_told` and `_sent` were published"""

    def write(self, message: Message) -> None:
        """Publish `message`. Raises OutputUnavailableError, or OutputError if it is refused.

        Offered again at the same connection, it is not published again, but only waited for.
        """
        connection = self._link.await_connection()
        if connection != self._connection:  # the broker may have lost what it was told
            self._connection, self._offered, self._told = connection, None, {}
        if message is not self._offered:
            self._sent = self._publish(message)
            self._offered = message
        refusals = self._link.await_answers(self._sent)
        self._offered = None
        if refusals:
            raise OutputError("; ".join(refusals))

    def close(self) -> None:
        """Disconnect; the broker then publishes the last will."""
        self._link.close()

    def _publish(self, message: Message) -> Sent:
        self._states.update(states_of(message))
        now = {} if self._newer_waits() else self._states
        news = {state: text for state, text in now.items() if self._told.get(state) != text}
        self._told.update(news)
        values = to_values(message)
        stream = {f"{self._topic}/{values['type']}": json.dumps(values, allow_nan=False)}
        retained = {f"{self._topic}/{state}": text for state, text in news.items()}
        return self._link.publish(stream, retained)


class _Link:
    """A connection that is made anew for ever, and each time begins without what was sent before.

    paho's thread calls back, the lane's thread calls.
    """

    def __init__(
        self,
        broker: Broker,
        topic: str,
        password: str | None,
        tls: ssl.SSLContext | None,
        announcements: Mapping[str, str],
        announce_again: str | None,
        say: Callable[[str], None],
    ) -> None:
        self._broker, self._has_password, self._say = broker, password is not None, say
        self._topic, self._availability = topic, f"{topic}/availability"
        self._announcements = {self._availability: "online", **announcements}
        self._followed = {self._availability: self._on_availability}
        if announce_again is not None:
            self._followed[announce_again] = self._on_birth
        # Of paho's thread:
        self._announced: dict[int, str] = {}
        self._let_in: bool | None = None
        """Whether the broker answered the last connection with yes, None without an answer"""
        self._said: set[str] = set()
        # Of both threads, under this lock; paho is never called with it:
        self._changed = threading.Condition()
        self._connected = self._closing = False
        self._num_connections = self._num_failures = 0
        self._trouble = f"no answer yet from {broker.host} at port {broker.port}"
        self._answers: dict[int, str] = {}
        """"" for what the broker has, else why it refused it, by paho's number"""
        self._client = self._make_client(password, tls)
        self._client.connect_async(broker.host, broker.port, KEEPALIVE_S, clean_start=True)
        self._client.loop_start()

    def await_connection(self) -> int:
        """Which connection this is, counted from 1. Raises OutputUnavailableError."""
        with self._changed:
            failures = self._num_failures
            self._changed.wait_for(
                lambda: self._connected or self._num_failures > failures, CONNECT_S
            )
            if not self._connected:
                raise OutputUnavailableError(self._trouble)
            return self._num_connections

    def publish(self, stream: Mapping[str, str], retained: Mapping[str, str]) -> Sent:
        """Send payloads by topics. What was published before is not waited for any more."""
        with self._changed:
            self._answers.clear()
        return {**self._send(stream, retain=False), **self._send(retained, retain=True)}

    def await_answers(self, sent: Sent) -> list[str]:
        """Why the broker refused what was sent, where it did. Raises OutputUnavailableError."""
        with self._changed:
            self._changed.wait_for(
                lambda: not self._connected or sent.keys() <= self._answers.keys(), ANSWER_S
            )
            if not sent.keys() <= self._answers.keys():
                silent = f"no acknowledgement for {ANSWER_S:g} s"
                raise OutputUnavailableError(silent if self._connected else self._trouble)
            answers = {topic: self._answers[number] for number, topic in sent.items()}
        return [why_forbidden(topic, answer) for topic, answer in answers.items() if answer]

    def close(self) -> None:
        """End the connection, and wait for that a little."""
        with self._changed:
            self._closing = True
        self._disconnect()
        with self._changed:
            self._changed.wait_for(lambda: not self._connected, CLOSE_S)

    def _make_client(self, password: str | None, tls: ssl.SSLContext | None) -> Client:
        client = _Client(self._on_failure, f"edgeasc{secrets.token_hex(6)}")
        if self._broker.user is not None:
            client.username_pw_set(self._broker.user, password)
        if tls is not None:
            client.tls_set_context(tls)
        client.will_set(self._availability, "offline", _AT_LEAST_ONCE, retain=True)
        client.reconnect_delay_set(1, RECONNECT_S)
        client.on_connect, client.on_disconnect = self._on_connect, self._on_disconnect
        client.on_publish, client.on_subscribe = self._on_publish, self._on_subscribe
        for topic, callback in self._followed.items():
            client.message_callback_add(topic, callback)
        return client

    def _send(self, payloads: Mapping[str, str], *, retain: bool) -> Sent:
        return {
            self._client.publish(topic, payload, _AT_LEAST_ONCE, retain).mid: topic
            for topic, payload in payloads.items()
        }

    def _disconnect(self) -> None:
        self._client.disconnect(ReasonCode(PacketTypes.DISCONNECT, "Disconnect with will message"))

    def _announce(self) -> None:
        self._announced.update(self._send(self._announcements, retain=True))

    def _not_connected(self, trouble: str) -> None:
        with self._changed:
            self._connected, self._trouble = False, trouble
            self._num_failures += 1
            self._changed.notify_all()

    def _on_failure(self, error: OSError) -> None:
        self._not_connected(why_unreachable(error, self._broker))

    def _on_connect(
        self, client: Client, _: object, flags: ConnectFlags, reason: ReasonCode, more: object
    ) -> None:
        self._let_in = not reason.is_failure
        if not self._let_in:
            why = why_refused(reason.getName(), self._broker, has_password=self._has_password)
            self._not_connected(why)
        elif self._closing:
            self._disconnect()
        else:
            how = SubscribeOptions(noLocal=True, retainHandling=SubscribeOptions.RETAIN_DO_NOT_SEND)
            client.drop_out_messages()  # what matters of them is published again
            self._announced.clear()
            client.subscribe([(topic, how) for topic in self._followed])
            self._announce()
            with self._changed:
                self._connected = True
                self._num_connections += 1
                self._changed.notify_all()

    def _on_disconnect(
        self, client: Client, _: object, flags: DisconnectFlags, reason: ReasonCode, more: object
    ) -> None:
        let_in, self._let_in = self._let_in, None
        if let_in is False:  # and why is known
            return
        told, name = flags.is_disconnect_packet_from_server, reason.getName()
        self._not_connected(why_lost(name, self._broker, told=told, let_in=bool(let_in)))

    def _on_subscribe(
        self, client: Client, _: object, number: int, reasons: list[ReasonCode], more: object
    ) -> None:
        for topic, reason in zip(self._followed, reasons, strict=False):
            if reason.is_failure:
                answer = reason.getName().lower()
                self._say_once(f"the broker does not tell of {topic} ({answer})")

    def _on_birth(self, client: Client, _: object, message: MQTTMessage) -> None:
        if message.payload == b"online":
            self._announce()

    def _on_availability(self, client: Client, _: object, message: MQTTMessage) -> None:
        if message.payload == b"online":
            self._say_once(
                f"another listener publishes below {self._topic}, too: give each its own"
                " --mqtt-topic"
            )
        else:  # the last will of one that is gone: of that, or of this before a power failure
            self._announce()

    def _on_publish(
        self, client: Client, _: object, number: int, reason: ReasonCode, more: object
    ) -> None:
        answer = reason.getName().lower() if reason.is_failure else ""
        announced = self._announced.pop(number, None)
        if announced is None:
            with self._changed:
                self._answers[number] = answer
                self._changed.notify_all()
        elif answer:
            self._say_once(why_forbidden(announced, answer))

    def _say_once(self, text: str) -> None:
        if text not in self._said:
            self._said.add(text)
            self._say(text)


class _Client(Client):
    """Tells why a connection could not be made, which paho keeps to itself."""

    def __init__(self, failed: Callable[[OSError], None], name: str) -> None:
        super().__init__(CallbackAPIVersion.VERSION2, name, protocol=MQTTv5)
        self._connection_failed = failed

    def reconnect(self) -> MQTTErrorCode:
        try:
            return super().reconnect()
        except OSError as error:
            self._connection_failed(error)
            raise
