"""A real mosquitto: away, killed, frozen, slow, refusing; what was told then and what is lost."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest

from edge_asc.benchmarks.listener import LISTEN, Listener
from edge_asc.messages import OutputState, Report
from edge_asc.outputs import Outputs
from edge_asc.sinks.home_assistant import birth_topic, discovery_messages
from edge_asc.sinks.mqtt import MqttOutput
from edge_asc.sinks.mqtt_broker import Broker, tls_context
from tests.authority import Authority
from tests.mosquitto import HOST, PATIENCE_S, Mosquitto, Relay, Watcher, free_port, wait_until
from tests.sample_messages import CHANGE, GAP, HEALTH, MESSAGES, REPORT, SCENES

WavWriter = Callable[..., Path]
EDGE_ASC = Path(sys.executable).with_name("edge-asc")
SCHEMA_PATH = Path(__file__).parents[2] / "docs" / "messages.schema.json"
SCHEMA = json.loads(SCHEMA_PATH.read_text(encoding="utf-8"))
TOPIC = "edge-asc/test"


@pytest.fixture(autouse=True)
def short_times(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tries are closer together than for users, and less is waited for."""
    monkeypatch.setattr("edge_asc.outputs.FIRST_RETRY_S", 0.05)
    monkeypatch.setattr("edge_asc.outputs.LAST_RETRY_S", 0.2)
    monkeypatch.setattr("edge_asc.sinks.mqtt.ANSWER_S", 0.5)


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    with Mosquitto(tmp_path) as mosquitto:
        yield mosquitto


class Listening:
    """An output of MQTT in its lane, what it says, and how it is doing."""

    def __init__(self, port: int, *, queue_messages: int = 1_000, **options: Any) -> None:
        self.said: list[str] = []
        where = Broker(options.pop("host", HOST), port, options.pop("user", None), "tls" in options)
        self.output = MqttOutput(
            where, TOPIC, say=self.said.append, newer_waits=self._newer_waits, **options
        )
        self.outputs = Outputs([self.output], say=self.said.append, queue_messages=queue_messages)

    @property
    def state(self) -> OutputState:
        return self.outputs.states()[0]

    def tell(self, *numbers: int) -> None:
        for number in numbers:
            self.outputs.write(numbered(number))

    def wait_for(self, state: str) -> None:
        wait_until(lambda: self.state.state == state, lambda: (self.state, self.said))

    def wait_until_delivered(self) -> None:
        wait_until(lambda: self.state.queued == 0, lambda: (self.state, self.said))

    def _newer_waits(self) -> bool:
        return self.state.queued > 1


@contextmanager
def listening(port: int, **options: Any) -> Iterator[Listening]:
    it = Listening(port, **options)
    try:
        yield it
    finally:
        it.outputs.close(PATIENCE_S if it.state.state == "ok" else 0.1)


def numbered(number: int) -> Report:
    """A report that can be told from others."""
    estimate = replace(REPORT.estimate, start_s=float(number), end_s=number + 10.0)
    return replace(REPORT, estimate=estimate)


def numbers(watcher: Watcher, count: int) -> list[int]:
    """Which reports came, in their order, when at least `count` have."""
    watcher.wait_for_count(f"{TOPIC}/estimate", count)
    return [int(json.loads(text)["start_s"]) for text in watcher.texts(f"{TOPIC}/estimate")]


def test_every_message_arrives_as_the_schema_describes_it(broker: Mosquitto) -> None:
    with Watcher(broker.port) as watcher, listening(broker.port) as it:
        for message in MESSAGES:
            it.outputs.write(message)
        it.wait_until_delivered()
        for kind in ("estimate", "gap", "event", "health"):
            watcher.wait_for_count(f"{TOPIC}/{kind}", 1)
            (text,) = watcher.texts(f"{TOPIC}/{kind}")
            jsonschema.validate(json.loads(text), SCHEMA)
            assert json.loads(text)["type"] == kind
        assert it.state == OutputState(it.output.name, "ok", written=4)
        assert it.said == []


