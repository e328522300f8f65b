"""`edge-asc bench compare`, `report` and `publish`: what was measured, compared, shown, shared."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from edge_asc.commands.options import PATH, packages

if TYPE_CHECKING:
    from edge_asc.benchmarks.bench.result import Result

_NUMBER = click.FloatRange(min=1.0, min_open=True)


@click.command("compare")
@click.argument("a", type=PATH, metavar="A.json")
@click.argument("b", type=PATH, metavar="B.json")
@click.option(
    "--format",
    "output_format",
    type=click.Choice(["text", "markdown", "json"]),
    default="text",
    show_default=True,
    help="Form of the results.",
)
@click.option(
    "--smallest",
    type=_NUMBER,
    default=1.05,
    show_default=True,
    help="The smallest ratio worth telling.",
)
@click.option(
    "--fail-above",
    type=click.FloatRange(min=0.0, min_open=True),
    metavar="RATIO",
    help="Exit code 1 if a stage's median is surely more than RATIO times slower in B.",
)
@click.option("--seed", type=click.IntRange(min=0), default=1, show_default=True)
@click.option("--anyway", is_flag=True, help="Compare what was not the same work, too.")
@click.pass_context
def compare_results(
    ctx: click.Context,
    /,
    a: Path,
    b: Path,
    output_format: str,
    smallest: float,
    fail_above: float | None,
    seed: int,
    anyway: bool,
) -> None:
    """Tell what became slower or faster from A to B, stage by stage, and how sure that is.

    Ratios above 1: B is slower. docs/bench-compare.md says how to read them.

    \b
    edge-asc bench compare before.json after.json
    edge-asc bench compare before.json after.json --fail-above 1.1
    """  # noqa: D301 (click wants the backspace character)
    from edge_asc.benchmarks.bench.compare import compare
    from edge_asc.benchmarks.bench.markdown import comparison_markdown, comparison_text

    found = compare(_read(a), _read(b), smallest=smallest, seed=seed, anyway=anyway)
    if output_format == "json":
        click.echo(json.dumps(found.to_dict(), indent=1, allow_nan=False))
    else:
        click.echo({"text": comparison_text, "markdown": comparison_markdown}[output_format](found))
    if fail_above is not None and (slower := found.above(fail_above)):
        names = "; ".join(row.name for row in slower)
        click.echo(f"surely more than {fail_above:g} times slower: {names}", err=True)
        ctx.exit(1)


@click.command("report")
@click.argument("files", type=PATH, nargs=-1, required=True, metavar="A.json [B.json]...")
@click.option(
    "--format",
    "output_format",
    type=click.Choice(["markdown", "html"]),
    default="markdown",
    show_default=True,
    help="HTML is one file, with plots.",
)
@click.option(
    "-o", "--out", type=PATH, metavar="FILE", help="Else stdout; HTML: A's name.html beside it."
)
def report_results(files: tuple[Path, ...], output_format: str, out: Path | None) -> None:
    """Show one result in full, or several side by side.

    \b
    edge-asc bench report pi4.json pi5.json > table.md
    edge-asc bench report pi5.json --format html -o pi5.html
    """  # noqa: D301 (click wants the backspace character)
    from edge_asc.atomic import atomic_path
    from edge_asc.benchmarks.bench.markdown import results_markdown

    results = [_read(file) for file in files]
    if output_format == "html":
        with packages("plot"):
            from edge_asc.benchmarks.bench.html_report import write_report

        out = out or files[0].with_suffix(".html")
        write_report(results, out)
    elif out is None:
        click.echo(results_markdown(results))
        return
    else:
        with atomic_path(out) as temporary:
            temporary.write_text(results_markdown(results) + "\n", encoding="utf-8")
    click.echo(f"wrote {out}", err=True)


@click.command("publish")
@click.argument("file", type=PATH, metavar="A.json")
@click.option(
    "-o", "--out", type=PATH, metavar="FILE", help="What to share; else A's name.shared.json."
)
@click.option(
    "--licence", default="CC0-1.0", show_default=True, help="On what terms others may use it."
)
@click.option("--anyway", is_flag=True, help="Share a run that was disturbed; the file says so.")
@click.pass_context
def publish_result(
    ctx: click.Context, /, file: Path, out: Path | None, licence: str, anyway: bool
) -> None:
    """Make the file to share of a result, and say what it leaves out.

    Left out are the name of your recording, folders, the names of user and machine, and all that
    this program does not know. Look through the file before you give it away.
    """
    import socket

    from edge_asc.benchmarks.bench.publish import Identity, publish

    out = out or file.with_suffix(".shared.json")
    if out.resolve() == file.resolve():
        raise click.BadParameter("must be another file than A.json", ctx, param_hint="--out")
    identity = Identity(_user(), socket.gethostname())
    shared = publish(_read(file), identity, licence=licence, anyway=anyway)
    shared.write(out)
    left_out = ", ".join(shared.published.get("left_out", ["nothing"]))
    click.echo(f"left out: {left_out}", err=True)
    click.echo(f"licence: {licence}, written in the file; --licence names another", err=True)
    click.echo(f"wrote {out}; look through it before you share it", err=True)


def _user() -> str:
    import getpass

    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a number without a name, as in a container
        return ""


def _read(path: Path) -> Result:
    """A result; a shared one that was changed since is told of. Raises BenchError."""
    from edge_asc.benchmarks.bench.publish import is_unchanged
    from edge_asc.benchmarks.bench.result import Result

    result = Result.read(path)
    if not is_unchanged(result):
        click.echo(f"{path} was changed after it was published: its checksum is not its", err=True)
    return result
