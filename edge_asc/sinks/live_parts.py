"""The parts of the terminal view: each is drawn from a snapshot, into a width."""

from __future__ import annotations

import math

from edge_asc.level import Level
from edge_asc.messages import OutputState
from edge_asc.scenes import display_name
from edge_asc.sinks.console import duration
from edge_asc.sinks.live_headline import percent
from edge_asc.sinks.live_past import LABEL_CELLS, level_share, scene_colour, scene_letters
from edge_asc.sinks.live_state import Snapshot
from edge_asc.sinks.live_text import (
    Glyphs,
    Line,
    bar,
    crop,
    fit,
    length,
    marked_bar,
    num_cells,
    pad,
    printable,
)

STATE_STYLES = {
    "starting": "bold cyan",
    "listening": "bold green",
    "no sound": "bold red",
    "paused": "bold yellow",
    "ended": "bold",
}
OUTPUT_STYLES = {"ok": "green", "waiting": "bold yellow", "failing": "bold red"}

ZONES = ((-20.0, "green"), (-6.0, "yellow"), (math.inf, "red"))
"""Colours of the level meter, each up to its dBFS"""

CLIPPED_DBFS = -0.1

WIDE = 60
"""From here on there is room for both numbers of a scene"""


def header(snapshot: Snapshot, width: int, glyphs: Glyphs) -> Line:
    """The program, what it hears, with what, where."""
    about = snapshot.about
    items: list[Line] = [[(printable(about.source), "bold")]]
    items += [[(printable(f"model {about.model} ({about.quantization})"), "")]]
    items += [[(about.city, "")]] if about.city else []
    name: Line = [(" edge-asc ", "bold reverse"), (" ", "")]
    return [*name, *fit(items, max(1, width - length(name)), glyphs)]


def warning(snapshot: Snapshot, width: int, glyphs: Glyphs) -> Line:
    """What to think of the model."""
    return [(crop(f" {printable(snapshot.about.warning)}", width, glyphs), "yellow")]


