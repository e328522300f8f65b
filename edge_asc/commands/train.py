"""`edge-asc train`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from edge_asc.commands.options import PATH, data_option, packages, split_names


@click.command()
@click.argument("recipe")
@data_option
@click.option(
    "--out", type=PATH, required=True, metavar="RUN", help="Folder for what the run writes."
)
@click.option(
    "--protocol",
    metavar="NAME",
    help="Instead of folds: official-random, visit-2fold, visit-3fold, day-2fold, city-held-out.",
)
@click.option("--part", type=click.IntRange(min=1), help="Only this split of the protocol.")
@click.option(
    "--train-folds", metavar="2,3", help="Folds to train on; without it, all but those of the test."
)
@click.option("--test-fold", metavar="1|all", help="Fold to test on; all: each in turn; none.")
@click.option(
    "--backbone",
    type=PATH,
    metavar="FILE",
    help="Checkpoint to begin with, if the recipe wants one.",
)
@click.option("--resume", is_flag=True, help="Go on with the interrupted run in RUN.")
@click.option(
    "--labelled-share",
    type=click.FloatRange(0.0, 1.0, min_open=True),
    help="Hide the labels of all but this share of the training groups.",
)
@click.option(
    "--device",
    type=click.Choice(["cpu", "cuda", "mps", "auto"]),
    default="cpu",
    show_default=True,
)
@click.option(
    "--devices",
    "num_devices",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="Processes that share the work.",
)
@click.option("--epochs", type=click.IntRange(min=1), help="Instead of the recipe's.")
@click.option("--seed", type=click.IntRange(min=0), help="Instead of the recipe's.")
@click.option(
    "--qat",
    "int8_epochs",
    type=click.IntRange(min=0),
    metavar="EPOCHS",
    help="Quantization-aware fine-tuning: epochs with tensors rounded as in int8, instead of the"
    " recipe's.",
)
def train(
    recipe: str,
    data: tuple[Path, ...],
    train_folds: str | None,
    test_fold: str | None,
    **options: Any,  # noqa: ANN401 - click's values, by the names of TrainOptions
) -> None:
    """Train a network.

    RECIPE is the name of one that is shipped, or a TOML file.
    """
    with packages("train"):
        from edge_asc.training.train import train_command
        from edge_asc.training.train_options import TrainOptions

        train_command(
            recipe,
            TrainOptions(
                data=list(data),
                train_folds=split_names(train_folds),
                test_folds=split_names(test_fold),
                **options,
            ),
        )
