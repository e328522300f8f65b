"""Options of a command from a file and from the environment.

Command line over environment over file over default, by click's own means: the values of the file
become the `default_map` of the command's context, and each option knows its variable.

    @configurable
    @click.command("listen")
    ...
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import click
from click.core import ParameterSource

from edge_asc.config_check import check, check_environment, values_for
from edge_asc.config_file import ConfigFile, default_places, find_config
from edge_asc.config_keys import Commands, SecretOption, file_options, key_of, variable
from edge_asc.errors import ConfigError

CONFIG_VARIABLE = "EDGE_ASC_CONFIG"
STRENGTH = (
    ParameterSource.DEFAULT,
    ParameterSource.DEFAULT_MAP,
    ParameterSource.ENVIRONMENT,
    ParameterSource.COMMANDLINE,
)
"""Where a value may come from, the weakest first."""

CommandT = TypeVar("CommandT", bound=click.Command)


@dataclass(frozen=True)
class Configuration:
    """A file that has been checked, or none, for all the configurable commands."""

    commands: Commands
    named: Path | None
    """What --config or EDGE_ASC_CONFIG says."""

    file: ConfigFile | None

    @property
    def places(self) -> list[Path]:
        """Where a file was looked for."""
        return default_places() if self.named is None else [self.named]

    def defaults(self, section: str) -> FileDefaults:
        """What it says for one command."""
        return FileDefaults(self, section)


class FileDefaults(dict[str, Any]):
    """A `default_map`: values for one command by its parameters' names, which remembers lines."""

    def __init__(self, configuration: Configuration, section: str) -> None:
        super().__init__()
        self.configuration, self.section = configuration, section
        self.lines: dict[str, int] = {}
        """Where each of the values is."""
        command, file = configuration.commands[section], configuration.file
        if file is None:
            return
        for key, value in values_for(file, section, command).items():
            name = file_options(command)[key].name
            self[name] = value
            in_section = key in file.table.get(section, {})
            self.lines[name] = file.lines[(section, key) if in_section else (key,)]


class _ConfigOption(click.Option):
    """Marks a command as configurable; read before all other options."""

    def __init__(self, section: str) -> None:
        super().__init__(
            ["--config"],
            type=click.Path(path_type=Path),
            metavar="FILE",
            envvar=CONFIG_VARIABLE,
            is_eager=True,
            expose_value=False,
            callback=_set_defaults,
            help="TOML file with values for these options (see `config`).",
        )
        self.section = section


def configurable(command: CommandT, section: str = "") -> CommandT:
    """Give a command `--config`, a section in the file, and a variable for each option.

    The section has the command's name unless `section` says another.
    """
    section = section or str(command.name)
    for key, option in file_options(command).items():
        option.envvar = variable(section, key)
    command.params.append(_ConfigOption(section))
    return command


def configurable_commands(root: click.Command) -> dict[str, click.Command]:
    """Every configurable command in a tree of commands, by its section."""
    found = {}
    for command in _walk(root):
        for param in command.params:
            if isinstance(param, _ConfigOption):
                found[param.section] = command
    return found


def read_configuration(root: click.Command, named: Path | None) -> Configuration:
    """Read and check the file for all configurable commands below `root`. Raises ConfigError."""
    commands = configurable_commands(root)
    check_environment(commands)
    file = find_config(named)
    if file is not None:
        check(file, commands)
    return Configuration(commands, named, file)


def config_path(ctx: click.Context) -> Path | None:
    """The file that a running configurable command took values from, None without one."""
    file = _defaults(ctx).configuration.file
    return None if file is None else file.path


def origin(ctx: click.Context, name: str) -> str:
    """Where the value of a parameter came from, as "--source (command line)".

    `name` is click's, the one of the function's argument.
    """
    param = next(param for param in ctx.command.params if param.name == name)
    source = ctx.get_parameter_source(name)
    if source is ParameterSource.DEFAULT_MAP:
        return f"{key_of(param)} ({config_path(ctx)}, line {_defaults(ctx).lines[name]})"
    if source is ParameterSource.ENVIRONMENT:
        return f"{param.envvar} (environment)"
    where = "default" if source is ParameterSource.DEFAULT else "command line"
    return f"{max(param.opts, key=len)} ({where})"


