"""Files that `listen` adds to, and the command it runs when the scene changes."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edge_asc.commands.options import PATH, Command

if TYPE_CHECKING:
    from edge_asc.commands.output_options import Listening
    from edge_asc.manifest import Manifest
    from edge_asc.outputs import Output
    from edge_asc.sinks.log_file import LogFile

MAX_TIMEOUT_S = 300.0
"""Other changes of scene wait meanwhile, in a queue that holds a thousand."""

_SUFFIXES = (".jsonl", ".csv")


def file_options(command: Command) -> Command:
    """`--log`, `--on-change` and its time limit."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


_OPTIONS = (
    click.option(
        "--log",
        "logs",
        type=PATH,
        multiple=True,
        metavar="FILE",
        help="Add what is heard to a file, JSON lines (.jsonl) or CSV (.csv); may be given more"
        " than once.",
    ),
    click.option(
        "--on-change",
        metavar="COMMAND",
        help="Run this when the scene changes, with the new scene and the one before as its last"
        " arguments.",
    ),
    click.option(
        "--on-change-timeout",
        "on_change_timeout_s",
        type=click.FloatRange(0, MAX_TIMEOUT_S, min_open=True),
        default=10.0,
        show_default=True,
        metavar="SECONDS",
        help="End that command, and what it started, after so long.",
    ),
)


def open_files(options: dict[str, Any], listening: Listening) -> list[Output]:
    """The files of --log and the command of --on-change. Raises OutputError."""
    from edge_asc.child_process import split_command
    from edge_asc.sinks.on_change import OnChange

    outputs: list[Output] = [*_logs(options, listening.manifest)]
    if options["on_change"] is not None:
        words = split_command(options["on_change"])
        outputs.append(OnChange(words, options["on_change_timeout_s"], secret_variables()))
    return outputs


def check_logs(options: dict[str, Any], manifest: Manifest) -> None:
    """Raise OutputError for a file that cannot be added to, as with other columns."""
    for log in _logs(options, manifest):
        log.close()


def check_files(ctx: click.Context, options: dict[str, Any]) -> None:
    """A file that cannot be, or a program that is not there, is wrong usage."""
    from edge_asc.child_process import split_command

    try:
        _check_logs_apart(options["logs"])
    except ValueError as error:
        raise click.BadParameter(str(error), ctx, param_hint="--log") from error
    if options["on_change"] is None:
        return
    try:
        if not split_command(options["on_change"]):
            raise ValueError("must be a command, got nothing")
    except ValueError as error:
        raise click.BadParameter(
            f"{error}; for instance --on-change /usr/local/bin/scene-changed; for pipes and"
            " variables of a shell: sh -c '...'",
            ctx,
            param_hint="--on-change",
        ) from error


def secret_variables() -> set[str]:
    """The variables of the environment that hold secrets of this program."""
    from edge_asc.config import configurable_commands
    from edge_asc.config_keys import SecretOption

    commands = configurable_commands(click.get_current_context().find_root().command)
    params = [param for command in commands.values() for param in command.params]
    return {str(param.envvar) for param in params if isinstance(param, SecretOption)}


def _logs(options: dict[str, Any], manifest: Manifest) -> Iterator[LogFile]:
    from edge_asc.sinks.csv_lines import stream_form
    from edge_asc.sinks.log_file import JsonForm, LogFile

    for path in options["logs"]:
        is_csv = path.suffix.lower() == ".csv"
        yield LogFile(path, stream_form(manifest.scenes) if is_csv else JsonForm())


def _check_logs_apart(paths: tuple[Path, ...]) -> None:
    """Raise ValueError for a name that cannot be a log's, or a file that something else writes."""
    seen: dict[object, str] = {}
    stdout = _stdout_file()
    if stdout is not None:
        seen[stdout] = "standard output goes to it, too"
    for path in paths:
        if path.suffix.lower() not in _SUFFIXES:
            raise ValueError(
                f"{path} must end in .jsonl for JSON lines or in .csv for CSV: the name says what"
                " is written"
            )
        if not path.parent.is_dir():
            raise ValueError(f"{path}: there is no folder {path.parent}; make it first")
        if path.exists() and not path.is_file():
            raise ValueError(f"{path} is there, but is no ordinary file; name another")
        for key in _identities(path):
            if key in seen:
                raise ValueError(f"{path}: {seen[key]}; name another file")
        seen |= dict.fromkeys(_identities(path), "it is given twice")


def _identities(path: Path) -> list[object]:
    """What two names of one file have in common, whether it is there already or not."""
    found: list[object] = [path.resolve()]
    if path.exists():
        status = path.stat()
        found.append((status.st_dev, status.st_ino))
    return found


def _stdout_file() -> tuple[int, int] | None:
    """Device and inode of the file that standard output goes to; None if it has none."""
    try:
        status = os.fstat(sys.stdout.fileno())
    except OSError:  # not of the operating system: a test's
        return None
    return status.st_dev, status.st_ino
