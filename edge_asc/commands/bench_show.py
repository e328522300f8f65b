"""`edge-asc bench compare`, `report` and `publish`: what was measured, compared, shown, shared."""

from __future__ import annotations

import json
from pathlib import Path

import click

from edge_asc.commands.options import PATH, packages

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
    from edge_asc.benchmarks.bench.result import Result

    found = compare(Result.read(a), Result.read(b), smallest=smallest, seed=seed, anyway=anyway)
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
    from edge_asc.benchmarks.bench.result import Result

    results = [Result.read(file) for file in files]
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
