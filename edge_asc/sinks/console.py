"""Reports and gaps as lines for people."""

from __future__ import annotations

from collections.abc import Callable
from typing import TextIO

from edge_asc.classifier import SceneEstimate
from edge_asc.scenes import display_name
from edge_asc.sinks import Gap, Report
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

    def write(self, report: Report) -> None:
        """Write `report` as one line."""
        text = format_estimate(report.estimate, blocks=self._blocks)
        self._write_line(f"{self._label(report)}  {text}")

    def _write_line(self, line: str) -> None:
        # A file's name may hold what the encoding has not; better a question mark than no line.
        self._lines.write(line.encode(self._encoding, "replace").decode(self._encoding))


class StreamConsole(Console):
    """The same for a stream; `live` ones are labelled with the time of day, others with seconds."""

    def __init__(self, stream: TextIO, *, live: bool) -> None:
        self._label_stream = wall_clock if live else elapsed
        super().__init__(stream, self._label_stream)

    def write_gap(self, gap: Gap) -> None:
        """Write `gap` as one line."""
        self._write_line(f"{self._label_stream(gap)}  {format_gap(gap)}")


def elapsed(report: Report | Gap) -> str:
    """The label of a recording that is played: seconds since it began."""
    end_s = report.end_s if isinstance(report, Gap) else report.estimate.end_s
    return f"{end_s:5.0f} s"


def wall_clock(report: Report | Gap) -> str:
    """The label of a live stream: the time of day."""
    return f"{report.time:%H:%M:%S}" if report.time else elapsed(report)


def format_gap(gap: Gap) -> str:
    """What was lost and why, and that a new window begins."""
    return f"--- lost {gap.lost_s:.1f} s of sound: {gap.cause} ---"


def format_estimate(estimate: SceneEstimate, *, blocks: bool) -> str:
    """The first scene with a bar, and the next two.

    restaurant         83 %  #################     (bar 9 %, bus 3 %)
    """
    (scene, probability), *others = estimate.ranked(3)
    width = max(len(name) for name in estimate.scenes)
    rest = ", ".join(f"{display_name(name)} {_percent(p)} %" for name, p in others)
    marks = [
        text
        for text, applies in (
            ("short, repeated to a whole window", estimate.padded),
            ("first after lost sound", estimate.after_gap),
        )
        if applies
    ]
    line = (
        f"{display_name(scene):<{width}} {_percent(probability):>3} %"
        f"  {format_bar(probability, blocks=blocks):<{BAR_CELLS}}  ({rest})"
    )
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