def bars(snapshot: Snapshot, width: int, count: int, glyphs: Glyphs) -> list[Line]:
    """Belief in each scene, with a mark for what this window alone says; the `count` likeliest."""
    scenes = snapshot.about.scenes
    belief, own, decided = _shares(snapshot)
    shown = sorted(range(len(scenes)), key=lambda index: -belief[index])[:count]
    letters = scene_letters(scenes)
    name_cells = min(max(map(num_cells, scenes)), max(8, width // 4))
    lines = []
    for index in sorted(shown):
        scene, colour = scenes[index], scene_colour(index)
        style = "bold" if scene == decided else ""
        line: Line = [
            (f" {glyphs.pointer if scene == decided else ' '} ", "bold"),
            (f"{letters[scene]} ", f"bold {colour}"),
            (pad(printable(display_name(scene)), name_cells, glyphs) + " ", style),
        ]
        room = width - length(line)
        if own is not None:
            line += _both(belief[index], own[index], room, width >= WIDE, style, colour, glyphs)
        elif snapshot.report is not None:
            line.append((bar(belief[index], max(1, room - 6), glyphs), colour))
            line.append((f" {percent(belief[index]):>5}", style))
        lines.append(line)
    return lines


def _shares(snapshot: Snapshot) -> tuple[list[float], list[float] | None, str | None]:
    """Belief in each scene; the window's own probabilities, None where nothing is decided by them;
    the decided scene.
    """
    report = snapshot.report
    if report is None:
        return [0.0] * len(snapshot.about.scenes), None, None
    own = [float(share) for share in report.estimate.probabilities]
    if report.decision is None:
        return own, None, None
    return [float(share) for share in report.decision.belief], own, report.decision.scene


def _both(
    belief: float, own: float, room: int, numbers: bool, style: str, colour: str, glyphs: Glyphs
) -> Line:
    """Bar and mark with the number of the bar, and that of the mark if there is room for both."""
    cells = max(1, room - (14 if numbers else 6))
    line = marked_bar(belief, own, cells, colour, "#000000", glyphs)
    line.append((f" {percent(belief):>5}", style))
    return [*line, (f" {glyphs.mark}{percent(own):>5}", "dim")] if numbers else line


def legend(width: int, glyphs: Glyphs) -> Line:
    """What the bars mean."""
    text = f"{glyphs.bar[-1]} belief   {glyphs.mark} this window alone "
    return [(crop(f"{text:>{width}}", width, glyphs), "dim")]


def meter(snapshot: Snapshot, width: int, glyphs: Glyphs) -> Line:
    """The level of the last second, with a mark for its peak."""
    label: Line = [(f" {'level':<{LABEL_CELLS}}", "dim")]
    level = snapshot.level
    if level is None or snapshot.state != "listening":
        return [*label, (glyphs.separator, "dim")]
    if level.peak_dbfs == -math.inf:
        return [*label, ("digital silence", "bold red")]
    text = f"{level.rms_dbfs:6.1f} dBFS"
    clipped = level.peak_dbfs >= CLIPPED_DBFS
    words = "clipped" if clipped else f"peak {level.peak_dbfs:.1f}"
    wide = width >= WIDE
    cells = max(1, width - LABEL_CELLS - 3 - len(text) - 2 - (13 if wide else 0))
    line: Line = [*label, (glyphs.ends[0], "dim"), *_zones(level, cells, glyphs)]
    line += [(glyphs.ends[1], "dim"), (text, "bold")]
    return [*line, (f"  {words}", "bold red" if clipped else "dim")] if wide else line


def _zones(level: Level, cells: int, glyphs: Glyphs) -> Line:
    text = bar(level_share(level.rms_dbfs), cells, glyphs)
    at = min(cells - 1, int(level_share(level.peak_dbfs) * cells))
    text = text[:at] + glyphs.mark + text[at + 1 :]
    line: Line = []
    begin = 0
    for up_to_dbfs, colour in ZONES:
        end = round(level_share(up_to_dbfs) * cells)
        line.append((text[begin:end], colour))
        begin = end
    return line


def state(snapshot: Snapshot, width: int, glyphs: Glyphs) -> Line:
    """How listening goes; what matters most comes first and is kept longest."""
    now, trouble = snapshot.state, snapshot.trouble
    items: list[Line] = [[(f"{glyphs.dot} {now}", STATE_STYLES[now])]]
    if snapshot.num_gaps:
        gaps = "1 gap" if snapshot.num_gaps == 1 else f"{snapshot.num_gaps} gaps"
        items.append([(f"{gaps}, {duration(snapshot.lost_s)} lost", "bold red")])
    else:
        items.append([("no gap", "")])
    if snapshot.latency_ms is not None:
        items.append([(f"latency {snapshot.latency_ms:.0f} ms", "")])
    items.append([(f"heard {duration(snapshot.heard_s)}", "")])
    if trouble and now != "no sound":
        items.append([(printable(trouble), "bold red")])
    elif snapshot.cause:
        items.append([(f"last gap: {printable(snapshot.cause)}", "dim")])
    return [(" ", ""), *fit(items, width - 1, glyphs)]


def outputs(snapshot: Snapshot, width: int, count: int, glyphs: Glyphs) -> list[Line]:
    """Each output, those in trouble first; the last line stands for those that do not fit."""
    order = ("failing", "waiting", "ok")
    ranked = sorted(snapshot.outputs, key=lambda output: order.index(output.state))
    if len(ranked) <= count:
        return [_output(output, width, glyphs) for output in ranked]
    lines = [_output(output, width, glyphs) for output in ranked[: count - 1]]
    rest = ranked[count - 1 :]
    if rest[0].state != "ok":
        return [*lines, _output(rest[0], width, glyphs)]
    text = f" {glyphs.dot} {len(rest)} outputs: ok"
    return [*lines, [(crop(text, width, glyphs), OUTPUT_STYLES["ok"])]]


def _output(output: OutputState, width: int, glyphs: Glyphs) -> Line:
    style = OUTPUT_STYLES[output.state]
    counts = [f"{output.queued} queued"] if output.queued else []
    counts += [f"{output.lost} lost"] if output.lost else []
    how = ", ".join([output.state, *counts]) + (f": {output.error}" if output.error else "")
    line: Line = [(f" {glyphs.dot} ", style), (f"{printable(output.name)}  ", "")]
    if length(line) > width // 2:
        line[1] = (pad(printable(output.name), max(1, width // 2 - 5), glyphs) + "  ", "")
    return [*line, (crop(printable(how), width - length(line), glyphs), style)]


def notes(snapshot: Snapshot, width: int, count: int, glyphs: Glyphs) -> list[Line]:
    """The last notes, the newest at the bottom."""
    lines: list[Line] = []
    for time, text in snapshot.notes[-count:]:
        label = f" {time:%H:%M:%S}  "
        lines.append([(label, "dim"), (crop(printable(text), width - len(label), glyphs), "")])
    return lines


def keys(snapshot: Snapshot, width: int, glyphs: Glyphs) -> Line:
    """What can be pressed."""
    if not snapshot.about.keys:
        return [(crop(" no keys: there is no terminal to read them from", width, glyphs), "dim")]
    pause = "continue" if snapshot.state == "paused" else "pause"
    return [
        (" ", ""),
        *((" q ", "reverse"), (" quit   ", "")),
        *((" p ", "reverse"), (f" {pause}", "")),
    ]
