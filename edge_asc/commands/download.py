"""`edge-asc data download`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from edge_asc.commands.options import PATH, packages
from edge_asc.errors import DataError

if TYPE_CHECKING:
    from edge_asc.training.download import Package

SETS = ("cas2023", "tau2020", "cochlscene")


@click.command()
@click.argument("set_name", metavar="SET", type=click.Choice(SETS))
@click.option("--to", "folder", type=PATH, required=True, metavar="DIR", help="Where it goes.")
@click.option(
    "--part",
    "parts",
    multiple=True,
    metavar="NAME",
    help="Only this part, such as development; may be given more than once.",
)
@click.option(
    "--accept-licence", is_flag=True, help="I have read the licence and accept it: do not ask."
)
@click.option("--extract/--no-extract", default=True, help="Unpack archives (they are kept).")
def download(
    set_name: str, folder: Path, parts: tuple[str, ...], accept_licence: bool, extract: bool
) -> None:
    """Fetch a published data set from its publisher.

    SET is cas2023, tau2020 or cochlscene. The same command goes on with what was interrupted and
    verifies what is there.
    """
    with packages("train"):
        from edge_asc.training import download as publishers

        offered = publishers.find_packages(set_name, parts)
        show(offered)
        if not accept_licence:
            ask()
        for path in publishers.download(offered, folder, extract=extract):
            click.echo(path)


def show(offered: list[Package]) -> None:
    """Print what is about to be downloaded and under which licence."""
    from edge_asc.training.http_download import in_units

    for package in offered:
        click.echo(
            f"{package.part}: {package.title}\n"
            f"  {len(package.files)} files, {in_units(package.size_bytes)}, {package.page}\n"
            f"  licence: {package.licence}",
            err=True,
        )


def ask() -> None:
    """Have the licence accepted by whoever sits there. Raises DataError if it is not."""
    if not sys.stdin.isatty():
        raise DataError(
            "the licence must be accepted before anything is downloaded: read it on the pages"
            " above, then add --accept-licence"
        )
    if not click.confirm("Read the licence on these pages. Do you accept it?", err=True):
        raise DataError("the licence was not accepted; nothing was downloaded")
