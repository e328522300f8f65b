"""`edge-asc bench operators`: which layer of a network costs what."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from edge_asc.commands.options import PATH
from edge_asc.commands.status_line import StatusLine

if TYPE_CHECKING:
    from edge_asc.benchmarks.bench.operators import Profile
    from edge_asc.benchmarks.bench.subject import Subject

_NETWORKS = ("whole", "encoder", "head")


@click.command("operators")
@click.argument("model", type=PATH, required=False)
@click.option(
    "--network",
    "networks",
    type=click.Choice(_NETWORKS),
    multiple=True,
    help="May be given more than once; else all that the model has.",
)
@click.option(
    "--rounds",
    type=click.IntRange(min=20),
    default=200,
    show_default=True,
    help="How often each cut is timed.",
)
@click.option("--threads", type=click.IntRange(min=1), default=1, show_default=True)
@click.option("--seed", type=click.IntRange(min=0), default=1, show_default=True, help="Of order.")
@click.option(
    "--format",
    "output_format",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="Form of the results.",
)
@click.option(
    "--add-to",
    type=PATH,
    metavar="A.json",
    help="Put it into a result of this model, to be shown by `report`.",
)
@click.pass_context
def profile_operators(
    ctx: click.Context,
    /,
    model: Path | None,
    networks: tuple[str, ...],
    rounds: int,
    threads: int,
    seed: int,
    output_format: str,
    add_to: Path | None,
) -> None:
    """Tell which layer of MODEL's networks costs what; without MODEL, of the one in use.

    A network is cut after each operator and the cuts are timed in turn, in shuffled order: an
    operator's cost is what it adds. docs/bench-compare.md says how far that can be trusted.

    \b
    edge-asc bench operators
    edge-asc bench operators model.tflite --network encoder --rounds 500
    """  # noqa: D301 (click wants the backspace character)
    from edge_asc.benchmarks.bench.subject import read_subjects
    from edge_asc.update import model_in_use

    (subject,) = read_subjects([model or model_in_use()])
    line = StatusLine()
    profiles = _profile(ctx, subject, networks, (rounds, seed, threads), line)
    line.show("")
    if output_format == "json":
        rows = [row for profile in profiles for row in profile.rows(subject.name)]
        click.echo(json.dumps({"model": subject.name, "operators": rows}, indent=1))
    else:
        _tell(profiles, subject.name)
    if add_to is not None:
        _add(profiles, subject, add_to)
        line.say(f"wrote {add_to}")


def _profile(
    ctx: click.Context,
    subject: Subject,
    networks: tuple[str, ...],
    how: tuple[int, int, int],
    line: StatusLine,
) -> list[Profile]:
    from edge_asc.benchmarks.bench.result import BenchError

    try:
        from edge_asc.benchmarks.bench.operators import network_inputs, profile
    except ModuleNotFoundError as error:
        raise BenchError(
            f"cutting a network needs what ai-edge-litert brings ({error.name} is missing):"
            " pip install ai-edge-litert"
        ) from error
    rounds, seed, num_threads = how
    inputs = network_inputs(subject.model)
    if missing := [name for name in networks if name not in inputs]:
        raise click.BadParameter(
            f"{subject.name} has no {missing[0]}: it has {', '.join(inputs)}",
            ctx,
            param_hint="--network",
        )
    return [
        profile(
            name,
            getattr(subject.model, name),
            inputs[name],
            rounds=rounds,
            seed=seed,
            num_threads=num_threads,
            show=line.show,
        )
        for name in networks or inputs
    ]


def _tell(profiles: list[Profile], model: str) -> None:
    from edge_asc.benchmarks.bench.tables import OPERATOR_COLUMNS, Table, operator_words

    for profile in profiles:
        rows = tuple(operator_words(row) for row in profile.rows(model))
        click.echo(Table("", OPERATOR_COLUMNS, rows).to_text())
        click.echo(
            f"{profile.network}: {1e6 * profile.sum_s:.1f} µs in all operators; uncut"
            f" {1e6 * profile.whole_s:.1f} µs, {1e6 * profile.call_s:.1f} of them for the call\n"
        )


def _add(profiles: list[Profile], subject: Subject, path: Path) -> None:
    """Raises BenchError if the result is not of this model."""
    from edge_asc.benchmarks.bench.result import BenchError, Result

    result = Result.read(path)
    names = [each["name"] for each in result.models if each.get("sha256") == subject.sha256]
    if not names:
        raise BenchError(
            f"{path} is of {', '.join(str(each['name']) for each in result.models)}, and none of"
            f" them is this file of {subject.name}: measure it with `edge-asc bench` first"
        )
    rows = [row for profile in profiles for row in profile.rows(names[0])]
    fresh = {profile.network for profile in profiles}
    kept = [
        row for row in result.operators if row["model"] != names[0] or row["network"] not in fresh
    ]
    replace(result, operators=(*kept, *rows)).write(path)
