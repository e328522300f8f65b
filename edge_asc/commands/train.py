"""`edge-asc train`."""

from __future__ import annotations

from pathlib import Path

import click

from edge_asc.commands.options import PATH, data_option, packages, split_names


@click.command()
@click.argument("recipe")
@data_option
@click.option(
    "--out", type=PATH, required=True, metavar="RUN", help="Folder for what the run writes."
)
@click.option(
    "--train-folds", metavar="2,3", help="Folds to train on; without it, all but those of the test."
)
@click.option("--test-fold", metavar="1|all", help="Fold to test on; all: each in turn; none.")
@click.option("--device", default="cpu", show_default=True, help="cpu, cuda, ...")
@click.option("--epochs", type=click.IntRange(min=1), help="Instead of the recipe's.")
@click.option("--seed", type=click.IntRange(min=0), help="Instead of the recipe's.")
def train(
    recipe: str,
    data: tuple[Path, ...],
    out: Path,
    train_folds: str | None,
    test_fold: str | None,
    device: str,
    epochs: int | None,
    seed: int | None,
) -> None:
    """Train a network.

    RECIPE is the name of one that is shipped, or a TOML file.
    """
    with packages("train"):
        from edge_asc.training.train import train_command

        train_command(
            recipe,
            list(data),
            out,
            train_folds=split_names(train_folds),
            test_folds=split_names(test_fold),
            seed=seed,
            device=device,
            epochs=epochs,
        )
