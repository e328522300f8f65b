"""`--mqtt` of `edge-asc listen`: what is refused before listening begins, and what it leads to."""

from __future__ import annotations

import builtins
import json
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge_asc.commands.mqtt_options import default_topic
from tests.authority import Authority
from tests.mosquitto import Mosquitto, Watcher

WavWriter = Callable[..., Path]
BROKER, ENCRYPTED = "mqtt://bob@broker.local", "mqtts://bob@broker.local"


@pytest.fixture
def recording(write_wav: WavWriter, rng: np.random.Generator) -> Path:
    """Four seconds of noise."""
    return write_wav(rng.uniform(-0.9, 0.9, 4 * 44_100))


@pytest.fixture
def listen(edge_asc: Any, model_path: Path, recording: Path) -> Callable[..., Any]:
    def run(*options: object) -> Any:
        return edge_asc("listen", "--source", recording, "--fast", *options)

    return run


def refused(done: Any) -> str:
    """What is said of wrong usage."""
    assert done.exit_code == 2, done.stderr
    assert done.stdout == ""
    return " ".join(done.stderr.split())


@pytest.mark.parametrize("url", ["http://broker", "mqtt://", "mqtt://broker/topic", "broker:1883"])
def test_a_wrong_url_is_wrong_usage(listen: Callable[..., Any], url: str) -> None:
    assert "Invalid value for '--mqtt': must" in refused(listen("--mqtt", url))


def test_a_password_has_no_place_on_the_command_line(
    listen: Callable[..., Any], tmp_path: Path
) -> None:
    for options in (
        ("--mqtt", "mqtt://bob:SECRET@broker.local"),
        ("--mqtt", BROKER, "--mqtt-password", "SECRET"),
    ):
        said = refused(listen(*options))
        assert "SECRET" not in said
        assert "mqtt_password into the configuration file" in said
    config = tmp_path / "config.toml"
    config.write_text("[listen]\nmqtt = 'mqtt://bob:SECRET@broker.local'\n", encoding="utf-8")
    said = refused(listen("--config", config))
    assert "config.toml, line 2: mqtt" in said
    assert "SECRET" not in said


@pytest.mark.parametrize(
    ("topic", "reason"),
    [
        ("", "must neither be empty nor begin or end with a slash"),
        ("/kitchen", "must neither be empty nor begin or end with a slash"),
        ("kitchen/", "must neither be empty nor begin or end with a slash"),
        ("$SYS/kitchen", "must not begin with $"),
        ("home/+", "must have no wildcard"),
        ("home/#", "must have no wildcard"),
        ("home\nkitchen", "must have no wildcard (+, #) and no control character"),
        (201 * "a", "must have at most 200 characters"),
    ],
)
@pytest.mark.parametrize("option", ["--mqtt-topic", "--mqtt-discovery-prefix"])
def test_a_topic_that_mqtt_takes_for_something_else(
    listen: Callable[..., Any], option: str, topic: str, reason: str
) -> None:
    assert f"'{option}': {reason}" in refused(listen("--mqtt", BROKER, option, topic))


@pytest.mark.parametrize(
    "options",
    [("--mqtt-topic", "home"), ("--mqtt-discovery",), ("--mqtt-ca", "ca.crt")],
)
def test_without_a_broker_the_others_would_do_nothing(
    listen: Callable[..., Any], options: tuple[str, ...]
) -> None:
    assert f"{options[0]} needs --mqtt URL, which is not given" in refused(listen(*options))


