"""`--format live`: the view on the terminal with its keys, or plain lines and why."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TextIO

from edge_asc.commands.options import DEMONSTRATION_NOTE, packages
from edge_asc.commands.status_line import StatusLine

if TYPE_CHECKING:
    from edge_asc.commands.output_options import Listening
    from edge_asc.outputs import Output


@dataclass(frozen=True, slots=True)
class Foreground:
    """What a run shares with who sits at the terminal."""

    line: StatusLine
    quit: Callable[[], None]
    """End listening because somebody asks for it; from any thread"""
    stack: ExitStack
    """Closed in the main thread, after all outputs"""


def why_plain(stream: TextIO, environment: Mapping[str, str]) -> str | None:
    """Why there cannot, or should not, be a view on `stream`; None if there can."""
    if not stream.isatty():
        return "standard output is not a terminal"
    if environment.get("NO_COLOR"):
        return "NO_COLOR is set"
    if environment.get("TERM", "dumb") in ("dumb", "unknown"):
        return "TERM names no terminal that can be drawn upon"
    return None


def open_live(options: dict[str, Any], listening: Listening) -> Output | None:
    """The view, which has the terminal from now on; None, and a word why, for plain lines."""
    if reason := why_plain(sys.stdout, os.environ):
        listening.say(f"plain lines instead of the live view: {reason}")
        return None
    with packages("live"):
        from edge_asc.sinks.live_view import LiveView
    from edge_asc.commands.keys import BorrowedTerminal, Keyboard
    from edge_asc.sinks.live_state import About, LiveState

    source, manifest, foreground = listening.source, listening.manifest, listening.foreground
    keyboard = Keyboard.open()
    about = About(
        manifest.name,
        manifest.quantization,
        DEMONSTRATION_NOTE if manifest.demonstration else "",
        manifest.scenes,
        source.name,
        options["city"],
        listening.wall_clock,
        source.live,
        keys=keyboard is not None,
    )
    state = LiveState(about, listening.vitals)
    view = LiveView(sys.stdout, state)

    def press(key: str) -> None:
        if key in "qQ":
            foreground.quit()
        elif key in "pP":
            source.toggle()
            view.redraw()

    foreground.stack.enter_context(foreground.line.lent(state))
    foreground.stack.enter_context(BorrowedTerminal(view, keyboard, press))
    return view