def test_a_late_subscriber_gets_the_states_and_no_stream(broker: Mosquitto) -> None:
    with listening(broker.port) as it:
        for message in (HEALTH, REPORT, GAP, CHANGE):
            it.outputs.write(message)
            it.wait_until_delivered()
        with Watcher(broker.port) as watcher:
            watcher.say("the end", "")
            watcher.wait_for_count("the end", 1)
            found = {heard.topic: heard.text for heard in watcher.heard if heard.retained}
        assert found == {
            f"{TOPIC}/availability": "online",
            f"{TOPIC}/scene": "shopping_mall",
            f"{TOPIC}/confidence": "94",
            f"{TOPIC}/level": "-31.5",
            f"{TOPIC}/state": "listening",
        }


def test_states_are_told_when_they_change(broker: Mosquitto) -> None:
    with Watcher(broker.port) as watcher, listening(broker.port) as it:
        for level_dbfs in (-30.0, -30.0, -20.0):
            it.outputs.write(replace(REPORT, level_dbfs=level_dbfs))
            it.wait_until_delivered()
        watcher.wait_for(f"{TOPIC}/level", "-30.0", "-20.0")
        assert watcher.texts(f"{TOPIC}/scene") == ["shopping_mall"]


def test_down_at_the_start(tmp_path: Path) -> None:
    broker = Mosquitto(tmp_path)
    with Relay(broker.port) as relay, listening(relay.port) as it:
        it.tell(1, 2, 3)
        it.wait_for("waiting")
        reason = f"nothing listens at port {relay.port} of {HOST}: is the broker running?"
        assert it.state == OutputState(
            f"MQTT mqtt://{HOST}:{relay.port}", "waiting", 0, 3, 0, reason
        )
        with broker, Watcher(broker.port) as watcher:
            relay.open()
            it.wait_for("ok")
            it.wait_until_delivered()
            assert numbers(watcher, 3) == [1, 2, 3]
        first, last = it.said
        assert (
            first == f"MQTT mqtt://{HOST}:{relay.port}: {reason}; 3 messages waiting, at most 1000"
        )
        assert last == f"MQTT mqtt://{HOST}:{relay.port}: works again"


def test_killed_and_started_again(broker: Mosquitto) -> None:
    with Relay(broker.port) as relay:
        relay.open()
        with listening(relay.port) as it:
            with Watcher(broker.port) as watcher:
                it.tell(1, 2, 3)
                it.wait_until_delivered()
                assert numbers(watcher, 3) == [1, 2, 3]
            broker.kill()
            relay.cut()
            it.tell(4, 5, 6)
            it.wait_for("waiting")
            broker.start()
            with Watcher(broker.port) as watcher:
                relay.open()
                it.wait_until_delivered()
                assert numbers(watcher, 3) == [4, 5, 6]
                # The broker had forgotten them, and none has changed.
                assert watcher.texts(f"{TOPIC}/scene") == ["shopping_mall"]
                assert watcher.texts(f"{TOPIC}/availability") == ["online"]
            assert (it.state.written, it.state.lost) == (6, 0)


def test_states_that_were_over_before_they_could_be_told_are_not(tmp_path: Path) -> None:
    broker = Mosquitto(tmp_path)
    with Relay(broker.port) as relay, listening(relay.port) as it:
        for level_dbfs in (-50.0, -40.0, -30.0):
            it.outputs.write(replace(REPORT, level_dbfs=level_dbfs))
        it.wait_for("waiting")
        with broker, Watcher(broker.port) as watcher:
            relay.open()
            it.wait_until_delivered()
            watcher.wait_for(f"{TOPIC}/level", "-30.0")
            assert watcher.texts(f"{TOPIC}/level") == ["-30.0"]
            assert len(numbers(watcher, 3)) == 3


