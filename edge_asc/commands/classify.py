"""`edge-asc classify`."""

from __future__ import annotations

import sys
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from edge_asc.commands.options import (
    DEMONSTRATION_NOTE,
    city_option,
    load_classifier,
    model_option,
    time_option,
    trust_option,
)
from edge_asc.config import configurable
from edge_asc.errors import AudioError

if TYPE_CHECKING:
    from edge_asc.classifier import SceneClassifier, SceneEstimate
    from edge_asc.context import SceneContext
    from edge_asc.messages import Report
    from edge_asc.sinks import Sink


@configurable
@click.command("classify")
@click.argument(
    "files", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="FILE..."
)
@city_option
@time_option
@model_option
@trust_option
@click.option(
    "--format",
    "output_format",
    type=click.Choice(["text", "json", "csv"]),
    default="text",
    show_default=True,
    help="Form of the results.",
)
@click.option(
    "--windows", is_flag=True, help="One line for each window instead of one for each file."
)
@click.pass_context
def classify_files(
    ctx: click.Context,
    files: tuple[Path, ...],
    city: str | None,
    local_time: datetime | None,
    model: Path | None,
    trust: Path | None,
    output_format: str,
    windows: bool,
) -> None:
    """Classify recordings: one line for each file.

    A recording is cut into windows that follow each other; a file's probabilities are their mean. A
    last window that is at least half full is repeated to a whole one, and marked; a shorter one is
    left out unless it is the only one. A file that cannot be read is told on stderr, the others go
    on, and the exit code is 1.
    """
    from edge_asc.context import SceneContext
    from edge_asc.recordings import classify_recording, mean_estimate

    context = SceneContext(city, local_time)
    classifier = load_classifier(model, trust)
    if classifier.manifest.demonstration:
        click.echo(DEMONSTRATION_NOTE, err=True)
    if note := classifier.context_note(context):
        click.echo(note, err=True)
    sink = _make_sink(output_format, classifier, files, windows=windows)
    failed = False
    for path in files:
        try:
            estimates = classify_recording(path, classifier, context)
        except AudioError as error:
            click.echo(f"edge-asc: error: {error}", err=True)
            failed = True
            continue
        for estimate in estimates if windows else [mean_estimate(estimates)]:
            sink.write(_make_report(path, estimate, classifier, context))
    ctx.exit(1 if failed else 0)


def _make_sink(
    output_format: str, classifier: SceneClassifier, files: tuple[Path, ...], *, windows: bool
) -> Sink:
    from edge_asc.sinks.console import Console
    from edge_asc.sinks.csv_lines import CsvLines, recording_form
    from edge_asc.sinks.jsonl import JsonLines

    if output_format == "json":
        return JsonLines(sys.stdout)
    if output_format == "csv":
        return CsvLines(sys.stdout, recording_form(classifier.manifest.scenes))
    width = max(len(str(path)) for path in files)

    def label(report: Report) -> str:
        times = (
            f"  {report.estimate.start_s:6.1f} to {report.estimate.end_s:6.1f} s" if windows else ""
        )
        return f"{report.file:<{width}}{times}"

    return Console(sys.stdout, label)


def _make_report(
    path: Path, estimate: SceneEstimate, classifier: SceneClassifier, context: SceneContext
) -> Report:
    from edge_asc.messages import Report
    from edge_asc.recordings import context_after

    return Report(
        estimate,
        source=str(path),
        model=classifier.manifest.name,
        demonstration=classifier.manifest.demonstration,
        city=context.city,
        time=context_after(context, estimate.end_s).local_time,
        file=str(path),
    )
