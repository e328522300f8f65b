"""Where an MQTT broker is, how it is trusted, and in words why it cannot be reached."""

from __future__ import annotations

import errno
import re
import socket
import ssl
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from edge_asc.errors import OutputError

_EXAMPLE = "write for instance mqtt://broker.local or mqtts://user@broker.local:8883"

_PORTS = {"mqtt": 1883, "mqtts": 8883}

_PASSWORD_ADVICE = (
    "put mqtt_password into the configuration file, or EDGE_ASC_LISTEN_MQTT_PASSWORD into the"
    " environment"
)


@dataclass(frozen=True, slots=True)
class Broker:
    """Where a broker is, and as whom to speak to it."""

    host: str
    port: int
    user: str | None
    tls: bool

    @property
    def url(self) -> str:
        """For people, without the user."""
        scheme = "mqtts" if self.tls else "mqtt"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{scheme}://{host}" + ("" if self.port == _PORTS[scheme] else f":{self.port}")


def parse_url(text: str) -> Broker:
    """Read mqtt://[user@]host[:port] or mqtts://. Raises ValueError, which shows no password."""
    if ":" in text.partition("://")[2].rpartition("@")[0]:
        raise ValueError(
            f"a password in a URL can be read by everybody on this machine: {_PASSWORD_ADVICE}"
        )
    try:
        url = urlsplit(text)
        host = url.hostname or ""
        host.encode("idna")  # as looking it up will do
    except ValueError as error:
        raise ValueError(f"must name a host; {_EXAMPLE}") from error
    try:
        port = url.port
    except ValueError:
        port = 0
    if url.scheme not in _PORTS:
        raise ValueError(f"must begin with mqtt:// or mqtts://; {_EXAMPLE}")
    if not host or re.search(r"[\s%*\\]", host):
        raise ValueError(f"must name a host; {_EXAMPLE}")
    if port == 0:
        raise ValueError(f"what follows the host must be a port from 1 to 65535; {_EXAMPLE}")
    if url.path not in ("", "/") or url.query or url.fragment:
        raise ValueError(
            "must end after host and port: what topics begin with is said by --mqtt-topic;"
            f" {_EXAMPLE}"
        )
    if url.username == "":
        raise ValueError(f"must name a user before @, or leave @ out; {_EXAMPLE}")
    user = None if url.username is None else unquote(url.username)
    return Broker(host, port or _PORTS[url.scheme], user, url.scheme == "mqtts")


def tls_context(ca: Path | None, certificate: Path | None, key: Path | None) -> ssl.SSLContext:
    """TLS that checks the broker's certificate and name; `ca` is the only one trusted, if given.

    Raises OutputError, which names the file at fault.
    """
    try:
        context = ssl.create_default_context(cafile=ca)
    except OSError as error:
        raise OutputError(f"{ca}: no CA certificates in PEM form ({_plain(error)})") from error
    if certificate is not None:
        try:
            # Without a password given here, OpenSSL would ask for one at the terminal.
            context.load_cert_chain(certificate, key, password="")
        except OSError as error:
            raise OutputError(
                f"{certificate} and {key}: not a certificate in PEM form and its key, which must"
                f" have no password ({_plain(error)})"
            ) from error
    return context


def why_unreachable(error: OSError, broker: Broker) -> str:
    """Why no connection could be made, and what to do."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return _why_distrusted(error, broker)
    if isinstance(error, ssl.SSLError) or (broker.tls and isinstance(error, ConnectionResetError)):
        return (
            f"no TLS with {broker.host} at port {broker.port} ({_plain(error)}): mqtts:// is with"
            " TLS, usually at port 8883, mqtt:// without"
        )
    if isinstance(error, ConnectionRefusedError):
        return f"nothing listens at port {broker.port} of {broker.host}: is the broker running?"
    if isinstance(error, socket.gaierror):
        return f"{broker.host} cannot be found: {_plain(error)}"
    if error.errno == errno.EAFNOSUPPORT:
        return "this process may use no network: edge-asc service install --allow-network"
    if isinstance(error, TimeoutError):
        return f"no answer from {broker.host} at port {broker.port}"
    return f"cannot reach {broker.host}: {_plain(error)}"


def why_refused(name: str, broker: Broker, *, has_password: bool) -> str:
    """Why the broker let nobody in, by the name that MQTT 5 has for its answer; what to do."""
    if name in ("Not authorized", "Bad user name or password"):
        if broker.user is None:
            advice = f"it may want a user, mqtt://USER@..., and a password: {_PASSWORD_ADVICE}"
        elif not has_password:
            advice = f"user {broker.user!r} may need a password: {_PASSWORD_ADVICE}"
        else:
            advice = f"user {broker.user!r} or its password is wrong"
    elif name == "Unsupported protocol version":
        advice = "it must speak MQTT 5, as mosquitto does since 1.6"
    else:
        return f"refused by the broker ({name.lower()})"
    return f"refused by the broker ({name.lower()}): {advice}"


def why_lost(name: str, broker: Broker, *, told: bool, let_in: bool) -> str:
    """Why a connection ended, `told` by the broker under the `name` that MQTT 5 has, or not.

    `let_in`: the broker had accepted it.
    """
    if told:
        return f"the broker ended the connection ({name.lower()})"
    if name == "Keep alive timeout":
        return f"no answer from {broker.host} at port {broker.port}"
    if let_in:
        return "the connection broke"
    advice = "a client certificate (--mqtt-cert)" if broker.tls else "TLS (mqtts://)"
    return f"the broker closed the connection without an answer: does it want {advice}?"


def why_forbidden(topic: str, answer: str) -> str:
    """Why something was not published."""
    return f"the broker refused {topic} ({answer}): let this user write there"


def _why_distrusted(error: ssl.SSLCertVerificationError, broker: Broker) -> str:
    message = error.verify_message.rstrip(".")
    if "mismatch" in message.lower():
        advice = "name the broker as its certificate does"
    elif error.verify_code in (9, 10):  # not yet valid, expired
        advice = "renew it, or set this machine's clock"
    else:
        advice = "name the file of the CA that signed it with --mqtt-ca"
    return f"the certificate of {broker.host} is not trusted ({message}): {advice}"


def _plain(error: OSError) -> str:
    """What an error says, without numbers and places in somebody's source."""
    if isinstance(error, ssl.SSLError):
        return re.sub(r"^\[.*\] |\s*\(_ssl\.c:\d+\)$", "", str(error.args[-1]))
    return error.strerror or str(error)
