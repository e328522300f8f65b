"""What results tell, as tables of words: the same for Markdown, HTML and a terminal."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from edge_asc.benchmarks.bench.result import (
    STAGES,
    TOTAL,
    WAYS,
    Result,
    Timing,
    percentiles_ms,
)

ABSENT = "-"
"""Stands where nothing was measured"""

WHAT_WAYS_ARE = {
    "window": "one whole window of sound at once",
    "stream": "one more hop of a stream, as fast as it goes",
    "live": "one more hop of a stream in real time, from its last sample on",
}


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of words, with a name for each column."""

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""

    def to_markdown(self) -> str:
        """As a Markdown table; columns of numbers stand flush right."""
        rules = ["---:" if _is_number_column(self, place) else "---" for place in self._places]
        lines = [self.header, tuple(rules), *self.rows]
        text = "\n".join(f"| {' | '.join(map(_in_markdown, line))} |" for line in lines)
        return text + (f"\n\n{self.note}" if self.note else "")

    def to_text(self) -> str:
        """As lines for a terminal."""
        lines = [self.header, *self.rows]
        widths = [max(len(line[place]) for line in lines) for place in self._places]
        right = [_is_number_column(self, place) for place in self._places]
        padded = [
            "  ".join(
                word.rjust(width) if flush else word.ljust(width)
                for word, width, flush in zip(line, widths, right, strict=True)
            ).rstrip()
            for line in lines
        ]
        return "\n".join([*padded, *([self.note] if self.note else [])])

    @property
    def _places(self) -> range:
        return range(len(self.header))


def number(value: float) -> str:
    """With three digits that tell something."""
    if value == 0.0:
        return "0"
    return f"{value:.{min(9, max(0, 2 - math.floor(math.log10(abs(value)))))}f}"


def device_name(result: Result) -> str:
    """The board, or the processor; a processor that is emulated is called so everywhere."""
    device = result.device
    name = device.get("model") or device.get("cpu") or device.get("machine") or "unknown device"
    return f"{name} (emulated)" if device.get("emulated") else str(name)


