"""Reports as lines for people."""

from __future__ import annotations

from collections.abc import Callable
from typing import TextIO

from edge_asc.classifier import SceneEstimate
from edge_asc.scenes import display_name
from edge_asc.sinks import Report

BAR_CELLS = 20

_EIGHTHS = " ▏▎▍▌▋▊▉█"


class Console:
    """Writes each report to a text stream as a line, after what `label` says of it, and flushes.

    The bar is drawn with block characters where the stream's encoding has them, else with number
    signs.
    """

    def __init__(self, stream: TextIO, label: Callable[[Report], str]) -> None:
        self._stream = stream
        self._encoding = stream.encoding or "ascii"
        self._blocks = _can_encode(_EIGHTHS, self._encoding)
        self._label = label

    def write(self, report: Report) -> None:
        """Write `report` as one line."""
        line = f"{self._label(report)}  {format_estimate(report.estimate, blocks=self._blocks)}\n"
        # A file's name may hold what the encoding has not; better a question mark than no line.
        self._stream.write(line.encode(self._encoding, "replace").decode(self._encoding))
        self._stream.flush()


def elapsed(report: Report) -> str:
    """The label of a recording that is played: seconds since it began."""
    return f"{report.estimate.end_s:5.0f} s"


def wall_clock(report: Report) -> str:
    """The label of a live stream: the time of day."""
    return f"{report.time:%H:%M:%S}" if report.time else elapsed(report)


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