def test_what_the_queue_cannot_hold_is_counted(tmp_path: Path) -> None:
    broker = Mosquitto(tmp_path)
    with Relay(broker.port) as relay, listening(relay.port, queue_messages=5) as it:
        it.tell(*range(12))
        it.wait_for("waiting")
        assert (it.state.queued, it.state.lost) == (5, 7)
        with broker, Watcher(broker.port) as watcher:
            relay.open()
            it.wait_for("ok")
            it.wait_until_delivered()
            assert numbers(watcher, 5) == [0, 8, 9, 10, 11]
        assert (it.state.written, it.state.lost) == (5, 7)
        assert it.said[-1].endswith("works again; 7 messages lost so far")


def test_frozen_and_released(broker: Mosquitto) -> None:
    with Watcher(broker.port) as watcher, listening(broker.port, queue_messages=5) as it:
        it.tell(0)
        it.wait_until_delivered()
        broker.freeze()
        it.tell(1)
        it.wait_for("waiting")
        assert it.state.error == "no acknowledgement for 0.5 s"
        it.tell(*range(2, 12))
        broker.thaw()
        it.wait_for("ok")
        it.wait_until_delivered()
        assert numbers(watcher, 6) == [0, 1, 8, 9, 10, 11]
        assert (it.state.written, it.state.lost) == (6, 6)


def test_a_slow_line_loses_nothing(broker: Mosquitto) -> None:
    with (
        Relay(broker.port, bytes_per_s=8_000) as relay,
        Watcher(broker.port) as watcher,
    ):
        relay.open()
        with listening(relay.port) as it:
            it.tell(*range(10))
            it.wait_until_delivered()
            assert numbers(watcher, 10) == list(range(10))
            assert (it.state.written, it.state.lost) == (10, 0)


def test_a_line_that_is_cut_again_and_again_loses_nothing(broker: Mosquitto) -> None:
    with Relay(broker.port) as relay, Watcher(broker.port) as watcher:
        relay.open()
        with listening(relay.port) as it:
            for number in range(0, 30, 10):
                it.tell(*range(number, number + 10))
                relay.cut()
                relay.open()
            it.wait_until_delivered()
            assert (it.state.written, it.state.lost) == (30, 0)
            # What was sent again, because its acknowledgement was lost, may come twice.
            assert sorted(set(numbers(watcher, 30))) == list(range(30))


def mosquitto_hash(password: str, salt: bytes = b"twelve bytes", iterations: int = 101) -> str:
    """A password as mosquitto_passwd writes it: PBKDF2 with SHA-512."""
    digest = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, iterations)
    return f"$7${iterations}${b64encode(salt).decode()}${b64encode(digest).decode()}"


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[Mosquitto]:
    """A broker that lets in bob, who may write to the topics of a listener."""
    accounts, rights = tmp_path / "accounts", tmp_path / "rights"
    accounts.write_text(f"bob:{mosquitto_hash('pass')}\n", encoding="ascii")
    rights.write_text(f"user bob\ntopic readwrite {TOPIC}/#\n", encoding="ascii")
    lines = (f"password_file {accounts}", f"acl_file {rights}", "allow_anonymous false")
    with Mosquitto(tmp_path, *lines) as mosquitto:
        yield mosquitto


@pytest.mark.parametrize(
    ("user", "password", "advice"),
    [
        ("bob", "wrong", "user 'bob' or its password is wrong"),
        ("bob", None, "user 'bob' may need a password: put mqtt_password into"),
        (None, None, "it may want a user, mqtt://USER@..., and a password"),
    ],
)
def test_nobody_is_let_in_without_the_right_password(
    guarded: Mosquitto, user: str | None, password: str | None, advice: str
) -> None:
    with listening(guarded.port, user=user, password=password) as it:
        it.tell(1)
        it.wait_for("waiting")
        assert advice in it.state.error
        assert "wrong" not in it.state.error.replace("is wrong", "")
        assert it.state.queued == 1


def test_with_the_right_password(guarded: Mosquitto) -> None:
    with listening(guarded.port, user="bob", password="pass") as it:
        it.tell(1)
        it.wait_until_delivered()
        assert it.state.written == 1


