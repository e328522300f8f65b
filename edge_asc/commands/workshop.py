"""`edge-asc synth`, `train`, `evaluate`, `export`: what is done before there is a model."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from edge_asc.commands.options import format_option, parse_scenes
from edge_asc.errors import EdgeAscError

_PATH = click.Path(path_type=Path)
_data_option = click.option(
    "--data",
    type=_PATH,
    multiple=True,
    required=True,
    metavar="DIR",
    help="Folder with clips and a CSV; may be given more than once.",
)


@click.command()
@click.option("--out", type=_PATH, metavar="DIR", help="Write a corpus: clips and clips.csv.")
@click.option(
    "--visits", type=click.IntRange(min=1), default=4, show_default=True, help="Visits a scene."
)
@click.option(
    "--clips", type=click.IntRange(min=1), default=3, show_default=True, help="Clips a visit."
)
@click.option(
    "--clip-seconds",
    type=click.FloatRange(min=1),
    default=10.0,
    show_default=True,
    help="Length of a clip.",
)
@click.option("--recording", type=_PATH, metavar="FILE", help="Write one recording of some scenes.")
@click.option(
    "--scenes",
    callback=parse_scenes,
    metavar="SCENE,...",
    default="bus,urban_park",
    show_default=True,
    help="Its scenes in turn.",
)
@click.option(
    "--seconds",
    type=click.FloatRange(min=1),
    default=20.0,
    show_default=True,
    help="Length of each.",
)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True)
def synth(
    out: Path | None,
    visits: int,
    clips: int,
    clip_seconds: float,
    recording: Path | None,
    scenes: tuple[str, ...],
    seconds: float,
    seed: int,
) -> None:
    """Make synthetic sound: a corpus or a recording.

    The same seed makes the same samples.

    \b
    edge-asc synth --out corpus --visits 12 --clips 4
    edge-asc synth --recording walk.wav --scenes bus,urban_park --seconds 20
    """  # noqa: D301 (click wants the backspace character)
    from edge_asc.training.datasets import synthetic

    if (out is None) == (recording is None):
        raise click.UsageError("give either --out DIR or --recording FILE")
    if out is not None:
        synthetic.write_corpus(
            out, visits_per_scene=visits, clips_per_visit=clips, clip_s=clip_seconds, seed=seed
        )
    elif recording is not None:
        synthetic.write_recording(recording, scenes=scenes, seconds_each=seconds, seed=seed)
    click.echo(f"wrote {out or recording}", err=True)


@click.command()
@click.argument("recipe")
@_data_option
@click.option(
    "--out", type=_PATH, required=True, metavar="RUN", help="Folder for what the run writes."
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
    with _packages("train"):
        from edge_asc.training.train import train_command

        train_command(
            recipe,
            list(data),
            out,
            train_folds=_split(train_folds),
            test_folds=_split(test_fold),
            seed=seed,
            device=device,
            epochs=epochs,
        )


@click.command()
@click.argument("model", type=_PATH)
@_data_option
@click.option("--folds", metavar="1,2", help="Folds to evaluate on; without it, all.")
@format_option
def evaluate(model: Path, data: tuple[Path, ...], folds: str | None, output_format: str) -> None:
    """Measure accuracy on labelled clips.

    MODEL is a model file or a checkpoint.
    """
    with _packages("train"):
        from edge_asc.training.evaluate import evaluate_command

        evaluate_command(model, list(data), folds=_split(folds), output_format=output_format)


@click.command()
@click.argument("checkpoint", type=_PATH)
@click.option("--int8/--float32", default=True, show_default=True, help="Arithmetic of the model.")
@click.option(
    "-o", "--out", type=_PATH, metavar="FILE", help="The model file; else CHECKPOINT's name.tflite."
)
@click.option("--name", help="The model's name; else the checkpoint's.")
@click.option(
    "--demonstration", is_flag=True, help="Mark the model as one that must not decide anything."
)
@click.option("--card", type=_PATH, metavar="FILE", help="Text on data, licences and figures.")
@click.option(
    "--evaluation",
    type=_PATH,
    metavar="FILE",
    help="metrics.json of the run whose figures the card shows, where not the checkpoint's.",
)
@click.option("--work-dir", type=_PATH, metavar="DIR", help="Keep the steps in between here.")
def export(
    checkpoint: Path,
    int8: bool,
    out: Path | None,
    name: str | None,
    demonstration: bool,
    card: Path | None,
    evaluation: Path | None,
    work_dir: Path | None,
) -> None:
    """Turn a checkpoint into a model file.

    CHECKPOINT is what a training run wrote. Every step is compared with the one before it, and the
    model is refused if it lost too much.
    """
    for path in (card, evaluation):
        if path is not None and not path.is_file():
            raise click.UsageError(f"{path}: no such file")
    with _packages("export"):
        from edge_asc.export.pipeline import export_command

        export_command(
            checkpoint,
            out or checkpoint.with_suffix(".tflite"),
            int8=int8,
            name=name,
            work_dir=work_dir,
            demonstration=demonstration,
            card=card,
            evaluation=evaluation,
        )


@contextmanager
def _packages(extra: str) -> Iterator[None]:
    """Turn a missing third-party package into advice on how to get it."""
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name is None or error.name.split(".")[0] == "edge_asc":
            raise
        what = {"train": "training", "export": "export"}[extra]
        raise EdgeAscError(
            f"this needs the {what} packages ({error.name} is missing):"
            f" pip install 'edge-asc[{extra}]'"
        ) from error


def _split(folds: str | None) -> list[str] | None:
    """The folds of "2,3" as a list; None, for the command's own choice, stays."""
    return None if folds is None else [fold.strip() for fold in folds.split(",")]
