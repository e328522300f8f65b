"""`edge-asc evaluate`."""

from __future__ import annotations

from pathlib import Path

import click

from edge_asc.commands.options import PATH, data_option, format_option, packages, split_names


@click.command()
@click.argument("model", type=PATH)
@data_option
@click.option("--folds", metavar="1,2", help="Folds to evaluate on; without it, all.")
@click.option(
    "--protocol",
    metavar="NAME",
    help="Evaluate on the test clips of this protocol, as visit-2fold, instead of folds.",
)
@click.option(
    "--part", type=click.IntRange(min=1), help="Which split of the protocol, counted from 1."
)
@click.option("--seed", type=int, default=0, show_default=True, help="The protocol's seed.")
@click.option("--html", type=PATH, metavar="FILE", help="Also write a page with plots.")
@format_option
def evaluate(
    model: Path,
    data: tuple[Path, ...],
    folds: str | None,
    protocol: str | None,
    part: int | None,
    seed: int,
    html: Path | None,
    output_format: str,
) -> None:
    """Measure accuracy on labelled clips.

    By scene, city and group, with intervals; how far confidence can be trusted; and what the model
    hears without city and time. MODEL is a model file or a checkpoint.
    """
    if protocol is None and part is not None:
        raise click.UsageError("--part names a split of a protocol: give --protocol too")
    with packages("train"):
        from edge_asc.training.evaluate import evaluate_command

        evaluate_command(
            model,
            list(data),
            split_names(folds),
            output_format,
            html=html,
            protocol=protocol,
            seed=seed,
            part=part,
        )
