"""A parity report as a table to read in a terminal."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence

from edge_asc.export.context_coverage import ContextCoverage
from edge_asc.export.parity import ParityReport, StageParity, format_drop
from edge_asc.training.metrics import format_share

WIDTH = 110
MAX_PAIRS = 8
"""Pairs of scenes that are named for a stage; the manifest has all"""

_HEADS = (
    f"{'':18}{'against the checkpoint':<68}rounding alone",
    f"{'':18}{'SNR dB':>7}{'same %':>8}{'flips':>9}{'max err':>9}{'right %':>8}"
    f"{'drop, points (95 %)':>26}{'SNR dB':>9}{'flips':>7}{'max err':>9}",
)


def report_lines(report: ParityReport) -> list[str]:
    """The report as lines of at most 110 columns."""
    share = format_share(report.reference_accuracy, report.reference_interval)
    first = f"parity on {report.windows} windows of {report.groups} groups: {report.data}"
    table = [f"checkpoint in {report.reference}: accuracy {share}", *_HEADS]
    heading = ""
    for stage in report.stages:
        if heading != (heading := _heading(stage, report.windows)):
            table.append(heading)
        table.append(_row(stage))
    notes = [part for line in _notes(report) for part in _wrap(line)]
    return [*_wrap(first), *table, "", *notes]


def _heading(stage: StageParity, windows: int) -> str:
    some = f" ({stage.windows} of the windows)" if stage.windows < windows else ""
    return f"{stage.form}, {stage.runtime}{some}"


def _row(stage: StageParity) -> str:
    flips = f"{stage.num_flips}/{stage.windows}"
    row = (
        f"  {stage.way:16}{_snr(stage.snr_db):>7}{100 * stage.agreement:8.1f}{flips:>9}"
        f"{stage.max_error:9.2g}{100 * stage.accuracy:8.1f}{format_drop(stage):>26}"
    )
    if (alone := stage.rounding) is None:
        return row
    return f"{row}{_snr(alone.snr_db):>9}{alone.num_flips:7}{alone.max_error:9.2g}"


def _snr(snr_db: float | None) -> str:
    return "equal" if snr_db is None else f"{snr_db:.1f}"


def _notes(report: ParityReport) -> Iterator[str]:
    """All that the table does not say."""
    yield from _flip_lines(report.stages)
    seen: dict[tuple[int, int], float] = {}
    for stage in report.stages:
        size = (stage.windows, stage.groups)
        seen[size] = max(stage.resolution_points, seen.get(size, 0.0))
    for (windows, groups), points in seen.items():
        yield (
            f"{windows} windows of {groups} groups: a drop below {points:.1f} points cannot be told"
            " from none"
        )
    if report.context is not None:
        yield from _context_lines(report.context)
    yield from (f"not run: {name}: {why}" for name, why in report.not_run.items())


def _flip_lines(stages: Sequence[StageParity]) -> Iterator[str]:
    """Which labels changed; ways of running a stage that come to the same share a line.

    Float stages that flip what the device network flips, and nothing else, are left out.
    """
    alike: dict[tuple[str, str], list[str]] = {}
    for stage in stages:
        as_in_device = stage.kind == "float" and stage.rounding and not stage.rounding.num_flips
        if stage.num_flips and not as_in_device:
            key = (f"{stage.form}, {stage.runtime}", _flips(stage))
            alike.setdefault(key, []).append(stage.way)
    for (name, text), ways in alike.items():
        yield f"{name}, {' and '.join(ways)}: {text}"


def _flips(stage: StageParity) -> str:
    pairs = list(stage.flips.items())
    named = ", ".join(f"{pair}: {count}" for pair, count in pairs[:MAX_PAIRS])
    more = f", and {len(pairs) - MAX_PAIRS} more pairs" if len(pairs) > MAX_PAIRS else ""
    neither = stage.num_flips - stage.lost - stage.gained
    other = stage.other_runtime
    beside = "" if other is None else f" Other labels than the first runtime's: {other.num_flips}."
    return (
        f"{stage.num_flips} flips in {stage.windows} windows: {stage.lost} lost, {stage.gained}"
        f" won, {neither} wrong before and after (p {stage.p_value:.2g}).{beside} Worst window"
        f" {stage.worst_window}. {named}{more}"
    )


def _context_lines(coverage: ContextCoverage) -> Iterator[str]:
    yield f"int8 against float on {coverage.windows} windows in every context:"
    for part in coverage.attributes:
        yield (
            f"  {part.attribute:<18} {part.values:3} values, same scene in {part.agreeing} of"
            f" {part.answers} answers ({100 * part.agreement:.1f} %), fewest for"
            f" {part.worst_value}: {part.worst_agreeing} of {coverage.windows}"
        )


def _wrap(line: str) -> list[str]:
    return textwrap.wrap(line, WIDTH, subsequent_indent="    ", replace_whitespace=False)
