"""URLs of brokers, files of TLS, and the words for what goes wrong."""

from __future__ import annotations

import errno
import re
import socket
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
)

from edge_asc.errors import OutputError
from edge_asc.sinks.mqtt_broker import (
    Broker,
    parse_url,
    tls_context,
    why_lost,
    why_refused,
    why_unreachable,
)
from tests.authority import Authority

BROKER = Broker("broker.local", 1883, None, tls=False)
ENCRYPTED = Broker("broker.local", 8883, "bob", tls=True)


@pytest.mark.parametrize(
    ("url", "broker"),
    [
        ("mqtt://broker.local", BROKER),
        ("MQTT://Broker.local/", BROKER),
        ("mqtts://bob@broker.local", ENCRYPTED),
        ("mqtts://b%40b@10.0.0.7:1", Broker("10.0.0.7", 1, "b@b", tls=True)),
        ("mqtt://bob@[::1]:65535", Broker("::1", 65_535, "bob", tls=False)),
    ],
)
def test_urls(url: str, broker: Broker) -> None:
    assert parse_url(url) == broker


def test_a_url_for_people_has_no_user_and_no_usual_port() -> None:
    urls = ["mqtt://broker.local", "mqtts://broker.local", "mqtt://[::1]:65535"]
    brokers = [BROKER, ENCRYPTED, parse_url("mqtt://bob@[::1]:65535")]
    assert [broker.url for broker in brokers] == urls


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("broker.local", "must begin with mqtt:// or mqtts://"),
        ("http://broker.local", "must begin with mqtt:// or mqtts://"),
        ("", "must begin with mqtt:// or mqtts://"),
        ("mqtt://", "must name a host"),
        ("mqtt://:1883", "must name a host"),
        ("mqtt://bob@", "must name a host"),
        ("mqtt://two words", "must name a host"),
        ("mqtt://[::1", "must name a host"),
        ("mqtt://..", "must name a host"),
        ("mqtt://" + 64 * "a", "must name a host"),
        ("mqtt://broker:0", "must be a port from 1 to 65535"),
        ("mqtt://broker:65536", "must be a port from 1 to 65535"),
        ("mqtt://broker:high", "must be a port from 1 to 65535"),
        ("mqtt://broker/scenes", "must end after host and port.*--mqtt-topic"),
        ("mqtt://broker?qos=1", "must end after host and port"),
        ("mqtt://broker#1", "must end after host and port"),
        ("mqtt://@broker", "must name a user before @"),
    ],
)
def test_wrong_urls_are_refused_with_an_example(url: str, reason: str) -> None:
    with pytest.raises(ValueError, match=f"{reason}.*; write for instance mqtt://broker.local"):
        parse_url(url)


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("mqtt://bob:SECRET@broker", "put mqtt_password into the configuration file"),
        ("mqtts://bob:SECRET@broker:8883", "put mqtt_password into the configuration file"),
        ("mqtt://:SECRET@broker", "put mqtt_password into the configuration file"),
        ("mqtt://bob:SEC/RET@broker", "put mqtt_password into the configuration file"),
        ("mqtt://bob:SEC#RET@broker", "put mqtt_password into the configuration file"),
        ("mqtt://bob:SEC@RET@broker", "put mqtt_password into the configuration file"),
        ("mqtt://bob:SECRET@", "put mqtt_password into the configuration file"),
        ("http://bob:SECRET@broker", "put mqtt_password into the configuration file"),
        ("mqtt://bob:SECRET", "must be a port"),
        ("bob:SECRET@broker", "must begin with"),
    ],
)
def test_a_password_in_a_url_is_refused_and_never_shown(url: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason) as caught:
        parse_url(url)
    assert not re.search("SEC|RET", str(caught.value))


def test_files_of_tls(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    certificate, key = authority.issue("listener")
    context = tls_context(authority.file, certificate, key)
    assert context.check_hostname
    assert len(context.get_ca_certs()) == 1
    with pytest.raises(OutputError, match=r"none\.crt: no CA certificates.*\(No such file"):
        tls_context(tmp_path / "none.crt", None, None)
    with pytest.raises(OutputError, match=r"listener\.key: no CA certificates in PEM form"):
        tls_context(key, None, None)
    with pytest.raises(OutputError, match="not a certificate in PEM form and its key"):
        tls_context(None, certificate, tmp_path / "none.key")
    with pytest.raises(OutputError, match="not a certificate in PEM form and its key"):
        tls_context(None, certificate, authority.issue("another")[1])


def test_nobody_is_asked_for_the_password_of_a_key(tmp_path: Path) -> None:
    certificate, key = Authority(tmp_path).issue("listener")
    locked = BestAvailableEncryption(b"password")
    private = ec.generate_private_key(ec.SECP256R1())
    key.write_bytes(private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, locked))
    with pytest.raises(OutputError, match="must have no password"):
        tls_context(None, certificate, key)


@pytest.mark.parametrize(
    ("error", "broker", "reason"),
    [
        (
            ConnectionRefusedError(),
            BROKER,
            "nothing listens at port 1883 of broker.local: is the broker running?",
        ),
        (
            socket.gaierror(-2, "Name or service not known"),
            BROKER,
            "broker.local cannot be found: Name or service not known",
        ),
        (TimeoutError("timed out"), BROKER, "no answer from broker.local at port 1883"),
        (
            OSError(errno.EHOSTUNREACH, "No route to host"),
            BROKER,
            "cannot reach broker.local: No route to host",
        ),
        (
            OSError(errno.EAFNOSUPPORT, "Address family not supported by protocol"),
            BROKER,
            "this process may use no network: edge-asc service install --allow-network",
        ),
        (
            ConnectionResetError(errno.ECONNRESET, "Connection reset by peer"),
            ENCRYPTED,
            "no TLS with broker.local at port 8883 (Connection reset by peer): mqtts:// is with"
            " TLS, usually at port 8883, mqtt:// without",
        ),
    ],
)
def test_why_it_is_not_reached(error: OSError, broker: Broker, reason: str) -> None:
    assert why_unreachable(error, broker) == reason


def test_answers_that_are_rare_are_told_as_they_are() -> None:
    assert why_refused("Banned", BROKER, has_password=False) == "refused by the broker (banned)"
    assert why_lost("Quota exceeded", BROKER, told=True, let_in=True) == (
        "the broker ended the connection (quota exceeded)"
    )
    assert why_lost("Keep alive timeout", BROKER, told=False, let_in=True) == (
        "no answer from broker.local at port 1883"
    )
