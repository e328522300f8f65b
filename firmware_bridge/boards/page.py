"""The table of docs/firmware.md: the shipped model on every board, with both kinds of kernels.

    python -m edge_asc.firmware_bridge.boards.page --data DIR

DIR holds recordings, of which windows are taken. With --print the page stays as it is.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import click

from edge_asc.atomic import atomic_path
from edge_asc.errors import EdgeAscError, FirmwareError
from edge_asc.firmware_bridge.boards.board import BOARDS, HOST, Board
from edge_asc.firmware_bridge.boards.check import BoardReport, check_package
from edge_asc.firmware_bridge.boards.model_vectors import model_vectors
from edge_asc.firmware_bridge.boards.tables import as_markdown
from edge_asc.firmware_bridge.exporter import FrontEnd, Options, export_package
from edge_asc.model_file import ModelFile, default_model_path

PAGE = Path(__file__).resolve().parents[2] / "docs" / "firmware.md"
FRONT_ENDS: tuple[FrontEnd, ...] = ("float", "fixed")
BEGIN, END = "<!-- made by edge_asc.firmware_bridge.boards.page: begin -->", "<!-- end -->"


def reports_of(model: Path, data: Path, windows: int, sounds: int) -> list[BoardReport]:
    """The model as a package, on this computer and on every board. Raises EdgeAscError."""
    with tempfile.TemporaryDirectory(prefix="edge-asc-") as scratch:
        folders = {kind: Path(scratch) / kind for kind in FRONT_ENDS}
        for kind, folder in folders.items():
            export_package(model, folder, Options(front_end=kind))
        vectors = model_vectors(ModelFile.read(model), data, "litert", windows, sounds)
        reports = []
        for board, kernels, kind in _runs():
            name = board if isinstance(board, str) else board.core
            click.echo(f"{name}, {kernels} kernels, front end {kind}", err=True)
            reports += check_package(folders[kind], [board], kernels, vectors)
    return reports


def _runs() -> list[tuple[Board | str, str, FrontEnd]]:
    """Each board with each kind of kernels, and integers for the front end where they pay."""
    runs: list[tuple[Board | str, str, FrontEnd]] = [
        (HOST, "portable", kind) for kind in FRONT_ENDS
    ]
    for board in BOARDS:
        runs.append((board, "portable", "float"))
        if not board.has_fpu:
            runs.append((board, "portable", "fixed"))
        if board.has_dsp:
            runs.append((board, "dsp", "float"))
    return runs


def write_page(table: str, page: Path) -> None:
    """Put `table` between the page's marks. Raises FirmwareError when it has none."""
    text = page.read_text(encoding="utf-8") if page.exists() else ""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise FirmwareError(f"{page} needs the lines {BEGIN!r} and {END!r}, around the table")
    with atomic_path(page) as temporary:
        temporary.write_text(f"{before}{BEGIN}\n\n{table}\n\n{END}{after}", encoding="utf-8")


@click.command(help=__doc__)
@click.option("--data", type=click.Path(exists=True, path_type=Path), required=True)
@click.option("--windows", type=click.IntRange(min=1), default=20, show_default=True)
@click.option("--sounds", type=click.IntRange(min=1), default=40, show_default=True)
@click.option("--print", "only_print", is_flag=True)
def main(data: Path, windows: int, sounds: int, only_print: bool) -> None:
    """Measure, print, and write the page unless something came out wrong."""
    try:
        reports = reports_of(default_model_path(), data, windows, sounds)
        table = as_markdown(reports)
        click.echo(table)
        if failures := [report.failure for report in reports if report.failure]:
            raise FirmwareError("; ".join(failures))
        if not only_print:
            write_page(table, PAGE)
    except EdgeAscError as error:
        raise click.ClickException(str(error)) from error


if __name__ == "__main__":
    main()
