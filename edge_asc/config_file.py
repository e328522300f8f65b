"""The configuration file as text: where it is looked for, its values, and the line of each."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from edge_asc.errors import ConfigError

SYSTEM_FILE = Path("/etc/edge-asc/config.toml")


@dataclass(frozen=True)
class ConfigFile:
    """A TOML file that could be read."""

    path: Path
    text: str
    table: dict[str, Any]

    @cached_property
    def lines(self) -> dict[tuple[str, ...], int]:
        """The line, from 1, where each table and key begins, by the names that lead to it.

        Every statement is parsed by itself, because the TOML parser tells no lines: what does not
        parse yet is a value of several lines, which goes on.
        """
        lines: dict[tuple[str, ...], int] = {}
        section: tuple[str, ...] = ()
        begin, statement = 1, ""
        for number, line in enumerate(self.text.split("\n"), 1):
            statement += line + "\n"
            try:
                table = parse_toml(statement)
            except ValueError:
                continue
            is_header = statement.lstrip().startswith("[")
            paths = [(() if is_header else section) + path for path in _paths(table)]
            for path in paths:
                lines.setdefault(path, begin)
            if is_header:
                section = paths[-1]
            begin, statement = number + 1, ""
        return lines

    def place(self, *names: str) -> str:
        """Where the table or key that `names` lead to is: "config.toml, line 4"."""
        return f"{self.path}, line {self.lines[names]}"


def parse_toml(text: str) -> dict[str, Any]:
    """The values of a TOML text. Raises ValueError."""
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib

    table: dict[str, Any] = tomllib.loads(text)
    return table


def default_places() -> list[Path]:
    """Where a configuration file is looked for if none is named, the first one first."""
    folder = os.environ.get("XDG_CONFIG_HOME", "")
    # The XDG specification wants a relative path to be ignored.
    home = Path(folder if os.path.isabs(folder) else os.path.expanduser("~/.config"))
    # Without a home folder, "~" stays.
    return [*([home / "edge-asc" / "config.toml"] if home.is_absolute() else []), SYSTEM_FILE]


def find_config(named: Path | None) -> ConfigFile | None:
    """The file `named`, or without one the first of `default_places` that is there, else None.

    Raises ConfigError for a named one that is not there, and for any that cannot be read.
    """
    if named is not None:
        try:
            return read_config(named)
        except FileNotFoundError as error:
            raise ConfigError(
                f"{named}: no such configuration file (named by --config or EDGE_ASC_CONFIG);"
                " `edge-asc config template` prints one to begin with"
            ) from error
    for path in default_places():
        try:
            return read_config(path)
        except FileNotFoundError:
            continue
    return None


def read_config(path: Path) -> ConfigFile:
    """Raises FileNotFoundError, or ConfigError for a file that cannot be read or is not TOML."""
    try:
        data = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError) as error:
        raise FileNotFoundError(path) from error
    except OSError as error:
        raise ConfigError(
            f"{path}: the configuration file cannot be read ({error.strerror});"
            " mend that, or name another with --config"
        ) from error
    try:
        text = data.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ConfigError(f"{path}, line {line}: not UTF-8; save the file as UTF-8") from error
    try:
        return ConfigFile(path, text, parse_toml(text))
    except (ValueError, RecursionError) as error:
        raise ConfigError(_syntax_fault(path, text, str(error))) from error


def _syntax_fault(path: Path, text: str, message: str) -> str:
    last_line = text.rstrip("\n").count("\n") + 1
    message = message.replace("at end of document", f"at line {last_line}")
    found = re.search(r" \(at (line \d+(?:, column \d+)?)\)$", message)
    where, what = (f", {found[1]}", message[: found.start()]) if found else ("", message)
    return (
        f"{path}{where}: not TOML: {what[:1].lower()}{what[1:]}; write"
        ' key = value, each key once in a section, text in quotes: device = "USB"'
    )


def _paths(table: dict[str, Any]) -> Iterator[tuple[str, ...]]:
    """The names that lead to each table and value."""
    for name, value in table.items():
        yield (name,)
        if isinstance(value, dict):
            yield from ((name, *path) for path in _paths(value))
