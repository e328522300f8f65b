"""Messages as lines for people."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import TextIO

from edge_asc.decision import UNKNOWN_SCENE
from edge_asc.messages import Gap, Health, Message, Report, SceneChange
from edge_asc.scenes import display_name
from edge_asc.sinks.lines import Lines

BAR_CELLS = 20

_EIGHTHS = " ▏▎▍▌▋▊▉█"


class Console:
    """Writes each report to a text stream as a line, after what `label` says of it, and flushes.

    The bar is drawn with block characters where the stream's encoding has them, else with number
    signs.
    """

    def __init__(self, stream: TextIO, label: Callable[[Report], str]) -> None:
        self._lines = Lines(stream)
        self._encoding = stream.encoding or "ascii"
        self._blocks = _can_encode(_EIGHTHS, self._encoding)
        self._label = label

    def takes(self, message: Message) -> bool:
        return isinstance(message, Report)

    def write(self, message: Message) -> None:
        """Write `message` as one line, if it is a report."""
        if isinstance(message, Report):
            text = format_report(message, blocks=self._blocks)
            self._write_line(f"{self._label(message)}  {text}")

    def _write_line(self, line: str) -> None:
        # A file's name may hold what the encoding has not; better a question mark than no line.
        self._lines.write(line.encode(self._encoding, "replace").decode(self._encoding))


class StreamConsole(Console):
    """The same for a stream, with its gaps and changes of scene.

    Lines of a `live` one are labelled with the time of day, others with seconds.
    """

    def __init__(self, stream: TextIO, *, live: bool) -> None:
        self._live = live
        super().__init__(stream, self._label_message)

    def takes(self, message: Message) -> bool:
        return not isinstance(message, Health)

    def write(self, message: Message) -> None:
        """Write `message` as one line, unless it is about health."""
        if isinstance(message, Gap):
            self._write_line(f"{self._label_message(message)}  {format_gap(message)}")
        elif isinstance(message, SceneChange):
            label = moment(message.time, message.start_s, live=self._live)
            self._write_line(f"{label}  {format_change(message)}")
        else:
            super().write(message)

    def _label_message(self, message: Report | Gap) -> str:
        end_s = message.end_s if isinstance(message, Gap) else message.estimate.end_s
        return moment(message.time, end_s, live=self._live)


def moment(time: datetime | None, stream_s: float, *, live: bool) -> str:
    """The time of day of a live stream, if it is known, else seconds since it began."""
    return f"{time:%H:%M:%S}" if live and time else f"{stream_s:5.0f} s"


def format_gap(gap: Gap) -> str:
    """What was lost and why, and that a new window begins."""
    return f"--- lost {gap.lost_s:.1f} s of sound: {gap.cause} ---"


def format_change(change: SceneChange) -> str:
    """Which scene began or ended, and how long the one before lasted; its label says when."""
    before = change.previous
    lasted = f"{scene_name(before.scene)} for {duration(before.duration_s)}" if before else ""
    if change.scene is None:
        return f"=== end of {lasted} ==="
    return f"=== {scene_name(change.scene)} begins{lasted and f', after {lasted}'} ==="


def duration(seconds: float) -> str:
    """A length of time as people say it: 34 s, 2 min 14 s, 3 h 5 min."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def scene_name(scene: str) -> str:
    """A scene's name for people, `UNKNOWN_SCENE` included."""
    return "unknown scene" if scene == UNKNOWN_SCENE else display_name(scene)


def format_report(report: Report, *, blocks: bool) -> str:
    """The decided scene with a bar, and the next two; without a decision, the likeliest.

    restaurant         83 %  #################     (bar 9 %, bus 3 %)
    """
    estimate, decision = report.estimate, report.decision
    ranked = estimate.ranked(len(estimate.scenes))
    marks = []
    if decision is not None:
        ranked = sorted(
            zip(decision.scenes, map(float, decision.belief), strict=True), key=lambda p: -p[1]
        )
        ranked.sort(key=lambda pair: pair[0] != decision.scene)
        marks += ["undecided"] if decision.scene is None else []
    marks += ["short, repeated to a whole window"] if estimate.padded else []
    marks += ["first after lost sound"] if estimate.after_gap else []
    width = max(len(name) for name in estimate.scenes)
    if decision is not None and decision.scene == UNKNOWN_SCENE:
        name, percent, bar, others = scene_name(UNKNOWN_SCENE), "", "", ranked[:3]
    else:
        (scene, probability), *others = ranked[:3]
        name, percent = display_name(scene), f"{_percent(probability):>3} %"
        bar = format_bar(probability, blocks=blocks)
    rest = ", ".join(f"{display_name(scene)} {_percent(p)} %" for scene, p in others)
    line = f"{name:<{width}} {percent:>5}  {bar:<{BAR_CELLS}}  ({rest})"
    return line + "".join(f" [{mark}]" for mark in marks)


def format_bar(fraction: float, *, blocks: bool) -> str:
    """A bar of at most `BAR_CELLS` characters; `blocks` draws it in eighths of a character."""
    if not blocks:
        return "#" * round(BAR_CELLS * fraction)
    whole, eighths = divmod(round(8 * BAR_CELLS * fraction), 8)
    return _EIGHTHS[8] * whole + (_EIGHTHS[eighths] if eighths else "")


def _percent(probability: float) -> str:
    return f"{100 * probability:.0f}"


def _can_encode(text: str, encoding: str) -> bool:
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return False
    return True
