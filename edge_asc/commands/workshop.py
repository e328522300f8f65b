"""`edge-asc synth` and `export`: made sound, and a model from a checkpoint."""

from __future__ import annotations

from pathlib import Path

import click

from edge_asc.commands.options import PATH, packages, parse_scenes


@click.command()
@click.option("--out", type=PATH, metavar="DIR", help="Write a corpus: clips and clips.csv.")
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
@click.option(
    "--layout",
    type=click.Choice(["folder", "cas2023", "tau2020", "cochlscene"]),
    default="folder",
    show_default=True,
    help="The corpus as a folder with a table, or as these sets are published.",
)
@click.option(
    "--unlabelled-share",
    type=click.FloatRange(min=0, max=1, max_open=True),
    default=0.0,
    show_default=True,
    help="Share of each scene's clips without label; for the layout cas2023.",
)
@click.option("--recording", type=PATH, metavar="FILE", help="Write one recording of some scenes.")
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
    layout: str,
    unlabelled_share: float,
    recording: Path | None,
    scenes: tuple[str, ...],
    seconds: float,
    seed: int,
) -> None:
    """Make synthetic sound: a corpus or a recording.

    The same seed makes the same samples.

    \b
    edge-asc synth --out corpus --visits 12 --clips 4
    edge-asc synth --out cas --layout cas2023 --unlabelled-share 0.8
    edge-asc synth --recording walk.wav --scenes bus,urban_park --seconds 20
    """  # noqa: D301 (click wants the backspace character)
    from edge_asc.training.datasets import published_layouts, synthetic

    if (out is None) == (recording is None):
        raise click.UsageError("give either --out DIR or --recording FILE")
    if out is not None:
        published_layouts.write_layout(
            out,
            layout,
            visits_per_scene=visits,
            clips_per_visit=clips,
            clip_s=clip_seconds,
            unlabelled_share=unlabelled_share,
            seed=seed,
        )
    elif recording is not None:
        synthetic.write_recording(recording, scenes=scenes, seconds_each=seconds, seed=seed)
    click.echo(f"wrote {out or recording}", err=True)


@click.command()
@click.argument("checkpoint", type=PATH)
@click.option("--int8/--float32", default=True, show_default=True, help="Arithmetic of the model.")
@click.option(
    "-o", "--out", type=PATH, metavar="FILE", help="The model file; else CHECKPOINT's name.tflite."
)
@click.option("--name", help="The model's name; else the checkpoint's.")
@click.option(
    "--demonstration", is_flag=True, help="Mark the model as one that must not decide anything."
)
@click.option("--card", type=PATH, metavar="FILE", help="Text on data, licences and figures.")
@click.option(
    "--evaluation",
    type=PATH,
    metavar="FILE",
    help="metrics.json of the run whose figures the card shows, where not the checkpoint's.",
)
@click.option("--work-dir", type=PATH, metavar="DIR", help="Keep the steps in between here.")
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
    with packages("export"):
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
