"""`edge-asc evaluate`."""

from __future__ import annotations

from pathlib import Path

import click

from edge_asc.commands.options import PATH, data_option, format_option, packages, split_names


@click.command()
@click.argument("model", type=PATH)
@data_option
@click.option("--folds", metavar="1,2", help="Folds to evaluate on; without it, all.")
@format_option
def evaluate(model: Path, data: tuple[Path, ...], folds: str | None, output_format: str) -> None:
    """Measure accuracy on labelled clips.

    MODEL is a model file or a checkpoint.
    """
    with packages("train"):
        from edge_asc.training.evaluate import evaluate_command

        evaluate_command(model, list(data), folds=split_names(folds), output_format=output_format)
