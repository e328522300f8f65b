"""How estimates become decisions: the model's own way, or what the options say instead."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from edge_asc.commands.options import Command
from edge_asc.config import refuse_together

if TYPE_CHECKING:
    from edge_asc.classifier import SceneClassifier
    from edge_asc.decision import Decider
    from edge_asc.drift import DriftMonitor

_REPLACED = ("smoothing", "time_constant_s", "stay_s", "margin")


def decision_options(command: Command) -> Command:
    """`--raw`, and a switch or a value for each part of a decision."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


_OPTIONS = (
    click.option(
        "--raw",
        is_flag=True,
        help="Decide nothing: the network's own probabilities, uncalibrated and unsmoothed.",
    ),
    click.option(
        "--smoothing",
        type=click.Choice(["hmm", "exponential", "none"]),
        help="How estimates are joined over time; without it as the model says, else exponential.",
    ),
    click.option(
        "--stay",
        "stay_s",
        type=click.FloatRange(2, 86_400),
        metavar="SECONDS",
        help="Mean time in one scene, for hmm; without it the model's transition matrix.",
    ),
    click.option(
        "--time-constant",
        "time_constant_s",
        type=click.FloatRange(0, 3_600, min_open=True),
        metavar="SECONDS",
        help="After so long an estimate counts for 1/e in the average.",
    ),
    click.option(
        "--margin",
        type=click.FloatRange(0, 1, max_open=True),
        metavar="SHARE",
        help="A scene is kept until another is ahead by so much; 0 = the likeliest.",
    ),
    click.option("--no-unknown", is_flag=True, help="Never decide that a scene is unknown."),
    click.option(
        "--no-calibration", is_flag=True, help="Probabilities without the model's temperature."
    ),
)

drift_option = click.option(
    "--no-drift", is_flag=True, help="Do not compare the sound with the model's."
)


def check_decisions(ctx: click.Context, options: dict[str, Any]) -> None:
    """--raw with a part of what it switches off is wrong usage, unless that is a habit."""
    if not options["raw"]:
        return
    for name in _REPLACED:
        if options[name] is not None:
            refuse_together(ctx, name, "raw", "--raw decides nothing")


def make_decider(classifier: SceneClassifier, options: dict[str, Any]) -> Decider | None:
    """Of the estimates of a classifier, whose temperature it sets, too; None with --raw."""
    from edge_asc.decision import Decider

    if options["raw"] or options["no_calibration"]:
        classifier.temperature = 1.0
    if options["raw"]:
        return None
    changes = {name: options[name] for name in _REPLACED if options[name] is not None}
    if "stay_s" in changes:
        changes["transition"] = ()
    if options["no_unknown"]:
        changes["unknown_below"] = None
    manifest = classifier.manifest
    config = replace(manifest.decision_config, **changes)
    return Decider(manifest.scenes, config, classifier.hop_s)


def make_drift_monitor(classifier: SceneClassifier, options: dict[str, Any]) -> DriftMonitor | None:
    """None with --raw, with --no-drift, and where the model does not say what it was made for."""
    from edge_asc.drift import DriftMonitor

    reference = classifier.manifest.drift_reference
    if options["raw"] or options["no_drift"] or reference is None:
        return None
    return DriftMonitor(reference, classifier.hop_s)
