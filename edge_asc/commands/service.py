"""`edge-asc service`: listening as a systemd service."""

from __future__ import annotations

import json
import os
import sys
from functools import partial
from pathlib import Path

import click

from edge_asc.commands.options import PATH, format_option

user_option = click.option(
    "--user", "user_manager", is_flag=True, help="A service of your own session, for PipeWire."
)
root_option = click.option(
    "--root",
    type=PATH,
    metavar="DIR",
    help="Change the tree of an image instead of this system; nothing is started.",
)


@click.group("service")
def service() -> None:
    """Listen as a systemd service: install, status, uninstall."""


@service.command("install")
@click.option(
    "--config",
    type=PATH,
    metavar="FILE",
    help="Configuration file of `listen`; it stays where it is.",
)
@user_option
@click.option(
    "--run-as", metavar="USER", help="Run as this user; else as one that exists only meanwhile."
)
@click.option(
    "--allow-network", is_flag=True, help="Let it use the network, for sources that fetch sound."
)
@root_option
@click.option(
    "--python",
    type=PATH,
    metavar="FILE",
    help="The interpreter that runs it, as the service will see it; else the one that runs this.",
)
@click.option("--print", "print_only", is_flag=True, help="Show the unit; change nothing.")
@click.option("--no-start", is_flag=True, help="Have it started at boot, but not now.")
@click.pass_context
def install_service(
    ctx: click.Context,
    config: Path | None,
    user_manager: bool,
    run_as: str | None,
    allow_network: bool,
    root: Path | None,
    python: Path | None,
    print_only: bool,
    no_start: bool,
) -> None:
    """Install or update the service: a hardened systemd unit that listens.

    It is started at boot and again whenever it ends, runs as a user of its own that sees sound
    cards and no network, and logs to the journal. Installing again updates it.

    \b
    sudo /opt/edge-asc/bin/edge-asc service install --config /etc/edge-asc.toml
    edge-asc service install --user
    edge-asc service install --root /mnt/image --python /opt/edge-asc/bin/python
    """  # noqa: D301 (click wants the backspace character)
    from edge_asc.config import read_configuration
    from edge_asc.errors import EdgeAscError
    from edge_asc.service import Place, check_readable, config_in_use, install
    from edge_asc.service_unit import Unit

    _check_combination(user_manager, run_as, root)
    say = partial(click.echo, err=True)
    unit = Unit(
        Path(os.path.abspath(python or sys.executable)),
        Path(os.path.abspath(config)) if config else None,
        user_manager,
        run_as,
        allow_network,
    )
    place = Place(user_manager, root)

    def check_config() -> None:
        if file := config_in_use(unit, place):
            read_configuration(ctx.find_root().command, place.here(file))

    if not print_only:
        check_config()
        install(unit, place, start=not no_start, say=say)
        return
    click.echo(unit.text(), nl=False)
    try:
        check_config()
        check_readable(unit, place)
    except EdgeAscError as error:
        say(f"it would not be installed like this: {error}")


@service.command("uninstall")
@user_option
@root_option
def uninstall_service(user_manager: bool, root: Path | None) -> None:
    """Stop the service and remove what `install` wrote.

    Configuration and models stay; it says where they are.
    """
    from edge_asc.service import Place, uninstall

    _check_combination(user_manager, None, root)
    uninstall(Place(user_manager, root), partial(click.echo, err=True))


@service.command("status")
@user_option
@format_option
@click.pass_context
def show_status(ctx: click.Context, user_manager: bool, output_format: str) -> None:
    """Tell whether the service runs, since when, and what it says.

    Exit code 0: it runs; 3: it does not; 4: it is not installed.
    """
    from datetime import datetime

    from edge_asc.service import Place
    from edge_asc.service_status import service_status

    status = service_status(Place(user_manager))
    if output_format == "json":
        click.echo(json.dumps(status.to_json(), indent=1))
    else:
        click.echo(status.to_text(datetime.now().astimezone()))
    ctx.exit(status.exit_code)


def _check_combination(user_manager: bool, run_as: str | None, root: Path | None) -> None:
    """What cannot be meant together is wrong usage."""
    if user_manager and run_as is not None:
        raise click.UsageError("--user is a service of your own user: leave out --run-as")
    if user_manager and root is not None:
        raise click.UsageError("--root is for the system's service: leave out --user")
    if root is not None and not root.is_absolute():
        raise click.BadParameter(f"must be an absolute path, got {root}", param_hint="--root")