def marks(results: Sequence[Result]) -> list[str]:
    """A letter for each of several results; "" for a single one."""
    if len(results) == 1:
        return [""]
    return [
        chr(ord("A") + place % 26) + (str(place // 26 + 1) if place >= 26 else "")
        for place in range(len(results))
    ]


def device_names(results: Sequence[Result]) -> list[str]:
    """A name for each; a letter comes first where there are several: "A: Raspberry Pi 5"."""
    names = map(device_name, results)
    return [
        f"{mark}: {name}" if mark else name
        for mark, name in zip(marks(results), names, strict=True)
    ]


def all_tables(results: Sequence[Result]) -> list[Table]:
    """Every table that has a row, in the order in which a report has them."""
    stages = [stage_table(results, model, way) for model, way in ways_of(results)]
    return [latency_table(results), *stages, *other_tables(results)]


def other_tables(results: Sequence[Result]) -> list[Table]:
    """What else was measured, beside times of ways."""
    makers = (_live, _cold_start, _memory, _throughput, _energy, operator_table)
    return [table for make in makers if (table := make(results)).rows]


def latency_table(results: Sequence[Result]) -> Table:
    """From sound to answer, end to end: a row for each result, model and way."""

    def rows(result: Result) -> Iterator[tuple[str, ...]]:
        for timing in _in_order(result):
            if timing.stage == TOTAL:
                shares = [number(ms) for ms in percentiles_ms(timing.samples_s).values()]
                factor = _real_time_factor(result, timing)
                count = str(len(timing.samples_s))
                yield timing.model, timing.way, *shares, factor, count

    ways = {way for _, way in ways_of(results)}
    note = "; ".join(f"{way}: {WHAT_WAYS_ARE[way]}" for way in WAYS if way in ways)
    header = ("way", *_PERCENTILES, "real-time factor", "runs")
    return _rows("From sound to answer", header, results, rows, note)


def stage_table(results: Sequence[Result], model: str, way: str) -> Table:
    """Each stage of one way of one model; several results side by side, with less of each."""
    shares = ("p50", "p90", "p95", "p99", "max") if len(results) == 1 else ("p50", "p95")
    found = [
        {t.stage: t for t in _in_order(result) if (t.model, t.way) == (model, way)}
        for result in results
    ]
    rows = [
        (stage, *(word for timings in found for word in _words(timings.get(stage), shares)))
        for stage in (*STAGES, TOTAL)
        if any(stage in timings for timings in found)
    ]
    header = [f"{mark} {share} ms".strip() for mark in marks(results) for share in shares]
    return Table(f"Stages: {model}, {way}", ("stage", *header), tuple(rows))


def facts_table(title: str, results: Sequence[Result], part: str) -> Table:
    """What `device`, `software` or `settings` say; the results side by side."""
    parts = [getattr(result, part) for result in results]
    keys = list(dict.fromkeys(key for facts in parts for key in facts))
    rows = [(key.replace("_", " "), *(_said(facts.get(key)) for facts in parts)) for key in keys]
    return Table(title, ("", *device_names(results)), tuple(rows))


def ways_of(results: Sequence[Result]) -> list[tuple[str, str]]:
    """Models and ways that any result has, in their order."""
    return list(dict.fromkeys((t.model, t.way) for one in results for t in _in_order(one)))


_PERCENTILES = ("p50 ms", "p90 ms", "p95 ms", "p99 ms", "max ms")


def _in_order(result: Result) -> list[Timing]:
    """Timings that have samples, by model and way."""
    names = [model["name"] for model in result.models]
    places = {name: place for place, name in enumerate([*names, *WAYS])}
    timings = [timing for timing in result.timings if timing.samples_s]
    return sorted(timings, key=lambda t: (places.get(t.model, 0), places.get(t.way, 0)))


def _real_time_factor(result: Result, timing: Timing) -> str:
    """Time by the sound that it answers for: a window's length, or a hop's."""
    facts = next((one for one in result.models if one["name"] == timing.model), {})
    seconds = facts.get({"window": "window_s", "stream": "hop_s"}.get(timing.way, ""))
    return number(median(timing.samples_s) / seconds) if seconds else ABSENT


def _words(timing: Timing | None, shares: Sequence[str]) -> list[str]:
    if timing is None:
        return [ABSENT] * len(shares)
    found = percentiles_ms(timing.samples_s)
    return [number(found[share]) for share in shares]


def _live(results: Sequence[Result]) -> Table:
    return _rows(
        "Listening in real time",
        ("hop s", "hops", "missed", "share of a core %"),
        results,
        lambda one: (
            (x.model, number(x.hop_s), str(x.hops), str(x.missed), number(100 * x.cpu_share))
            for x in one.live
        ),
        "Missed: the answer was not there when the next hop was due.",
    )


def _cold_start(results: Sequence[Result]) -> Table:
    return _rows(
        "Cold start",
        ("import s", "load s", "first answer s", "processes"),
        results,
        lambda one: (
            (
                x.model,
                *(_median(times) for times in (x.import_s, x.load_s, x.first_answer_s)),
                str(max(len(x.import_s), len(x.first_answer_s))),
            )
            for x in one.cold_start
        ),
        "Medians over fresh processes; files were in memory already.",
    )


def _memory(results: Sequence[Result]) -> Table:
    return _rows(
        "Memory of a process",
        ("resident MB", "peak MB", "TFLite Micro arena kB"),
        results,
        lambda one: (
            (x.model, number(x.rss_mb), number(x.peak_mb), _kilobytes(x.arena_bytes))
            for x in one.memory
        ),
    )


def _throughput(results: Sequence[Result]) -> Table:
    return _rows(
        "Throughput",
        ("threads", "windows per s"),
        results,
        lambda one: ((x.model, str(x.threads), number(x.windows_per_s)) for x in one.throughput),
    )


def _energy(results: Sequence[Result]) -> Table:
    return _rows(
        "Energy",
        ("way", "meter", "mean W", "mJ per answer"),
        results,
        lambda one: (
            (
                x.model or "(at rest)",
                x.way,
                x.meter,
                number(x.joules / x.seconds),
                number(1e3 * x.joules / x.answers) if x.answers else ABSENT,
            )
            for x in one.energy
        ),
        "Of all that the meter sees, what the machine takes at rest included.",
    )


def operator_words(row: Mapping[str, Any]) -> tuple[str, ...]:
    """A row of `Result.operators`, by OPERATOR_COLUMNS."""
    last = row["index"] + row["operators"] - 1
    indices = str(row["index"]) if last == row["index"] else f"{row['index']} - {last}"
    low, high, middle = (f"{1e6 * row[name]:.1f}" for name in ("low_s", "high_s", "median_s"))
    share = f"{100 * row['share']:.1f}"
    return row["network"], indices, row["operator"], middle, f"{low} to {high}", share


OPERATOR_COLUMNS = ("network", "number", "operators", "µs", "95 % interval", "share %")


def operator_table(results: Sequence[Result]) -> Table:
    """What `edge-asc bench operators` added to results."""
    return _rows(
        "Operators",
        OPERATOR_COLUMNS,
        results,
        lambda one: ((str(row["model"]), *operator_words(row)) for row in one.operators),
        "What each adds to its network's time. An interval that holds 0: it cannot be told from"
        " nothing. Joined by +: faster together than the first one alone.",
    )


def _rows(
    title: str,
    header: tuple[str, ...],
    results: Sequence[Result],
    rows_of: Callable[[Result], Iterator[tuple[str, ...]]],
    note: str = "",
) -> Table:
    """Rows of each result, with its letter before them where there are several."""
    marked = [
        ((mark, *row) if mark else row)
        for mark, result in zip(marks(results), results, strict=True)
        for row in rows_of(result)
    ]
    before = ("", "model") if len(results) > 1 else ("model",)
    return Table(title, (*before, *header), tuple(marked), note)


def _median(values: Sequence[float]) -> str:
    return number(median(values)) if values else ABSENT


def _kilobytes(num_bytes: int | None) -> str:
    return ABSENT if num_bytes is None else number(num_bytes / 1e3)


def _said(value: Any) -> str:  # noqa: ANN401
    if value is None:
        return ABSENT
    if isinstance(value, dict):
        return ", ".join(f"{key} {item}" for key, item in value.items())
    return (
        {True: "yes", False: "no"}.get(value, str(value)) if isinstance(value, bool) else str(value)
    )


def _is_number_column(table: Table, place: int) -> bool:
    words = [row[place] for row in table.rows if row[place] != ABSENT]
    return bool(words) and all(word[0] in "+-0123456789" for word in words)


def _in_markdown(word: str) -> str:
    return word.replace("|", "\\|")
