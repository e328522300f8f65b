"""`--mqtt` of `listen`: which broker, under which topics, and how it is trusted."""

from __future__ import annotations

import re
import socket
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from edge_asc.commands.options import PATH, Command, packages
from edge_asc.config import refuse_together
from edge_asc.config_keys import SecretOption

if TYPE_CHECKING:
    import ssl

    from edge_asc.commands.output_options import Listening
    from edge_asc.outputs import Output

_TLS_FILES = ("mqtt_ca", "mqtt_cert", "mqtt_key")

_MAX_TOPIC_CHARACTERS = 200
"""No broker's limit, but nobody can have meant more."""


def mqtt_options(command: Command) -> Command:
    """The broker, topics, Home Assistant's discovery, TLS and the password."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def parse_broker(ctx: click.Context, param: click.Parameter, value: str | None) -> str | None:
    """mqtt://[user@]host[:port] or mqtts://, for click."""
    from edge_asc.sinks.mqtt_broker import parse_url

    try:
        if value is not None:
            parse_url(value)
    except ValueError as error:
        raise click.BadParameter(str(error), ctx, param) from error
    return value


def parse_topic(ctx: click.Context, param: click.Parameter, value: str | None) -> str | None:
    """What topics begin with, for click: nothing that MQTT refuses or takes for something else."""
    wrong = None if value is None else _topic_fault(value)
    if wrong is not None:
        raise click.BadParameter(
            f"{wrong}, got {value!r}; write for instance edge-asc/kitchen", ctx, param
        )
    return value


def _topic_fault(topic: str) -> str | None:
    if not topic or topic.startswith("/") or topic.endswith("/"):
        return "must neither be empty nor begin or end with a slash"
    if topic.startswith("$"):
        return "must not begin with $, as the broker's own topics do"
    if re.search(r"[+#]", topic) or not topic.isprintable():
        return "must have no wildcard (+, #) and no control character in it"
    if len(topic) > _MAX_TOPIC_CHARACTERS:
        return f"must have at most {_MAX_TOPIC_CHARACTERS} characters"
    return None


_OPTIONS = (
    click.option(
        "--mqtt",
        callback=parse_broker,
        metavar="URL",
        help="Publish to an MQTT broker: mqtt://[USER@]HOST[:PORT], with TLS mqtts://.",
    ),
    click.option(
        "--mqtt-topic",
        callback=parse_topic,
        metavar="TOPIC",
        help="What topics begin with; without it, edge-asc/ and the name of this machine.",
    ),
    click.option(
        "--mqtt-discovery", is_flag=True, help="Let Home Assistant find the sensors by itself."
    ),
    click.option(
        "--mqtt-discovery-prefix",
        callback=parse_topic,
        default="homeassistant",
        show_default=True,
        metavar="TOPIC",
        help="Where Home Assistant looks for them.",
    ),
    click.option(
        "--mqtt-ca",
        type=PATH,
        metavar="FILE",
        help="Trust this CA (PEM) and no other; without it, those that the system trusts.",
    ),
    click.option(
        "--mqtt-cert", type=PATH, metavar="FILE", help="Certificate of this client (PEM)."
    ),
    click.option("--mqtt-key", type=PATH, metavar="FILE", help="Its key (PEM, without password)."),
    click.option("--mqtt-password", cls=SecretOption, help="Password of the user in --mqtt."),
)


def check_mqtt(ctx: click.Context, options: dict[str, Any]) -> None:
    """What does not fit together, and files that are missing or wrong, are wrong usage."""
    from edge_asc.errors import OutputError
    from edge_asc.sinks.mqtt_broker import parse_url

    if options["mqtt"] is None:
        _refuse_alone(ctx)
        return
    broker = parse_url(options["mqtt"])
    if broker.user is None and options["mqtt_password"] is not None:
        refuse_together(ctx, "mqtt_password", "mqtt", "a password is of a user, mqtt://USER@HOST")
    if not broker.tls:
        for name in _TLS_FILES:
            if options[name] is not None:
                refuse_together(ctx, name, "mqtt", "it is for TLS, mqtts://")
        return
    if (options["mqtt_cert"] is None) != (options["mqtt_key"] is None):
        raise click.UsageError("--mqtt-cert and --mqtt-key belong together: give both", ctx)
    try:
        _tls_context(options)
    except OutputError as error:
        raise click.UsageError(str(error), ctx) from error


def open_mqtt(options: dict[str, Any], listening: Listening) -> list[Output]:
    """The output that --mqtt asks for, if it does. Raises EdgeAscError."""
    if options["mqtt"] is None:
        return []
    from edge_asc.sinks.home_assistant import birth_topic, discovery_messages
    from edge_asc.sinks.mqtt_broker import parse_url

    with packages("mqtt"):
        from edge_asc.sinks.mqtt import MqttOutput

    broker = parse_url(options["mqtt"])
    topic = options["mqtt_topic"] or default_topic()
    announcements, announce_again = {}, None
    if options["mqtt_discovery"]:
        manifest, prefix = listening.manifest, options["mqtt_discovery_prefix"]
        announcements = discovery_messages(topic, manifest.scenes, manifest.name, prefix)
        announce_again = birth_topic(prefix)

    def newer_waits() -> bool:
        return any(
            state.queued > 1 for state in listening.vitals.outputs() if state.name == output.name
        )

    output = MqttOutput(
        broker,
        topic,
        say=listening.say,
        password=options["mqtt_password"] if broker.user is not None else None,
        tls=_tls_context(options) if broker.tls else None,
        announcements=announcements,
        announce_again=announce_again,
        newer_waits=newer_waits,
    )
    return [output]


def default_topic() -> str:
    """edge-asc/ and the first part of this machine's name, in letters that no broker minds."""
    name = socket.gethostname().partition(".")[0]
    return "edge-asc/" + re.sub(r"[^A-Za-z0-9_-]", "-", name)


def _tls_context(options: dict[str, Any]) -> ssl.SSLContext:
    from edge_asc.sinks.mqtt_broker import tls_context

    return tls_context(*(options[name] for name in _TLS_FILES))


def _refuse_alone(ctx: click.Context) -> None:
    """Without --mqtt, the others would do nothing; in a file they may stand all the same."""
    for param in ctx.command.params:
        name = str(param.name)
        source = ctx.get_parameter_source(name)
        if name.startswith("mqtt_") and source is ParameterSource.COMMANDLINE:
            raise click.UsageError(f"{param.opts[0]} needs --mqtt URL, which is not given", ctx)
