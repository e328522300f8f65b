"""`edge-asc synth` and `export`: made sound, and a model from a checkpoint."""

from __future__ import annotations

from pathlib import Path
from typing import Any

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
@click.option(
    "--int8", "arithmetic", flag_value="int8", default=True, help="8-bit integers (default)."
)
@click.option("--float32", "arithmetic", flag_value="float32", help="32-bit floating point.")
@click.option("--float16", "arithmetic", flag_value="float16", help="The same, weights in 16 bits.")
@click.option(
    "--max-drop",
    "max_drop_points",
    type=click.FloatRange(min=0.0),
    metavar="POINTS",
    help="With --int8: accuracy that may be lost. Where int8 loses more, 16-bit tensors in the"
    " encoder, a head in float and 8-bit weights alone are tried in turn.",
)
@click.option(
    "-o", "--out", type=PATH, metavar="FILE", help="The model file; else CHECKPOINT's name.tflite."
)
@click.option("--onnx", is_flag=True, help="Also write FILE's name.whole.onnx, and its parts.")
@click.option(
    "--tflite", is_flag=True, help="Also write name.whole.tflite, without appended parts."
)
@click.option("--json", is_flag=True, help="Also write name.json, all that is known of the model.")
@click.option(
    "--debug-layers",
    "layers",
    type=PATH,
    metavar="DIR",
    help="With --int8: the error of every layer, worst first, as text and pictures in DIR.",
)
@click.option("--every-window", is_flag=True, help="Compare slow runtimes on all windows too.")
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
    out: Path | None,
    onnx: bool,
    tflite: bool,
    json: bool,
    card: Path | None,
    evaluation: Path | None,
    work_dir: Path | None,
    **options: Any,  # noqa: ANN401 - click's values, by the names of ExportOptions
) -> None:
    """Turn a checkpoint into a model file.

    CHECKPOINT is what a training run wrote. Every form of the network is compared with it in every
    runtime that is here, and the model is refused if it lost too much.
    """
    out = out or checkpoint.with_suffix(".tflite")
    if out.suffix != ".tflite":
        raise click.UsageError(
            f"-o must name a .tflite file, which it is and others are named after, got {out}"
        )
    for path in (card, evaluation):
        if path is not None and not path.is_file():
            raise click.UsageError(f"{path}: no such file")
    if options["max_drop_points"] is not None and options["arithmetic"] != "int8":
        raise click.UsageError("--max-drop chooses among integer forms: give it with --int8")
    if options["layers"] is not None and options["arithmetic"] != "int8":
        raise click.UsageError("--debug-layers compares int8 with float: give it with --int8")
    with packages("export"):
        from edge_asc.export.command import ExtraFiles, export_command, read_metrics
        from edge_asc.export.pipeline import ExportOptions

        export_command(
            checkpoint,
            out,
            ExportOptions(
                card=card.read_text(encoding="utf-8") if card else "",
                evaluation=read_metrics(evaluation) if evaluation else {},
                **options,
            ),
            work_dir,
            ExtraFiles(onnx=onnx, tflite=tflite, json=json),
        )