def test_in_a_file_they_may_stand_without_one(listen: Callable[..., Any], tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    config.write_text("[listen]\nmqtt_topic = 'home'\nmqtt_password = 'x'\n", encoding="utf-8")
    assert listen("--config", config).exit_code == 0


def test_what_is_for_tls_needs_it(listen: Callable[..., Any], tmp_path: Path) -> None:
    said = refused(listen("--mqtt", BROKER, "--mqtt-ca", tmp_path / "ca.crt"))
    assert (
        "--mqtt-ca (command line) cannot be used with --mqtt (command line): it is for TLS, mqtts://"
    ) in said
    said = refused(listen("--mqtt", ENCRYPTED, "--mqtt-cert", tmp_path / "own.crt"))
    assert "--mqtt-cert and --mqtt-key belong together" in said


def test_a_password_is_of_a_user(
    listen: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EDGE_ASC_LISTEN_MQTT_PASSWORD", "SECRET")
    monkeypatch.setenv("EDGE_ASC_LISTEN_MQTT", "mqtt://broker.local")
    said = refused(listen())
    assert "EDGE_ASC_LISTEN_MQTT_PASSWORD (environment) cannot be used with" in said
    assert "a password is of a user, mqtt://USER@HOST" in said
    assert "SECRET" not in said


def test_files_that_are_missing_or_wrong(listen: Callable[..., Any], tmp_path: Path) -> None:
    said = refused(listen("--mqtt", ENCRYPTED, "--mqtt-ca", tmp_path / "no.crt"))
    assert "no.crt: no CA certificates in PEM form (No such file or directory)" in said
    authority = Authority(tmp_path)
    certificate, _ = authority.issue("listener")
    _, key = authority.issue("another")
    said = refused(listen("--mqtt", ENCRYPTED, "--mqtt-cert", certificate, "--mqtt-key", key))
    assert "not a certificate in PEM form and its key" in said


def test_without_the_package_there_is_advice(
    listen: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name.startswith(("paho", "edge_asc.sinks.mqtt"))]:
        monkeypatch.delitem(sys.modules, name)
    original = builtins.__import__

    def importing(name: str, *rest: Any) -> Any:
        if name.startswith("paho"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return original(name, *rest)

    monkeypatch.setattr(builtins, "__import__", importing)
    done = listen("--mqtt", BROKER)
    assert done.exit_code == 1
    assert "this needs the MQTT packages (paho.mqtt.client is missing)" in done.stderr
    assert "pip install 'edge-asc[mqtt]'" in done.stderr


@pytest.mark.parametrize(
    ("name", "topic"),
    [
        ("pi", "edge-asc/pi"),
        ("Pi-5.example.org", "edge-asc/Pi-5"),
        ("pi#+/ä", "edge-asc/pi----"),
    ],
)
def test_topics_are_named_after_the_machine(
    monkeypatch: pytest.MonkeyPatch, name: str, topic: str
) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: name)
    assert default_topic() == topic


def test_a_run_is_published(listen: Callable[..., Any], tmp_path: Path) -> None:
    with Mosquitto(tmp_path) as broker, Watcher(broker.port) as watcher:
        options = ("--mqtt", broker.url, "--mqtt-topic", "home/ears", "--mqtt-discovery")
        done = listen("--format", "json", *options)
        assert done.exit_code == 0, done.stderr
        lines = [json.loads(line) for line in done.stdout.splitlines()]
        watcher.wait_for("home/ears/availability", "offline")
        told = [json.loads(h.text) for h in watcher.heard if h.text.startswith('{"schema"')]
        kinds = [line["type"] for line in lines]
        assert [message["type"] for message in told] == kinds
        assert [m for m in told if m["type"] != "health"] == [
            line for line in lines if line["type"] != "health"
        ]
        assert watcher.texts("home/ears/state") == ["ended"]
        config = json.loads(watcher.texts("homeassistant/sensor/home_2f_ears/scene/config")[0])
        assert config["options"] == ["bus", "airport", "bar", "unknown", "none"]
        assert config["device"]["model"] == "level"


def test_raw_states_are_the_estimates_own(listen: Callable[..., Any], tmp_path: Path) -> None:
    with Mosquitto(tmp_path) as broker, Watcher(broker.port) as watcher:
        options = ("--mqtt", broker.url, "--mqtt-topic", "ears", "--raw", "--health", "0")
        done = listen("--format", "json", *options)
        last = json.loads(done.stdout.splitlines()[-1])
        watcher.wait_for("ears/availability", "offline")
        assert watcher.texts("ears/scene")[-1] == last["scene"] == "bar"
        assert watcher.texts("ears/confidence")[-1] == f"{100 * last['confidence']:.0f}"
        assert watcher.texts("ears/state") == []
