"""`edge-asc data`: is a data set all there, and sound?"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from edge_asc.commands.options import PATH, format_option

if TYPE_CHECKING:
    from edge_asc.training.datasets.check import Report
    from edge_asc.training.datasets.harmonise import Table1Count

_LABEL_WIDTH = 16
_EXAMPLES = 3


@click.group()
def data() -> None:
    """Look after data sets."""


@data.command()
@click.argument("folder", type=PATH, metavar="DIR")
@click.option(
    "--set",
    "name",
    metavar="NAME",
    help="cas2023, tau2020, cochlscene or folder; without it, what DIR looks like.",
)
@format_option
@click.pass_context
def check(ctx: click.Context, folder: Path, name: str | None, output_format: str) -> None:
    """Say what is wrong with a data set.

    Reads its tables and decodes every sound file. Exit code 1 if rows are wrong, files are missing
    or broken, or the same sound has two labels.
    """
    from edge_asc.training.datasets.check import check_set

    report = check_set(folder, name)
    if output_format == "json":
        values = {"ready": not report.faults, "verdict": report.verdict, **asdict(report)}
        click.echo(json.dumps(values, indent=1, ensure_ascii=False))
    else:
        for line in _describe(report):
            click.echo(line)
    ctx.exit(1 if report.faults else 0)


def _describe(report: Report) -> Iterator[str]:
    """The findings, faults last, and the verdict on the last line."""
    yield _line("data set", report.source_set)
    if report.num_excluded:
        yield _line("left out", f"{report.num_excluded:,}, of classes without a CAS scene")
    for name, counts in {**report.counts, "sound": report.formats}.items():
        if counts:
            yield _line(name, "; ".join(f"{what}: {count:,}" for what, count in counts.items()))
    yield from _table1(report.table1)
    for note in report.notes:
        yield _line("note", note)
    listings: Mapping[str, Sequence[str]] = {
        "extra": report.extra,
        "silent": report.silent,
        "wrong length": report.wrong_length,
        "duplicated": [
            _duplicate(each.files, each.labels, each.groups) for each in report.duplicates
        ],
        "wrong rows": report.table_errors,
        "missing": report.missing,
        "broken": report.broken,
    }
    for label, found in listings.items():
        yield from _listing(label, found)
    yield report.verdict


def _table1(counts: Sequence[Table1Count]) -> Iterator[str]:
    """The paper's Table 1 beside what is there; a difference is no fault of the folder."""
    if counts:
        other = [count for count in counts if count.found != count.printed]
        found = ", ".join(f"{each.scene} {each.found:,} ({each.printed:,})" for each in other)
        yield _line("paper's Table 1", f"differs (paper): {found}" if other else "the same counts")


def _duplicate(files: Sequence[str], labels: Sequence[str], groups: Sequence[str]) -> str:
    text = " = ".join(files)
    if len(labels) > 1:
        text += f", labelled {' and '.join(labels)}"
    if len(groups) > 1:
        text += f", in groups {' and '.join(groups)}"
    return text


def _listing(label: str, found: Sequence[str]) -> Iterator[str]:
    """How many, and the first few; nothing if there are none."""
    if not found:
        return
    yield _line(label, f"{len(found):,}")
    for text in found[:_EXAMPLES]:
        yield f"  {text}"
    if len(found) > _EXAMPLES:
        yield f"  and {len(found) - _EXAMPLES:,} more; --format json lists all"


def _line(label: str, value: str) -> str:
    return f"{label:<{_LABEL_WIDTH}} {value}"
