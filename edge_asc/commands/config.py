"""`edge-asc config`: what is set, where it came from, and a file to begin with."""

from __future__ import annotations

import json
import textwrap
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from edge_asc.commands.options import PATH, format_option
from edge_asc.config import (
    CONFIG_VARIABLE,
    Configuration,
    configurable_commands,
    read_configuration,
    settings,
)
from edge_asc.config_keys import (
    HIDDEN,
    Commands,
    SecretOption,
    allowed,
    default_of,
    example_of,
    file_options,
    to_toml,
    variable,
)

HEAD = """\
# Configuration of edge-asc; docs/configuration.md explains it.
#
# A key above all sections holds for every command that has such an option; a section is for one
# command, and wins. Each key shows its default, or else an example. Take away the # to set it.
"""

Values = dict[str, dict[str, Any]]
"""By key: the value, "from" default, environment or file, and the line or variable there."""


@click.group("config")
def config() -> None:
    """Show the configuration, or print a file to begin with."""


@config.command("show")
@click.option(
    "--config",
    "named",
    type=PATH,
    metavar="FILE",
    envvar=CONFIG_VARIABLE,
    help="The configuration file, as for the other commands.",
)
@format_option
@click.pass_context
def show_config(ctx: click.Context, named: Path | None, output_format: str) -> None:
    """Print every key, its value, and where that came from."""
    configuration = read_configuration(ctx.find_root().command, named)
    values = {
        section: _values(configuration, section, ctx.find_root())
        for section in configuration.commands
    }
    if output_format == "json":
        click.echo(json.dumps(_to_json(configuration, values), indent=2, default=str))
    else:
        click.echo(_to_text(configuration, values), nl=False)


@config.command("template")
@click.pass_context
def print_template(ctx: click.Context) -> None:
    """Print a file with every key, commented out."""
    click.echo(template(configurable_commands(ctx.find_root().command)), nl=False)


def template(commands: Commands) -> str:
    """A TOML file with all keys of `commands`, commented out, with their help."""
    options = {section: file_options(command) for section, command in commands.items()}
    keys = [key for of_section in options.values() for key in of_section]
    shared = {
        key: option
        for of_section in reversed(options.values())
        for key, option in of_section.items()
        if keys.count(key) > 1
    }
    sections = [f"\n[{section}]\n{_entries(options[section])}" for section in options]
    return HEAD + _entries(shared) + "".join(sections)


def _entries(options: dict[str, click.Option]) -> str:
    """Each key with its help, ready to be uncommented."""
    text = ""
    for key, option in options.items():
        unset = "; not set by default" if default_of(option) is None else ""
        meaning = f"{option.help or ''} ({allowed(option)}{unset})".strip()
        lines = textwrap.wrap(meaning, 96, initial_indent="# ", subsequent_indent="# ")
        text += "\n".join(["", *lines, f"#{key} = {to_toml(example_of(option))}", ""])
    return text


def _values(configuration: Configuration, section: str, root: click.Context) -> Values:
    ctx = settings(configuration, section, root)
    lines = configuration.defaults(section).lines
    values: Values = {}
    for key, option in file_options(ctx.command).items():
        source = ctx.get_parameter_source(option.name)
        value = ctx.params[option.name]
        if value is not None and isinstance(option, SecretOption):
            value = HIDDEN
        values[key] = {"value": value, "from": "default"}
        if source is ParameterSource.ENVIRONMENT:
            values[key] |= {"from": "environment", "variable": variable(section, key)}
        elif source is ParameterSource.DEFAULT_MAP:
            values[key] |= {"from": "file", "line": lines[option.name]}
    return values


def _to_json(configuration: Configuration, values: dict[str, Values]) -> dict[str, Any]:
    return {
        "file": str(configuration.file.path) if configuration.file else None,
        "looked_for": [str(path) for path in configuration.places],
        "commands": values,
    }


def _to_text(configuration: Configuration, values: dict[str, Values]) -> str:
    """As a TOML file would say it, each line followed by where it came from."""
    if configuration.file is None:
        text = "# no configuration file; looked for\n"
        text += "".join(f"#   {path}\n" for path in configuration.places)
    else:
        text = f"# file: {configuration.file.path}\n"
    for section, of_section in values.items():
        text += f"\n[{section}]\n"
        for key, facts in of_section.items():
            is_set = facts["value"] is not None
            entry = f"{key} = {to_toml(facts['value'])}" if is_set else f"#{key}"
            text += f"{entry:<39} # {_origin(facts) if is_set else 'not set'}\n"
    return text


def _origin(facts: dict[str, Any]) -> str:
    if facts["from"] == "file":
        return f"line {facts['line']}"
    return str(facts.get("variable", "default"))
