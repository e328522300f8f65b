"""A result as text, for a terminal; as Markdown it can be pasted as it is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from statistics import median
from typing import Any

from edge_asc.benchmarks.bench.energy import CONSTANT
from edge_asc.benchmarks.bench.result import TOTAL, Moment, Result, percentiles_ms

_WAYS = {
    "window": "a whole window at once",
    "stream": "one more hop of a stream, as fast as it goes",
    "live": "one more hop of a stream in real time, from the arrival of its last sample",
}


def describe(result: Result) -> Iterator[str]:
    """Lines: the machine, a table of times for each model and way, and what else was measured."""
    yield from _head(result)
    for model in result.models:
        name = model["name"]
        yield from ("", f"## {name} ({model['quantization']}, {model['runtime']})")
        for way, meaning in _WAYS.items():
            yield from _times(result, name, way, meaning)
        yield from _facts(result, model)
    if result.warnings:
        yield from ("", "## Warnings", "")
        yield from (f"- {warning}" for warning in result.warnings)


def _head(result: Result) -> Iterator[str]:
    device, settings = result.device, result.settings
    board = device.get("model") or device["machine"]
    cpu = f", {device['cpu']}" if "cpu" in device else ""
    clock = f" at up to {device['max_clock_mhz']:.0f} MHz" if "max_clock_mhz" in device else ""
    yield f"# {board}{cpu}{clock}" + (" (emulated)" if "emulated" in device else "")
    yield ""
    memory = f"{device['memory_mb']} MB, " if "memory_mb" in device else ""
    governor = f", governor {device['governor']}" if "governor" in device else ""
    system = f"{device.get('system', 'Linux')}, {device['kernel']}"
    yield f"{device['cores']} cores, {memory}{system}, Python {device['python']}{governor}"
    synthetic = "synthetic " if settings.get("synthetic") else ""
    yield (
        f"{synthetic}sound: {settings['audio']} ({settings['rate_hz']} Hz,"
        f" {settings['audio_format']}); {settings['runs']} runs in shuffled order after"
        f" {settings['warm_up']} to warm up, seed {settings['seed']}"
    )
    yield from _meanwhile(result.timeline)
    if not result.complete:
        yield "not complete: this is what had been measured when the run ended"


def _meanwhile(timeline: Sequence[Moment]) -> Iterator[str]:
    """From the lowest to the highest of what the machine told during the run."""
    parts = []
    for name, what, unit in _MOMENTS:
        found = [value for moment in timeline if (value := getattr(moment, name)) is not None]
        if found:
            parts.append(f"{what} {min(found):.{unit[1]}f} to {max(found):.{unit[1]}f}{unit[0]}")
    if parts:
        yield f"meanwhile: {', '.join(parts)}"


_MOMENTS = (
    ("temperature_c", "temperature", (" °C", 0)),
    ("clock_mhz", "clock", (" MHz", 0)),
    ("load_1min", "load", ("", 2)),
)


def _times(result: Result, name: str, way: str, meaning: str) -> Iterator[str]:
    timings = [each for each in result.timings if (each.model, each.way) == (name, way)]
    if not timings:
        return
    rows = [["ms", "p50", "p90", "p95", "p99", "max"]]
    for timing in timings:
        stage = "**end to end**" if timing.stage == TOTAL else timing.stage
        rows.append([stage, *(f"{ms:.3f}" for ms in percentiles_ms(timing.samples_s).values())])
    yield from ("", f"{way}: {meaning}; {len(timings[0].samples_s)} times", "")
    yield from markdown_table(rows)


def _facts(result: Result, model: Mapping[str, Any]) -> Iterator[str]:
    name = model["name"]
    facts = [
        *_speed(result, model),
        *_live(result, name),
        *_starts(result, name),
        *_energy(result, name),
    ]
    if facts:
        yield ""
        yield from (f"- {fact}" for fact in facts)


def _speed(result: Result, model: Mapping[str, Any]) -> Iterator[str]:
    name, sound_s = model["name"], {"window": model["window_s"], "stream": model["hop_s"]}
    for timing in result.timings:
        if (timing.model, timing.stage) == (name, TOTAL) and timing.way in sound_s:
            factor = median(timing.samples_s) / sound_s[timing.way]
            yield (
                f"real-time factor, {timing.way}: {factor:.5f} ({1 / factor:,.0f} times real time)"
            )
    found = [each for each in result.throughput if each.model == name]
    if found:
        rates = ", ".join(f"{each.windows_per_s:.1f} ({each.threads})" for each in found)
        yield f"windows a second (threads): {rates}"


def _live(result: Result, name: str) -> Iterator[str]:
    for each in result.live:
        if each.model == name:
            yield (
                f"live, a hop every {each.hop_s:g} s for {each.seconds:.0f} s: {each.missed} of"
                f" {each.hops} answers came after the next hop was due;"
                f" {100 * each.cpu_share:.2f} % of a core"
            )
            yield from _drift(result, name)


def _drift(result: Result, name: str) -> Iterator[str]:
    """Whether a long run became slower."""
    for timing in result.timings:
        if (timing.model, timing.way, timing.stage) == (name, "live", TOTAL):
            tenth = len(timing.samples_s) // 10
            if tenth >= _DRIFT_HOPS:
                factor = median(timing.samples_s[-tenth:]) / median(timing.samples_s[:tenth])
                yield f"the last tenth of them took {factor:.2f} times as long as the first"


_DRIFT_HOPS = 20
"""A median of fewer says nothing."""


def _starts(result: Result, name: str) -> Iterator[str]:
    for start in result.cold_start:
        if start.model == name:
            times = (start.import_s, start.load_s, start.first_answer_s)
            imports, load, answer = (median(each) for each in times)
            yield (
                f"cold start, median of {len(start.load_s)} processes: modules imported"
                f" {imports:.2f} s, model loaded {load:.2f} s; `edge-asc classify` answers"
                f" after {answer:.2f} s (slowest {max(start.first_answer_s):.2f} s)"
            )
    for memory in result.memory:
        if memory.model == name:
            arena = ""
            if memory.arena_bytes is not None:
                arena = f"; arena in TFLite Micro {memory.arena_bytes / 1e3:.0f} kB"
            yield f"memory: {memory.rss_mb:.1f} MB, at most {memory.peak_mb:.1f} MB{arena}"


def _energy(result: Result, name: str) -> Iterator[str]:
    rows = [each for each in result.energy if each.seconds > 0.0]
    at_rest = {each.meter: each.joules / each.seconds for each in rows if each.model is None}
    for meter, watts in at_rest.items():
        yield f"at rest: {watts:.2f} W by {meter}"
    for each in rows:
        if each.model == name and each.answers:
            watts = each.joules / each.seconds
            threads = f"{each.threads} thread" + ("s" if each.threads > 1 else "")
            line = f"{each.way}, {threads}: {watts:.2f} W by {each.meter},"
            line += f" {1e3 * each.joules / each.answers:.1f} mJ a {_UNITS[each.way]}"
            if each.meter in at_rest and each.meter != CONSTANT:
                above = each.joules - at_rest[each.meter] * each.seconds
                line += f" ({1e3 * above / each.answers:.1f} mJ above rest)"
            yield line


_UNITS = {"window": "window", "stream": "hop", "live": "hop"}


def markdown_table(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Lines of a table, its first row the head; the first column is text, the others numbers."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        " | ".join(
            cell.ljust(width) if index == 0 else cell.rjust(width)
            for index, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    ]
    rule = "|".join(
        "-" * (width + 2) if index == 0 else "-" * (width + 1) + ":"
        for index, width in enumerate(widths)
    )
    yield f"| {lines[0]} |"
    yield f"|{rule}|"
    yield from (f"| {line} |" for line in lines[1:])
