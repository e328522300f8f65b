"""`edge-asc firmware check`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from edge_asc.commands.options import PATH
from edge_asc.errors import FirmwareError

if TYPE_CHECKING:
    from edge_asc.firmware_bridge.boards.board import Board

_KIB = 1024


@click.command("check")
@click.argument("folder", type=PATH, metavar="DIR")
@click.option(
    "--cpu",
    "cpus",
    multiple=True,
    metavar="NAME",
    help="m3, m4, m7, m55, or host (this computer, with sanitizers); may be given several times."
    "  [default: every board that can run the kernels]",
)
@click.option(
    "--kernels",
    type=click.Choice(["portable", "dsp"]),
    help="dsp needs the DSP instructions of M4, M7 and M55.  [default: as it was exported]",
)
@click.option(
    "--vectors",
    "vectors_path",
    type=PATH,
    metavar="FILE",
    help="Windows with known answers (.npz) to run besides the self-test.",
)
@click.option("--flash-kb", type=click.IntRange(min=1), help="Flash of your part, in KiB.")
@click.option("--ram-kb", type=click.IntRange(min=1), help="RAM of your part, in KiB.")
@click.option(
    "--limit",
    "limit_s",
    type=click.IntRange(min=1),
    default=300,
    show_default=True,
    metavar="SECONDS",
    help="Stop a board that runs for longer.",
)
@click.option(
    "--keep", is_flag=True, help="Write flash, RAM, stack and instructions into DIR/manifest.json."
)
@click.option(
    "--format",
    "output_format",
    type=click.Choice(["text", "markdown", "json"]),
    default="text",
    show_default=True,
    help="Form of the table.",
)
def check(
    folder: Path,
    cpus: tuple[str, ...],
    kernels: str | None,
    vectors_path: Path | None,
    flash_kb: int | None,
    ram_kb: int | None,
    limit_s: int,
    keep: bool,
    output_format: str,
) -> None:
    """Build the package in DIR for microcontrollers, run it on emulated ones, and measure it.

    The package's self-test must give every byte that it should. Flash, RAM, stack and instructions
    are counted; instructions are not cycles. Needs Debian's packages gcc-arm-none-eabi,
    libnewlib-arm-none-eabi and qemu-system-arm.

    \b
    edge-asc firmware check DIR --cpu m4
    edge-asc firmware check DIR --kernels dsp --keep
    """  # noqa: D301 (click wants the backspace character)
    from edge_asc.firmware_bridge.boards import check as checking
    from edge_asc.firmware_bridge.boards import tables
    from edge_asc.firmware_bridge.boards.package import Package
    from edge_asc.firmware_bridge.boards.vectors import Vectors

    package = Package.read(folder)
    kernels = kernels or package.kernels
    boards = _boards(cpus, kernels, flash_kb, ram_kb)
    vectors = None if vectors_path is None else Vectors.read(vectors_path)
    reports = []
    for board in boards:
        name = board if isinstance(board, str) else f"{board.core} ({board.machine})"
        click.echo(f"checking on {name}", err=True)
        if package.front_end == "float" and not isinstance(board, str) and not board.has_fpu:
            click.echo(
                f"{board.core} has no floating point unit: a front end in integers is many times"
                " as fast there (export with --front-end fixed)",
                err=True,
            )
        reports += checking.check_package(folder, [board], kernels, vectors, float(limit_s))
    write = {"text": tables.as_text, "markdown": tables.as_markdown, "json": tables.as_json}
    click.echo(write[output_format](reports))
    if failures := [report.failure for report in reports if report.failure]:
        raise FirmwareError("; ".join(failures))
    if keep:
        package.keep(tables.measured(reports))


def _boards(
    cpus: tuple[str, ...], kernels: str, flash_kb: int | None, ram_kb: int | None
) -> list[Board | str]:
    from edge_asc.firmware_bridge.boards.board import BOARDS, HOST, board_named

    every = [board for board in BOARDS if board.has_dsp or kernels == "portable"]
    named = [cpu if cpu == HOST else board_named(cpu) for cpu in cpus] or [*every]
    if flash_kb is None and ram_kb is None:
        return [*named]
    sizes = [None if kb is None else kb * _KIB for kb in (flash_kb, ram_kb)]
    return [one if isinstance(one, str) else one.with_part(*sizes) for one in named]
