"""`edge-asc calibrate`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from edge_asc.commands.options import PATH, packages, split_names

if TYPE_CHECKING:
    from edge_asc.model_file import ModelFile
    from edge_asc.training.decision_fit import HeldOut


@click.command()
@click.argument("model", type=PATH)
@click.option(
    "--data",
    type=PATH,
    multiple=True,
    metavar="DIR",
    help="Labelled recordings that the model never heard; may be given more than once.",
)
@click.option("--folds", metavar="1,2", help="With --data: only these folds.")
@click.option(
    "--run",
    "runs",
    type=PATH,
    multiple=True,
    metavar="DIR",
    help="A training run, whose test windows are taken instead; may be given more than once.",
)
@click.option(
    "--false-alarm",
    "false_alarm_rate",
    type=click.FloatRange(0, 0.5, min_open=True),
    default=0.05,
    show_default=True,
    metavar="SHARE",
    help="Share of known scenes' windows that may count as unknown.",
)
@click.option(
    "-o", "--out", type=PATH, required=True, metavar="FILE", help="The model file to write."
)
@click.pass_context
def calibrate(
    ctx: click.Context,
    model: Path,
    data: tuple[Path, ...],
    folds: str | None,
    runs: tuple[Path, ...],
    false_alarm_rate: float,
    out: Path,
) -> None:
    """Measure what MODEL must know to decide, and write it into a copy.

    The temperature that makes its confidence true, how unfamiliar a sound must be to be unknown,
    and the range of level and colour against which drift is counted. All from sound that the model
    did not hear in training: else it takes itself for better than it is.

    \b
    edge-asc calibrate model.tflite --data recordings -o at-home.tflite
    edge-asc calibrate model.tflite --run folds -o model-calibrated.tflite
    """  # noqa: D301 (click wants the backspace character)
    from edge_asc.model_file import ModelFile

    if bool(data) == bool(runs):
        raise click.UsageError("give either --data DIR or --run DIR", ctx)
    if folds is not None and not data:
        raise click.UsageError("--folds chooses among the recordings of --data", ctx)
    file = ModelFile.read(model)
    with packages("train"):
        held_out = _held_out(file, data, folds, runs)
        from edge_asc.training.decision_fit import fit_decisions

        fit = fit_decisions(
            held_out, file.manifest.decision_config, false_alarm_rate=false_alarm_rate
        )
    replace(file, manifest=fit.applied_to(file.manifest), signature=None).write(out)
    facts = fit.held_out
    click.echo(
        f"{facts['windows']} windows of {facts['groups']} groups ({facts['data']})\n"
        f"temperature      {fit.temperature:.3f}: calibration error"
        f" {100 * facts['calibration_error_before']:.1f} % without,"
        f" {100 * facts['calibration_error']:.1f} % with one fitted on the other groups\n"
        f"unknown          familiarity below {fit.config.unknown_below:.3f}:"
        f" {100 * false_alarm_rate:g} % of these windows\n"
        f"drift            level {fit.drift.level[0]:+.2f} to {fit.drift.level[1]:+.2f},"
        f" colour up to {fit.drift.colour:.2f}:"
        f" {100 * fit.drift.outside:g} % of these windows are outside of each"
    )
    signed = "; it is not signed any more" if file.signature else ""
    click.echo(f"wrote {out}{signed}", err=True)


def _held_out(
    file: ModelFile, data: tuple[Path, ...], folds: str | None, runs: tuple[Path, ...]
) -> HeldOut:
    from edge_asc.classifier import SceneClassifier
    from edge_asc.training.datasets.registry import read_set
    from edge_asc.training.decision_fit import from_recordings, from_runs

    if runs:
        return from_runs(runs, file.manifest)
    clips = [clip for folder in data for clip in read_set(folder).clips]
    wanted = split_names(folds)
    if wanted is not None:
        clips = [clip for clip in clips if clip.fold in wanted]
    return from_recordings(SceneClassifier(file), clips)
