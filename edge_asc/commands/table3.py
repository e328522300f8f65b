"""`edge-asc table3`."""

from __future__ import annotations

import os
from pathlib import Path

import click

from edge_asc.commands.options import PATH, packages, split_names


@click.command()
@click.option("--data", type=PATH, required=True, metavar="DIR", help="The CAS 2023 folder.")
@click.option(
    "--external",
    type=PATH,
    multiple=True,
    metavar="DIR",
    help="A pretraining set (TAU 2020 Mobile, CochlScene); may be given more than once.",
)
@click.option(
    "--out",
    type=PATH,
    required=True,
    metavar="DIR",
    help="Folder for runs and table; go on in it if there.",
)
@click.option(
    "--protocol",
    "protocols",
    default="official-random,visit-2fold",
    show_default=True,
    metavar="NAME,...",
    help="How to split.",
)
@click.option("--rows", metavar="RECIPE,...", help="Only these rows.")
@click.option("--seeds", default="0,1,2", show_default=True, metavar="N,...")
@click.option(
    "--jobs",
    type=click.IntRange(min=1),
    default=os.cpu_count() or 1,
    show_default="one a core",
    help="Runs side by side.",
)
@click.option("--epochs", type=click.IntRange(min=1), help="At most so many, in every stage.")
@click.option(
    "--device", type=click.Choice(["cpu", "cuda", "mps", "auto"]), default="cpu", show_default=True
)
def table3(
    data: Path,
    external: tuple[Path, ...],
    out: Path,
    protocols: str,
    rows: str | None,
    seeds: str,
    jobs: int,
    epochs: int | None,
    device: str,
) -> None:
    """Reproduce Table 3 of the paper, row by row.

    Each protocol makes a table of its own, with what a model without ears reaches beside it.
    """
    try:
        numbers = [int(seed) for seed in seeds.split(",")]
    except ValueError as error:
        raise click.BadParameter(f"must be whole numbers as in 0,1,2, got {seeds!r}") from error
    with packages("train"):
        from edge_asc.training.table3 import TableOptions, plan_table, run_table
        from edge_asc.training.table3_report import collect, lines, write_table

        table = plan_table(
            TableOptions(
                data=data,
                external=list(external),
                out=out,
                protocols=split_names(protocols) or [],
                rows=split_names(rows) or [],
                seeds=numbers,
                jobs=jobs,
                epochs=epochs,
                device=device,
            )
        )
        run_table(table)
        parts = collect(table)
        write_table(table, parts)
        click.echo("\n".join(lines(table, parts)))
    click.echo(f"written to {out}/table3.txt, .json and .html", err=True)
