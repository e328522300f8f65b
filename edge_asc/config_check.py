"""Checks what stands in the configuration file, and makes it ready for click."""

from __future__ import annotations

import copy
import os
from collections.abc import Iterable, Iterator
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import click

from edge_asc.config_file import ConfigFile
from edge_asc.config_keys import (
    HIDDEN,
    NEVER_IN_A_FILE,
    Commands,
    SecretOption,
    example_of,
    file_options,
    is_list,
    key_of,
    one_type,
    to_toml,
    type_name,
    variable,
)
from edge_asc.errors import ConfigError

LISTED = "(`edge-asc config template` lists them all)"

Fault = tuple[tuple[str, ...], str]
"""The names that lead to a section or key, and what is wrong there."""


def check(file: ConfigFile, commands: Commands) -> None:
    """Raise ConfigError, a line for each fault, if anything in the file is wrong."""
    faults = [f"{file.place(*names)}: {text}" for names, text in _Checker(file, commands).faults()]
    if faults:
        raise ConfigError("\n".join(faults))


def check_environment(commands: Commands) -> None:
    """Raise ConfigError if a variable that begins as a command's do is none of them."""
    known = [variable(s, key) for s, command in commands.items() for key in file_options(command)]
    prefixes = tuple(variable(section, "") for section in commands)
    for name in sorted(os.environ):
        if name.startswith(prefixes) and name not in known and os.environ[name]:
            raise ConfigError(f"{name} (environment): no such key{_near(name, known)} {LISTED}")


def values_for(file: ConfigFile, section: str, command: click.Command) -> dict[str, Any]:
    """What the file, which has been checked, says for a command: values by key, for click."""
    options = file_options(command)
    own = file.table.get(section, {})
    return {
        key: _for_click(option, (own if key in own else file.table)[key], file.path.parent)
        for key, option in options.items()
        if key in own or key in file.table
    }


class _Checker:
    """Looks for what is wrong in a file."""

    def __init__(self, file: ConfigFile, commands: Commands) -> None:
        self._file, self._commands = file, commands
        self._options = {name: file_options(command) for name, command in commands.items()}

    def faults(self) -> Iterator[Fault]:
        for name, value in self._file.table.items():
            if name in self._commands and isinstance(value, dict):
                for key, inner in value.items():
                    if text := self._key_fault(key, inner, name):
                        yield (name, key), text
            elif name in self._commands:
                yield (name,), f"{name} must be a section: write [{name}], and its keys below"
            elif text := self._key_fault(name, value, ""):
                yield (name,), text

    def _key_fault(self, key: str, value: Any, section: str) -> str | None:  # noqa: ANN401
        """What is wrong with a key in a section, or in all of them for section ""."""
        concerned = [section] if section else list(self._options)
        having = [name for name in concerned if key in self._options[name]]
        if not having:
            return self._unknown(key, value, section)
        folder = self._file.path.parent
        found = {name: _value_fault(self._options[name][key], value, folder) for name in having}
        for name, fault in found.items():
            if fault is not None:
                suits = [f"[{other}]" for other in found if found[other] is None]
                advice = f" in [{name}]; it suits {' and '.join(suits)}, put it there"
                return f"{key}{_within(section)}: {fault}{advice if suits else ''}"
        return None

    def _unknown(self, key: str, value: Any, section: str) -> str:  # noqa: ANN401
        if never := self._never(key, section):
            return f"{key!r} cannot be in a file: {never}"
        if not section and isinstance(value, (dict, list)):
            sections = ", ".join(f"[{name}]" for name in self._commands)
            return f"unknown section [{key}]{_near(key, self._commands)} (there are {sections})"
        owners = [f"[{name}]" for name, options in self._options.items() if key in options]
        if owners:
            hint = f"; it belongs in {' or '.join(owners)}"
        elif section:
            hint = _near(key, self._options[section])
        else:
            keys = [key for options in self._options.values() for key in options]
            hint = _near(key, [*keys, *self._commands])
        return f"unknown key {key!r}{_within(section)}{hint} {LISTED}"

    def _never(self, key: str, section: str) -> str | None:
        """Why an option or an argument makes no sense in a file."""
        names = [section] if section else list(self._commands)
        params = [param for name in names for param in self._commands[name].params]
        arguments = {param.name for param in params if isinstance(param, click.Argument)}
        if key in arguments:
            return "it is an argument; give it on the command line"
        # Click adds --help by itself.
        if key in NEVER_IN_A_FILE and key in {"help", *map(key_of, params)}:
            return f"{NEVER_IN_A_FILE[key]}; give --{key} on the command line"
        return None


def _within(section: str) -> str:
    return f" in [{section}]" if section else ""


def _value_fault(option: click.Option, value: Any, folder: Path) -> str | None:  # noqa: ANN401
    if not _has_type(option, value):
        example = f"{key_of(option)} = {to_toml(example_of(option))}"
        got = HIDDEN if isinstance(option, SecretOption) else _shown(value)
        return f"must be {type_name(option)}, got {got}; write for instance {example}"
    if value == "" and isinstance(option.type, click.Path):
        return f"must be a path, got {_shown(value)}; leave the key out to have none"
    try:
        for_click = _for_click(option, value, folder)
    except RuntimeError as error:  # of expanduser
        return f"{to_toml(value)} is no path: {error}"
    alone = copy.copy(option)
    # The value of the environment would hide the file's.
    alone.required, alone.envvar = False, None
    command = click.Command("check", params=[alone])
    try:
        command.make_context("check", [], default_map={alone.name: for_click})
    except click.UsageError as error:
        return error.message.rstrip(".")
    return None


def _shown(value: Any) -> str:  # noqa: ANN401
    if isinstance(value, dict):
        return "a table"
    return to_toml(value) if isinstance(value, (str, float, int, list)) else "a date or time"


def _has_type(option: click.Option, value: Any) -> bool:  # noqa: ANN401
    if is_list(option):
        return isinstance(value, list) and all(_is_one(option, item) for item in value)
    return _is_one(option, value)


def _is_one(option: click.Option, value: Any) -> bool:  # noqa: ANN401
    name = one_type(option)
    if name == "true or false" or isinstance(value, bool):
        return name == "true or false" and isinstance(value, bool)
    kinds = {"a whole number": (int,), "a number": (int, float), "text": (str,)}
    return isinstance(value, kinds[name])


def _for_click(option: click.Option, value: Any, folder: Path) -> Any:  # noqa: ANN401
    """`value` as click takes it. A path is relative to `folder`, where the file is."""
    if not isinstance(option.type, click.Path):
        return value
    if isinstance(value, list):
        return [_for_click(option, item, folder) for item in value]
    return str(folder.absolute() / Path(value).expanduser())


def _near(name: str, known: Iterable[str]) -> str:
    near = get_close_matches(name, list(known), n=1)
    return f"; did you mean {near[0]!r}?" if near else ""
