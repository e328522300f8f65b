"""What the command line adds to a recipe."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from edge_asc.errors import DataError
from edge_asc.training.recipe import Recipe


@dataclass(frozen=True, slots=True)
class TrainOptions:
    """What the command line adds to a recipe."""

    data: list[Path]
    """Folders with a data set each."""
    out: Path
    """Folder for the run: new or empty, or with `resume` that of an interrupted run."""
    train_folds: list[str] | None = None
    """Folds to train on; None = all that are not tested."""
    test_folds: list[str] | None = None
    """Folds to test on; ["all"] = each in turn; ["none"] = train on everything."""
    protocol: str | None = None
    """Draw the splits by this protocol instead (docs/audit.md)."""
    part: int | None = None
    """Only the protocol's split of this number, counted from 1."""
    backbone: Path | None = None
    """Checkpoint to begin with, where the recipe asks for one."""
    resume: bool = False
    device: str = "cpu"
    """"cpu", "cuda", "mps" or "auto"."""
    num_devices: int = 1
    """Processes, each on a device of its own (or on cores of its own)."""
    seed: int | None = None
    """Replaces the recipe's, as do the next three."""
    epochs: int | None = None
    labelled_share: float | None = None
    int8_epochs: int | None = None


def override(recipe: Recipe, options: TrainOptions) -> Recipe:
    """Return `recipe` with what the command line replaces."""
    loop, data, semi = recipe.loop, recipe.data, recipe.semi
    if options.seed is not None:
        loop = replace(loop, seed=options.seed)
    if options.epochs is not None:
        if options.epochs < 1:
            raise DataError(f"epochs must be at least 1, got {options.epochs}")
        loop = replace(loop, epochs=options.epochs)
        semi = replace(semi, epochs=min(semi.epochs, options.epochs))
    if options.labelled_share is not None:
        data = replace(data, labelled_share=options.labelled_share)
    int8 = recipe.int8
    if options.int8_epochs is not None:
        int8 = replace(int8, epochs=options.int8_epochs)
    return replace(recipe, loop=loop, data=data, semi=semi, int8=int8)