def refuse_together(ctx: click.Context, unfit: str, other: str, reason: str) -> None:
    """Refuse the value of `unfit`, which the one of `other` leaves no room for.

    Call it when both are there; names are those of the function's arguments. Raises
    click.UsageError, which says where each came from. It returns if `unfit` comes from a weaker
    place (file, then environment, then command line): then it is a habit that this call departs
    from, and the command is to do without it. A device in the file does not forbid
    `edge-asc listen --source walk.wav`.
    """
    strengths = [STRENGTH.index(ctx.get_parameter_source(name)) for name in (unfit, other)]
    if strengths[0] >= strengths[1]:
        raise click.UsageError(
            f"{origin(ctx, unfit)} cannot be used with {origin(ctx, other)}: {reason};"
            " leave one of them out",
            ctx,
        )


def reparse(ctx: click.Context) -> click.Context:
    """The same command line with the file as it is now: a context with its own `params`.

    `ctx` is of a running configurable command, and stays as it is. Raises ConfigError, also for
    what click finds wrong, and never exits.
    """
    before = _defaults(ctx)
    configuration = read_configuration(ctx.find_root().command, before.configuration.named)
    defaults = configuration.defaults(before.section)
    after = click.Context(ctx.command, ctx.parent, ctx.info_name, default_map=defaults)
    params = [param for param in ctx.command.params if not isinstance(param, _ConfigOption)]
    typed = [
        param
        for param in params
        if ctx.get_parameter_source(param.name) is ParameterSource.COMMANDLINE
    ]
    try:
        rest = [param for param in params if param not in typed]
        parsed = _parse_nothing(str(ctx.info_name), rest, ctx.parent, defaults)
    except click.UsageError as error:
        raise ConfigError(error.format_message()) from error
    for param in params:
        newest = ctx if param in typed else parsed
        after.params[param.name] = newest.params[param.name]
        if source := newest.get_parameter_source(param.name):
            after.set_parameter_source(param.name, source)
    return after


def settings(configuration: Configuration, section: str, parent: click.Context) -> click.Context:
    """A context of a command as if it were called without arguments: its keys' values, origins."""
    command = configuration.commands[section]
    options = [copy.copy(option) for option in file_options(command).values()]
    for option in options:
        option.required = False
    return _parse_nothing(section, options, parent, configuration.defaults(section))


def name_origin(error: click.BadParameter) -> None:
    """Let the message about a refused value name the variable or line that it came from.

    The option is the error's, or the one that its hint, such as "--source", stands for.
    """
    if error.ctx is None:
        return
    for param in error.ctx.command.params:
        source = error.ctx.get_parameter_source(param.name)
        if source in (ParameterSource.ENVIRONMENT, ParameterSource.DEFAULT_MAP) and (
            param is error.param or error.param_hint in param.opts
        ):
            error.param_hint = origin(error.ctx, param.name)
            return


def _parse_nothing(
    name: str,
    params: Sequence[click.Parameter],
    parent: click.Context | None,
    defaults: FileDefaults,
) -> click.Context:
    """What `params` are without a command line: environment, file and defaults."""
    command = click.Command(name, params=list(params), add_help_option=False)
    return command.make_context(name, [], parent, default_map=defaults)


def _set_defaults(ctx: click.Context, param: click.Parameter, named: Path | None) -> None:
    if isinstance(param, _ConfigOption) and not ctx.resilient_parsing:
        configuration = read_configuration(ctx.find_root().command, named)
        ctx.default_map = defaults = configuration.defaults(param.section)
        if others := _secrets_for_others(ctx.command, defaults):
            click.echo(others, err=True)


def _secrets_for_others(command: click.Command, defaults: FileDefaults) -> str:
    """A warning about secrets in a file that other users may read, "" without any."""
    file = defaults.configuration.file
    secrets = [
        key
        for key, option in file_options(command).items()
        if isinstance(option, SecretOption) and option.name in defaults
    ]
    if file is None or not secrets or not file.path.stat().st_mode & 0o004:
        return ""
    return f"{file.path} holds {' and '.join(secrets)}, and everybody may read it: chmod o-r it"


def _defaults(ctx: click.Context) -> FileDefaults:
    if not isinstance(ctx.default_map, FileDefaults):
        raise TypeError(f"{ctx.command_path} is not a running configurable command")
    return ctx.default_map


def _walk(command: click.Command) -> Iterator[click.Command]:
    yield command
    if isinstance(command, click.Group):
        for inner in command.commands.values():
            yield from _walk(inner)
