"""What is to be seen of the terminal view from across the room: the scene, or why there is none."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from edge_asc.decision import UNKNOWN_SCENE, Decision
from edge_asc.messages import Report
from edge_asc.scenes import display_name
from edge_asc.sinks.console import duration, scene_name
from edge_asc.sinks.live_past import scene_colour
from edge_asc.sinks.live_state import Snapshot
from edge_asc.sinks.live_text import Glyphs, Line, crop, num_cells, printable, spread

_GREY, _YELLOW, _RED = "#000000 on #a8b0b8", "#000000 on #e0b000", "#ffffff on #b3261e"


@dataclass(frozen=True, slots=True)
class Headline:
    """A title with what belongs to it."""

    title: str
    detail: str
    style: str = _GREY
    figure: str = ""


def headline(snapshot: Snapshot) -> Headline:
    """The decided scene, or why there is none."""
    lasts = f"for {duration(snapshot.state_s)}"
    if snapshot.state == "paused":
        what = "what sounds is thrown away" if snapshot.about.live else "the recording waits"
        return Headline("paused", f"{lasts}; {what}", _YELLOW)
    if snapshot.state == "no sound":
        return Headline("no sound", f"{lasts}; {snapshot.trouble or 'nothing comes'}", _RED)
    if snapshot.state == "ended":
        return Headline("ended", "what waits is being delivered")
    if snapshot.report is None:
        if snapshot.state == "starting":
            return Headline("starting", snapshot.trouble or "no sound has come yet")
        return Headline("listening", snapshot.progress)
    if snapshot.report.decision is None:
        return _likeliest(snapshot.report)
    return _decided(snapshot, snapshot.report, snapshot.report.decision)


def _likeliest(report: Report) -> Headline:
    estimate = report.estimate
    return Headline(
        display_name(estimate.scene),
        "the likeliest; nothing is decided",
        _style_of(estimate.scene, estimate.scenes),
        percent(estimate.confidence),
    )


def _decided(snapshot: Snapshot, report: Report, decision: Decision) -> Headline:
    again = f" ({snapshot.progress})" if snapshot.progress else ""
    if decision.scene is None or decision.since_s is None:
        return Headline("undecided", f"no scene is far enough ahead{again}")
    lasted_s = report.estimate.end_s - decision.since_s
    since = f"{duration(decision.since_s)} after the beginning"
    if snapshot.about.wall_clock and report.time is not None:
        since = f"{report.time - timedelta(seconds=lasted_s):%H:%M:%S}"
    detail = f"for {duration(lasted_s)}, since {since}{again}"
    name = scene_name(decision.scene)
    if decision.confidence is None:
        assert decision.scene == UNKNOWN_SCENE
        return Headline(name, detail)
    style = _style_of(decision.scene, decision.scenes)
    return Headline(name, detail, style, percent(decision.confidence))


def banner(what: Headline, width: int, num_rows: int, glyphs: Glyphs) -> list[Line]:
    """The headline on a coloured ground; with four rows there is some air around it."""
    title = what.title.upper()
    spaced = " ".join(title)
    figure: Line = [(f"{what.figure}  ", f"bold {what.style}")]
    room = width - 2 - num_cells(what.figure) - 3
    name = spaced if num_cells(spaced) <= room else crop(title, room, glyphs)
    detail = crop(f"  {printable(what.detail)}", width, glyphs)
    rows = [
        spread([(f"  {name}", f"bold {what.style}")], figure, width, what.style),
        spread([(detail, what.style)], [], width, what.style),
    ]
    air = [spread([], [], width, what.style)]
    return [*air, *rows, *air] if num_rows >= 4 else rows[:num_rows]


def percent(share: float) -> str:
    """A share as people read it."""
    return f"{100 * share:.0f} %"


def _style_of(scene: str, scenes: tuple[str, ...]) -> str:
    return f"#000000 on {scene_colour(scenes.index(scene))}"
