"""The keys of a configuration file, read off the options of the commands."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import click
from click.core import ParameterSource

NEVER_IN_A_FILE = {
    "config": "it names the file itself",
    "help": "it asks for help",
    "time": "it belongs to one recording",
    "seconds": "it is the length of one run",
    "minutes": "it is the length of one run",
    "group": "it is the visit that one run belongs to, and joined ones would leak",
}
"""Keys that would be an option's, but make no sense in a file, and why."""

EXAMPLES = {
    "city": "Beijing",
    "device": "USB",
    "history": "history.sqlite",
    "log": "scenes.jsonl",
    "metrics": "9109",
    "model": "model.tflite",
    "mqtt": "mqtts://user@broker.local",
    "mqtt_ca": "ca.crt",
    "mqtt_cert": "listener.crt",
    "mqtt_key": "listener.key",
    "mqtt_topic": "edge-asc/kitchen",
    "on_change": "/usr/local/bin/scene-changed",
    "out": "recordings",
    "scene": "bus",
    "trust": "key.pub",
    "web": "8080",
    "web_token": "at least 16 characters",
}
"""A value for keys that have no default."""

HIDDEN = "***"
"""What is shown instead of a secret."""


class SecretOption(click.Option):
    """A password: taken from the file and the environment, refused on the command line.

    Everybody on a machine can list the command lines of its processes. It has a long option's name
    so that file and environment know it; help does not show it, and `config show` hides its value.
    """

    def __init__(self, declarations: Sequence[str], *, help: str) -> None:
        super().__init__(declarations, hidden=True, help=help)

    def consume_value(
        self, ctx: click.Context, opts: Mapping[str, click.Parameter]
    ) -> tuple[Any, ParameterSource]:
        value, source = super().consume_value(ctx, opts)
        if source is ParameterSource.COMMANDLINE:
            raise click.UsageError(
                f"a secret on the command line can be read by everybody on this machine: put"
                f" {key_of(self)} into the configuration file, or {self.envvar} into the"
                " environment",
                ctx,
            )
        return value, source


Commands = Mapping[str, click.Command]
"""The configurable commands by their sections."""


def key_of(option: click.Parameter) -> str:
    """What a parameter would be called in a file: its long option's name with `_` for `-`."""
    return max(option.opts, key=len).lstrip("-").replace("-", "_")


def file_options(command: click.Command) -> dict[str, click.Option]:
    """The options of a command that may stand in a file, by their keys."""
    options = [param for param in command.params if isinstance(param, click.Option)]
    return {key_of(o): o for o in options if key_of(o) not in NEVER_IN_A_FILE}


def variable(section: str, key: str) -> str:
    """The environment variable of a key."""
    return f"EDGE_ASC_{section}_{key}".upper().replace("-", "_")


def one_type(option: click.Option) -> str:
    """The TOML type of one of an option's values, as people call it."""
    if option.is_flag or isinstance(option.type, click.types.BoolParamType):
        return "true or false"
    if isinstance(option.type, click.types.IntParamType):
        return "a whole number"
    return "a number" if isinstance(option.type, click.types.FloatParamType) else "text"


def type_name(option: click.Option) -> str:
    """The TOML type of an option's value, as people call it."""
    return f"a list, each {one_type(option)}" if is_list(option) else one_type(option)


def allowed(option: click.Option) -> str:
    """Type and what else is known of the values: "a whole number from 1 to 64"."""
    kind = option.type
    if isinstance(kind, click.Choice):
        return f"{type_name(option)}: {', '.join(to_toml(choice) for choice in kind.choices)}"
    if isinstance(kind, click.Path):
        return f"{type_name(option)}: a path"
    if not isinstance(kind, (click.IntRange, click.FloatRange)):
        return type_name(option)
    low = "" if kind.min is None else f" {'above' if kind.min_open else 'from'} {kind.min}"
    high = "" if kind.max is None else f" {'below' if kind.max_open else 'to'} {kind.max}"
    return type_name(option) + low + high


def default_of(option: click.Option) -> Any:  # noqa: ANN401
    """The value that an option has by itself, None without one."""
    default = option.to_info_dict()["default"]
    return bool(default) if option.is_flag else default


def example_of(option: click.Option) -> Any:  # noqa: ANN401
    """A value that may stand in a file: the default, or one of the right type."""
    default = default_of(option)
    if default is not None:
        return default
    if isinstance(option.type, (click.IntRange, click.FloatRange)):
        low = option.type.min or 0
        one: Any = low + 1 if option.type.min_open else low
    elif isinstance(option.type, click.Choice):
        one = option.type.choices[0]
    else:
        of_type = {"true or false": True, "a whole number": 1, "a number": 1.0}
        one = of_type.get(one_type(option)) or EXAMPLES.get(key_of(option), "...")
    return [one] * max(1, option.nargs) if is_list(option) else one


def to_toml(value: Any) -> str:  # noqa: ANN401
    """A value as TOML writes it, a path as text."""
    return json.dumps(value, default=str, ensure_ascii=False)


def is_list(option: click.Option) -> bool:
    """Whether an option takes several values."""
    return option.multiple or option.nargs != 1
