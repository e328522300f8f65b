"""`edge-asc audit`."""

from __future__ import annotations

from pathlib import Path

import click

from edge_asc.commands.options import PATH, data_option, format_option, packages, split_names


@click.command()
@data_option
@click.option(
    "--protocol",
    "protocols",
    metavar="NAME,...",
    help="official-random, visit-2fold, visit-3fold, day-2fold, city-held-out, folds (the data's"
    " own), or a grouping and a number, as recording-5fold; without it, all that can be run.",
)
@click.option(
    "--seeds", type=click.IntRange(min=1), default=5, show_default=True, help="Draws averaged."
)
@click.option("--html", type=PATH, metavar="FILE", help="Write the report with plots there too.")
@click.option("--sound/--no-sound", default=True, show_default=True, help="Look at the audio.")
@format_option
def audit(
    data: tuple[Path, ...],
    protocols: str | None,
    seeds: int,
    html: Path | None,
    sound: bool,
    output_format: str,
) -> None:
    """Tell whether splits of a data set leak.

    Shows what a model without ears reaches, what training and test share, and what level and
    bandwidth give away. Audio may be missing: tables alone tell most.
    """
    with packages("train"):
        from edge_asc.training.audit import audit_command

        audit_command(
            list(data),
            split_names(protocols),
            num_seeds=seeds,
            html=html,
            output_format=output_format,
            with_sound=sound,
        )
