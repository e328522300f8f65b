"""A comparison with peers as Markdown: a table, what its rows are, what it was measured with."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from statistics import median

import numpy as np

from edge_asc.benchmarks.bench.bootstrap import resampled_percentiles
from edge_asc.benchmarks.bench.compare import MIN_SAMPLES
from edge_asc.benchmarks.bench.peers import PARTS, left_out
from edge_asc.benchmarks.bench.result import TOTAL, Result
from edge_asc.benchmarks.bench.text import markdown_table

_CLOCKS = {
    "wall": "by the clock",
    "cpu": "by processor time, which stands still while other programs run",
}


def ratio(samples_s: Sequence[float], of_s: Sequence[float], seed: int) -> tuple[float, ...]:
    """How many times the median of `of_s` that of `samples_s` is, and where that lies with 95 %.

    The ratio alone where there are too few samples for an interval.
    """
    found = median(samples_s) / median(of_s)
    if min(len(samples_s), len(of_s)) < MIN_SAMPLES[50]:
        return (found,)
    rng = np.random.default_rng(seed)
    one, other = (
        resampled_percentiles(np.array(each), (50,), rng)[0] for each in (samples_s, of_s)
    )
    low, high = np.percentile(one / other, [2.5, 97.5])
    return found, float(low), float(high)


def describe_peers(result: Result, missing: Mapping[str, str]) -> Iterator[str]:
    """Lines; `missing` are peers that could not be made, and why."""
    yield from _table(result)
    yield ""
    settings, device = result.settings, result.device
    if not result.complete:
        yield "Interrupted: this is what had been measured by then.\n"
    yield "`*`: random weights, cost only.\n"
    yield (
        f"Medians of {settings['runs']} runs of each row, in shuffled order in one process on one"
        f" thread, {_CLOCKS[settings['clock']]}, after {settings['warm_up']} to warm up (seed"
        f" {settings['seed']}). Sound: {settings['audio']}, in memory, at the front end's own rate."
    )
    yield f"Machine: {device.get('cpu') or device['machine']}, Python {device['python']}."
    yield f"Software: {', '.join(f'{name} {said}' for name, said in result.software.items())}."
    yield from _section("What the rows are", _rows_explained(result))
    yield from _section("Left out", left_out(missing))
    yield from _section("Warnings", result.warnings)


def _table(result: Result) -> Iterator[str]:
    times = {(each.model, each.way, each.stage): each.samples_s for each in result.timings}
    first, seed = result.models[0]["name"], result.settings["seed"]
    of_s = times.get((first, "window", TOTAL))
    rows = [["ms for 10 s of sound", "front end", "network", "together", "times the first"]]
    for model in result.models:
        for way, name in (("window", _name(model)), ("stream", "one more second of its stream")):
            samples = [times.get((model["name"], way, part), ()) for part in PARTS]
            if samples[-1] and of_s:
                shown = [f"{1e3 * median(each):.2f}" if each else "" for each in samples]
                is_first = (model["name"], way) == (first, "window")
                times_first = "1" if is_first else _ratio_text(ratio(samples[-1], of_s, seed))
                rows.append([name, *shown, times_first])
    yield from markdown_table(rows)


def _name(model: Mapping[str, str]) -> str:
    mark = "*" if model["weights"].startswith("random") else ""
    return f"{model['name']}{mark}"


def _ratio_text(found: tuple[float, ...]) -> str:
    value, *interval = (f"{each:.{3 if each < 1 else 2 if each < 10 else 1}f}" for each in found)
    return f"{value} ({' - '.join(interval)})" if interval else value


def _rows_explained(result: Result) -> Iterator[str]:
    for model in result.models:
        yield f"{_name(model)}: {model['about']}; {model['weights']}; {model['runtime']}"


def _section(title: str, lines: Iterator[str] | Sequence[str]) -> Iterator[str]:
    found = list(lines)
    if found:
        yield from ("", f"{title}:", "")
        yield from (f"- {line}" for line in found)
