"""What signals mean to a program that listens."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from edge_asc.sources import AudioSource, Chunk

PATIENCE_S = 0.8
"""SIGTERM ends the program within a second, even if a reader of stdout or a device hangs."""


class Reload(KeyboardInterrupt):
    """SIGHUP: begin again with what the files say now."""


class Signals:
    """SIGTERM ends listening as Ctrl-C does; SIGHUP asks for a reload.

    A reload waits for the end of what is being done with a chunk, so that no line is torn.
    """

    def __init__(self) -> None:
        self.terminated = False
        self.quit_asked = False
        self.reload_asked = False
        self._waiting = False

    @contextmanager
    def caught(self) -> Iterator[None]:
        """Handle them. SIGHUP keeps its meaning for a terminal, and for nohup."""
        handlers = {signal.SIGTERM: self._terminate}
        ignored = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
        if not (sys.stderr.isatty() or ignored):
            handlers[signal.SIGHUP] = self._reload
        before = {number: signal.signal(number, handle) for number, handle in handlers.items()}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def quit(self) -> None:
        """End listening as Ctrl-C does, because somebody asks for it; from any thread."""
        if not self.quit_asked:
            self.quit_asked = True
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

    def _terminate(self, number: int, _: FrameType | None) -> None:
        self.terminated = True
        last_resort = threading.Timer(PATIENCE_S, os._exit, [0])
        last_resort.daemon = True
        last_resort.start()
        raise KeyboardInterrupt

    def _reload(self, number: int, _: FrameType | None) -> None:
        self.reload_asked = True
        if self._waiting:
            raise Reload

    def interrupting(self, source: AudioSource) -> AudioSource:
        """`source`, whose chunks come to an end when a reload is asked for."""
        return _Interrupted(source, self)

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Nothing is being done: a reload may come at once."""
        self._waiting = True
        try:
            if self.reload_asked:
                raise Reload
            yield
        finally:
            self._waiting = False


class _Interrupted:
    def __init__(self, source: AudioSource, signals: Signals) -> None:
        self._source, self._signals = source, signals
        self.name, self.description, self.live = source.name, source.description, source.live

    @property
    def trouble(self) -> str:
        return self._source.trouble

    def __enter__(self) -> _Interrupted:
        self._source.__enter__()
        return self

    def __exit__(self, *exc: object) -> None:
        self._source.__exit__(*exc)

    def __iter__(self) -> Iterator[Chunk]:
        chunks = iter(self._source)
        while True:
            with self._signals.waiting():
                chunk = next(chunks, None)
            if chunk is None:
                return
            yield chunk
