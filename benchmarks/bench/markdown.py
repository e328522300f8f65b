"""Results and comparisons as Markdown, to be pasted where people talk; comparisons as text, too."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from edge_asc.benchmarks.bench.compare import (
    FASTER,
    MIN_SAMPLES,
    NO_DIFFERENCE,
    SLOWER,
    TOO_FEW,
    Change,
    Comparison,
    Row,
)
from edge_asc.benchmarks.bench.result import Result
from edge_asc.benchmarks.bench.tables import (
    Table,
    all_tables,
    device_names,
    facts_table,
    marks,
    number,
)


def results_markdown(results: Sequence[Result]) -> str:
    """One result or several side by side, their warnings first."""
    told = [
        f"- **{mark}: {text}**" if mark else f"- **{text}**"
        for result, mark in zip(results, marks(results), strict=True)
        for text in warnings_of(result)
    ]
    title = "# " + "; ".join(device_names(results))
    tables = [*all_tables(results), *fact_tables(results)]
    sections = [f"## {table.title}\n\n{table.to_markdown()}" for table in tables]
    return "\n\n".join([title, *(["\n".join(told)] if told else []), *sections])


def warnings_of(result: Result) -> list[str]:
    """Why to doubt it, what it is not, and what was left undone."""
    synthetic = ["the sound is synthetic"] if result.settings.get("synthetic") else []
    interrupted = [] if result.complete else ["interrupted: not all was measured"]
    return [*result.warnings, *synthetic, *interrupted]


def fact_tables(results: Sequence[Result]) -> list[Table]:
    """Where the figures come from."""
    parts = (("Device", "device"), ("Software", "software"), ("Settings", "settings"))
    return [facts_table(title, results, part) for title, part in parts]


def comparison_text(comparison: Comparison) -> str:
    """For a terminal."""
    return "\n".join(
        [
            *(f"caution: {text}" for text in comparison.cautions),
            *(f"differs: {difference}" for difference in comparison.differences),
            comparison_table(comparison).to_text(),
            *summary(comparison),
        ]
    )


def comparison_markdown(comparison: Comparison) -> str:
    """The same, to be pasted."""
    cautions = [f"- **caution: {text}**" for text in comparison.cautions]
    differing = [f"- {difference}" for difference in comparison.differences]
    told = "\n".join([*cautions, *differing])
    table = comparison_table(comparison).to_markdown()
    return "\n\n".join([*([told] if told else []), table, *summary(comparison)])


def comparison_table(comparison: Comparison) -> Table:
    """A row for each stage; ratios of too few samples have no interval."""
    rows = [
        (
            row.model,
            row.way,
            row.stage,
            *(number(ms) for ms in row.p50_ms),
            _interval_of(row.p50),
            row.p50.verdict,
            _interval_of(row.p95),
            row.p95.verdict,
        )
        for row in comparison.rows
    ]
    header = (
        "A p50 ms",
        "B p50 ms",
        "p50: B / A (95 %)",
        "verdict",
        "p95: B / A (95 %)",
        "verdict",
    )
    return Table("Comparison", ("model", "way", "stage", *header), tuple(rows))


def summary(comparison: Comparison) -> Iterator[str]:
    """What was told, and how."""
    for verdict in (SLOWER, FASTER):
        found = [
            f"{row.name} {name} {_interval_of(change)}"
            for row in comparison.rows
            for name, change in _changes(row)
            if change.verdict == verdict
        ]
        if found:
            yield f"B is {verdict}: {'; '.join(found)}"
    changes = [change for row in comparison.rows for _, change in _changes(row)]
    num_same = sum(change.verdict == NO_DIFFERENCE for change in changes)
    num_few = sum(change.verdict == TOO_FEW for change in changes)
    few = ""
    if num_few:
        few = (
            f"; {num_few} have too few samples: a median needs {MIN_SAMPLES[50]}, a 95th"
            f" percentile {MIN_SAMPLES[95]}"
        )
    yield (
        f"No difference told in {num_same} of {len(changes)} ratios{few}. Told is what is at least"
        f" {comparison.smallest:g} times as much or as little, and surely more or less with"
        f" {comparison.num_ratios} ratios looked at together."
    )


def _changes(row: Row) -> tuple[tuple[str, Change], ...]:
    return ("p50", row.p50), ("p95", row.p95)


def _interval_of(change: Change) -> str:
    if change.interval is None:
        return f"{change.ratio:.3f}"
    low, high = change.interval
    return f"{change.ratio:.3f} ({low:.3f} - {high:.3f})"
