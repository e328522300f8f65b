"""`edge-asc doctor`."""

from __future__ import annotations

import json
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

import click

from edge_asc.commands.options import PATH, format_option, model_option
from edge_asc.config import CONFIG_VARIABLE, read_configuration, settings
from edge_asc.errors import ConfigError

if TYPE_CHECKING:
    from edge_asc.doctor.finding import Finding, Subject

_STATE_WIDTH, _NAME_WIDTH, _WIDTH = 12, 16, 100
_INDENT = " " * (_STATE_WIDTH + _NAME_WIDTH)


@click.command("doctor")
@click.option("--device", metavar="NAME", help="The microphone; else the one that `listen` uses.")
@model_option
@click.option(
    "--config",
    "named",
    type=PATH,
    metavar="FILE",
    envvar=CONFIG_VARIABLE,
    help="Configuration file, as `listen` takes it.",
)
@click.option("--no-microphone", is_flag=True, help="Record nothing; leave sound cards alone.")
@format_option
@click.pass_context
def examine_this_machine(
    ctx: click.Context,
    device: str | None,
    model: Path | None,
    named: Path | None,
    no_microphone: bool,
    output_format: str,
) -> None:
    """Look for what keeps this machine from listening.

    It checks what `edge-asc listen` would use with the same configuration, and says what to do
    about each finding. Two seconds are recorded from the microphone, measured and thrown away. Exit
    code 1 if there is a problem.
    """
    from edge_asc.doctor import examine

    subject = _subject(ctx, named, device, model, not no_microphone)
    findings = []
    for finding in examine(subject):
        findings.append(finding)
        if output_format == "text":
            click.echo(as_text(finding))
    if output_format == "json":
        click.echo(json.dumps(as_json(findings), indent=1))
    else:
        click.echo(conclusion(findings))
    ctx.exit(int(any(finding.state == "problem" for finding in findings)))


def as_text(finding: Finding) -> str:
    """A finding in columns, with what to do below it."""
    heading = f"{finding.state:<{_STATE_WIDTH}}{finding.name:<{_NAME_WIDTH}}"
    lines = _wrapped(finding.found, heading, _INDENT)
    lines += _wrapped(finding.advice, f"{_INDENT}-> ", f"{_INDENT}   ")
    return "\n".join(lines)


def _wrapped(text: str, first: str, later: str) -> list[str]:
    """Lines of `text`, the first and the later ones begun as told; paths stay whole."""
    return textwrap.wrap(
        text,
        _WIDTH,
        initial_indent=first,
        subsequent_indent=later,
        break_long_words=False,
        break_on_hyphens=False,
    )


def as_json(findings: list[Finding]) -> dict[str, object]:
    """The report for programs; "schema" grows when a field changes its meaning."""
    from dataclasses import asdict

    from edge_asc import __version__

    return {
        "schema": 1,
        "version": __version__,
        "problems": sum(finding.state == "problem" for finding in findings),
        "warnings": sum(finding.state == "warning" for finding in findings),
        "findings": [asdict(finding) for finding in findings],
    }


def conclusion(findings: list[Finding]) -> str:
    """The last line."""
    counts = [
        f"{count} {state}{'' if count == 1 else 's'}"
        for state in ("problem", "warning")
        if (count := sum(finding.state == state for finding in findings))
    ]
    return ", ".join(counts) or "nothing found that keeps this machine from listening"


def _subject(
    ctx: click.Context,
    named: Path | None,
    device: str | None,
    model: Path | None,
    microphone: bool,
) -> Subject:
    """What `listen` would use; a configuration that is wrong becomes a finding."""
    from edge_asc.doctor.finding import Subject
    from edge_asc.sources import RawFormat

    root = ctx.find_root()
    try:
        configuration = read_configuration(root.command, named)
        values = settings(configuration, "listen", root).params
    except (ConfigError, click.UsageError) as error:
        text = error.format_message() if isinstance(error, click.UsageError) else str(error)
        return Subject(device=device, model=model, microphone=microphone, config_error=text)
    return Subject(
        source=values["source"],
        device=device or values["device"],
        raw=RawFormat(values["rate"], values["channels"], values["sample_format"]),
        model=model or values["model"],
        trust=values["trust"],
        config=None if configuration.file is None else configuration.file.path,
        microphone=microphone,
    )
