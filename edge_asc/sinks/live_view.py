"""The terminal view: drawn by rich on the alternate screen, a few times a second at most.

All that touches the terminal happens in one thread of its own: whatever interrupts the others, the
screen is whole, and is given back.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from typing import TextIO

from rich.console import Console, ConsoleDimensions, ConsoleOptions
from rich.live import Live
from rich.segment import Segment

from edge_asc.messages import Message
from edge_asc.sinks.live_layout import frame
from edge_asc.sinks.live_state import TERMINAL, LiveState
from edge_asc.sinks.live_text import Line, glyphs_of

TICK_S = 0.25
"""How often it is looked whether something changed, the size of the terminal included"""

PATIENCE_S = 2.0
"""A terminal that takes nothing holds nobody up for longer."""


class LiveView:
    """Draws a `LiveState` on `stream`, a terminal, from `take` to `give_back`.

    As an output it passes messages on to the state. `write` raises what drawing ended with.
    """

    name = TERMINAL
    is_main = True

    def __init__(self, stream: TextIO, state: LiveState) -> None:
        self._stream, self._state = stream, state
        self._glyphs = glyphs_of(stream.encoding)
        self._wanted = self._anew = self._closed = False
        self._wake, self._given_back = threading.Event(), threading.Event()
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name=self.name, daemon=True)
        self._thread.start()

    def write(self, message: Message) -> None:
        """Take `message` in. Raises OSError if the terminal is gone."""
        if self._error is not None:
            raise self._error
        self._state.write(message)

    def close(self) -> None:
        """No message will come; what is there is drawn until `give_back`, which is the end."""
        self._closed = True
        self._wake.set()

    def take(self) -> None:
        """Begin to draw; anew, after others have drawn on the screen."""
        self._wanted = self._anew = True
        self._wake.set()

    def give_back(self) -> None:
        """Leave the screen as it was before; safe in a signal handler, and called again."""
        self._wanted = False
        self._given_back.clear()
        self._wake.set()
        if self._thread.is_alive():
            self._given_back.wait(PATIENCE_S)

    def redraw(self) -> None:
        """Show at once what has changed."""
        self._wake.set()

    def _run(self) -> None:
        try:
            while self._wanted or not self._closed:
                if self._wanted:
                    self._use_screen()
                else:
                    self._given_back.set()
                    self._wake.wait()
                    self._wake.clear()
        except BaseException as error:  # whoever writes next must hear of it
            self._error = error
        finally:
            self._given_back.set()

    def _use_screen(self) -> None:
        """Draw until the screen is given back, or must be drawn anew."""
        self._anew = False
        console = Console(
            file=self._stream, force_terminal=True, highlight=False, markup=False, emoji=False
        )
        live = Live(
            console=console,
            screen=True,
            auto_refresh=False,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        drawn: object = None
        with live:
            while self._wanted and not self._anew:
                drawn = self._draw(live, drawn)
                self._wake.wait(TICK_S)
                self._wake.clear()

    def _draw(self, live: Live, drawn: object) -> object:
        """Draw unless it would look as what was `drawn`; returns what now is."""
        columns, rows = os.get_terminal_size(self._stream.fileno())
        size = (columns or 80, rows or 24)  # some do not say
        snapshot = self._state.snapshot()
        if (size, snapshot) != drawn:
            live.console.size = ConsoleDimensions(*size)
            lines = frame(snapshot, *size, self._glyphs)
            live.update(Frame(lines, self._stream.encoding), refresh=True)
        return size, snapshot


class Frame:
    """Lines of styled text, for rich."""

    def __init__(self, lines: list[Line], encoding: str) -> None:
        self._lines, self._encoding = lines, encoding

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Segment]:
        for line in self._lines:
            for text, style in line:
                # A name may hold what the encoding has not; better a question mark than no line.
                known = text.encode(self._encoding, "replace").decode(self._encoding)
                yield Segment(known, console.get_style(style or "none"))
            yield Segment.line()