def test_what_a_user_may_not_write_is_lost_and_told(guarded: Mosquitto) -> None:
    with listening(
        guarded.port, user="bob", password="pass", announcements={"homeassistant/x": "{}"}
    ) as it:
        it.tell(1)
        it.wait_until_delivered()
        wait_until(lambda: len(it.said) == 1)
        assert it.said == [
            f"MQTT {guarded.url}: the broker refused homeassistant/x (not authorized): let this"
            " user write there"
        ]
    output = MqttOutput(
        Broker(HOST, guarded.port, "bob", False), "others", say=print, password="pass"
    )
    outputs = Outputs([output], say=print)
    outputs.write(REPORT)
    wait_until(lambda: outputs.states()[0].state == "failing")
    assert "the broker refused others/estimate (not authorized)" in outputs.states()[0].error
    assert outputs.states()[0].lost == 1
    outputs.close()


@contextmanager
def with_tls(folder: Path, files: tuple[Path, Path], *lines: str) -> Iterator[Mosquitto]:
    with Mosquitto(folder, f"certfile {files[0]}", f"keyfile {files[1]}", *lines) as mosquitto:
        yield mosquitto


def test_tls(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    tls = tls_context(authority.file, None, None)
    with with_tls(tmp_path, authority.issue(HOST)) as broker, listening(broker.port, tls=tls) as it:
        it.tell(1)
        it.wait_until_delivered()
        assert it.output.name == f"MQTT mqtts://{HOST}:{broker.port}"
        assert it.state.written == 1


@pytest.mark.parametrize(
    ("host", "ends", "reason"),
    [
        (HOST, timedelta(days=1), "name the file of the CA that signed it with --mqtt-ca"),
        ("broker.example", timedelta(days=1), "name the broker as its certificate does"),
        (HOST, timedelta(days=-1), "renew it, or set this machine's clock"),
    ],
    ids=["another CA", "another host", "expired"],
)
def test_a_certificate_that_does_not_hold(
    tmp_path: Path, host: str, ends: timedelta, reason: str
) -> None:
    authority = Authority(tmp_path)
    trusted = Authority(tmp_path, "another") if "--mqtt-ca" in reason else authority
    files = authority.issue(host, ends=ends)
    tls = tls_context(trusted.file, None, None)
    with with_tls(tmp_path, files) as broker, listening(broker.port, tls=tls) as it:
        it.tell(1)
        it.wait_for("waiting")
        assert it.state.error.startswith(f"the certificate of {HOST} is not trusted (")
        assert it.state.error.endswith(f"): {reason}")
        assert (it.state.queued, it.state.lost) == (1, 0)


def test_a_broker_that_wants_a_certificate(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    lines = (f"cafile {authority.file}", "require_certificate true")
    with with_tls(tmp_path, authority.issue(HOST), *lines) as broker:
        with listening(broker.port, tls=tls_context(authority.file, None, None)) as it:
            it.tell(1)
            it.wait_for("waiting")
            assert "does it want a client certificate (--mqtt-cert)?" in it.state.error
        tls = tls_context(authority.file, *authority.issue("listener"))
        with listening(broker.port, tls=tls) as it:
            it.tell(1)
            it.wait_until_delivered()
            assert it.state.written == 1


def test_tls_where_there_is_none_and_none_where_it_is(tmp_path: Path, broker: Mosquitto) -> None:
    authority = Authority(tmp_path)
    with listening(broker.port, tls=tls_context(authority.file, None, None)) as it:
        it.tell(1)
        it.wait_for("waiting")
        assert it.state.error.startswith(f"no TLS with {HOST} at port {broker.port} (")
    with with_tls(tmp_path, authority.issue(HOST)) as encrypted, listening(encrypted.port) as it:
        it.tell(1)
        it.wait_for("waiting")
        assert "does it want TLS (mqtts://)?" in it.state.error


def test_two_with_the_same_topics_are_told_and_the_one_that_stays_is_online(
    broker: Mosquitto,
) -> None:
    with Watcher(broker.port) as watcher, listening(broker.port) as first:
        first.tell(1)
        first.wait_until_delivered()
        with listening(broker.port) as second:
            second.tell(2)
            wait_until(lambda: bool(first.said))
        watcher.wait_for(f"{TOPIC}/availability", "online", "online", "offline", "online")
    assert first.said == [
        f"MQTT {broker.url}: another listener publishes below {TOPIC}, too: give each its own"
        " --mqtt-topic"
    ]


def test_home_assistant_is_told_of_the_sensors_at_every_connection_and_birth(
    broker: Mosquitto,
) -> None:
    sensors = discovery_messages(TOPIC, SCENES, "tiny")
    options = {"announcements": sensors, "announce_again": birth_topic("homeassistant")}
    with Watcher(broker.port) as watcher, listening(broker.port, **options) as it:
        for topic, payload in sensors.items():
            watcher.wait_for(topic, payload)
        watcher.say("homeassistant/status", "online")
        for topic, payload in sensors.items():
            watcher.wait_for(topic, payload, payload)
        watcher.say("homeassistant/status", "offline")
        it.tell(1)
        it.wait_until_delivered()
        assert all(len(watcher.texts(topic)) == 2 for topic in sensors)
        with Watcher(broker.port) as late:
            for topic, payload in sensors.items():
                late.wait_for(topic, payload)


def test_a_clean_end_says_offline(broker: Mosquitto) -> None:
    with Watcher(broker.port) as watcher:
        with listening(broker.port) as it:
            it.outputs.write(replace(HEALTH, state="ended"))
        watcher.wait_for(f"{TOPIC}/availability", "online", "offline")
        assert watcher.texts(f"{TOPIC}/scene") == ["none"]
    with Watcher(broker.port) as late:
        late.wait_for(f"{TOPIC}/availability", "offline")


def test_closing_does_not_wait_for_a_broker_that_is_frozen(broker: Mosquitto) -> None:
    with listening(broker.port) as it:
        it.tell(1)
        it.wait_until_delivered()
        broker.freeze()
    assert not it.outputs._lanes[0]._thread.is_alive()


@pytest.mark.skipif(not EDGE_ASC.exists(), reason="edge-asc is not installed: pip install -e .")
class TestInstalled:
    """The command, in a process of its own."""

    def test_listening_goes_on_without_a_broker(
        self, write_wav: WavWriter, rng: np.random.Generator
    ) -> None:
        sound = write_wav(0.05 * rng.standard_normal(14 * 44_100))
        command = [str(EDGE_ASC), "listen", "--source", str(sound), "--fast", "--format", "json"]
        url = f"mqtt://{HOST}:{free_port()}"
        done = subprocess.run([*command, "--mqtt", url], capture_output=True, text=True, check=True)
        lines = [json.loads(line) for line in done.stdout.splitlines()]
        ends_s = [line["end_s"] for line in lines if line["type"] == "estimate"]
        assert ends_s == [10, 11, 12, 13, 14]
        assert f"MQTT {url}: nothing listens at port" in done.stderr
        assert f"MQTT {url}: {len(lines)} messages could not be delivered" in done.stderr

    def test_a_listener_that_is_killed_is_offline(self, broker: Mosquitto) -> None:
        arguments = ("--source", "exec:cat /dev/zero", "--mqtt", broker.url, "--mqtt-topic", TOPIC)
        with Watcher(broker.port) as watcher, Listener(*arguments, command=LISTEN) as listener:
            watcher.wait_for(f"{TOPIC}/state", "listening")
            assert watcher.texts(f"{TOPIC}/availability") == ["online"]
            listener.process.kill()
            watcher.wait_for(f"{TOPIC}/availability", "online", "offline")

    def test_a_listener_that_is_terminated_is_offline(self, broker: Mosquitto) -> None:
        arguments = ("--source", "exec:cat /dev/zero", "--mqtt", broker.url, "--mqtt-topic", TOPIC)
        with Watcher(broker.port) as watcher, Listener(*arguments, command=LISTEN) as listener:
            watcher.wait_for(f"{TOPIC}/state", "listening")
            assert listener.finish() == 0
            watcher.wait_for(f"{TOPIC}/availability", "offline")
            watcher.wait_for(f"{TOPIC}/state", "ended")
