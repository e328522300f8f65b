"""Results as one HTML page that needs nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from edge_asc.benchmarks.bench.markdown import fact_tables, warnings_of
from edge_asc.benchmarks.bench.plots import stage_figure, timeline_figure
from edge_asc.benchmarks.bench.result import TOTAL, Result, percentiles_ms
from edge_asc.benchmarks.bench.tables import (
    Table,
    device_names,
    latency_table,
    marks,
    number,
    other_tables,
    stage_table,
    ways_of,
)
from edge_asc.training.html_page import Page


def write_report(results: Sequence[Result], path: Path) -> None:
    """Write the page, whole or not at all. Raises OSError."""
    report_page(results).write(path)


def report_page(results: Sequence[Result]) -> Page:
    """Warnings first, then times with their spread, what happened meanwhile, and where."""
    names = device_names(results)
    title = names[0] if len(names) == 1 else f"{len(names)} devices or runs"
    page = Page(f"From sound to answer: {title}", _verdict(results, names))
    _add_warnings(page, results)
    _add_table(page, latency_table(results))
    for model, way in ways_of(results):
        _add_table(page, stage_table(results, model, way))
        page.figure(
            stage_figure(results, names, model, way),
            _stage_alt(results, names, model, way),
            "How often each stage took how long. Each hill is as high as the others; a thick mark"
            " is the p50, a thin one the p95.",
        )
    drawn = [
        (timeline_figure(one), _timeline_alt(one, name), name)
        for one, name in zip(results, names, strict=True)
    ]
    if any(figure for figure, _, _ in drawn):
        page.heading("Meanwhile")
    for figure, alt, name in drawn:
        if figure is not None:
            page.figure(
                figure,
                alt,
                f"{name}: times end to end, and the machine, over the run; where it was throttled,"
                " the background is orange.",
            )
    for table in (*other_tables(results), *fact_tables(results)):
        _add_table(page, table)
    return page


def _verdict(results: Sequence[Result], names: Sequence[str]) -> str:
    """The whole way's median and tail of what comes first in each result."""
    return ". ".join(
        f"{name}: {_total(result)}" for result, name in zip(results, names, strict=True)
    )


def _total(result: Result) -> str:
    for model, way in ways_of([result]):
        for timing in result.timings:
            if (timing.model, timing.way, timing.stage) == (model, way, TOTAL):
                found = percentiles_ms(timing.samples_s)
                median_ms, tail_ms = (number(found[share]) for share in ("p50", "p95"))
                return f"{model}, {way}: {median_ms} ms, 95 % within {tail_ms} ms"
    return "nothing was measured end to end"


def _add_warnings(page: Page, results: Sequence[Result]) -> None:
    found = [
        (f"{name}: {text}" if len(results) > 1 else text,)
        for name, one in zip(marks(results), results, strict=True)
        for text in warnings_of(one)
    ]
    if found:
        page.heading("Warnings")
        page.table(("why to doubt these figures",), found)


def _add_table(page: Page, table: Table) -> None:
    page.heading(table.title)
    page.table(table.header, table.rows)
    if table.note:
        page.paragraph(table.note)


def _stage_alt(results: Sequence[Result], names: Sequence[str], model: str, way: str) -> str:
    """The same in words: medians by stage."""
    parts = []
    for result, name in zip(results, names, strict=True):
        medians = [
            f"{timing.stage} {number(percentiles_ms(timing.samples_s)['p50'])} ms"
            for timing in result.timings
            if (timing.model, timing.way) == (model, way) and timing.samples_s
        ]
        parts.append(f"{name}: {', '.join(medians) or 'not measured'}")
    return f"Distribution of times by stage of {model}, {way}. Medians: {'; '.join(parts)}"


def _timeline_alt(result: Result, name: str) -> str:
    parts = []
    for field, what, unit in (
        ("temperature_c", "temperature", "°C"),
        ("clock_mhz", "clock", "MHz"),
        ("load_1min", "load", ""),
    ):
        found = [value for one in result.timeline if (value := getattr(one, field)) is not None]
        if found:
            parts.append(
                f"{what} from {number(min(found))} to {number(max(found))} {unit}".rstrip()
            )
    if num := sum(bool(one.throttled) for one in result.timeline):
        parts.append(f"throttled at {num} of {len(result.timeline)} moments")
    told = f"; {', '.join(parts)}" if parts else ""
    return f"Times end to end over the run of {name}{told}"
