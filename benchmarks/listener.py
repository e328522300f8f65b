"""`edge-asc listen` in a process of its own, and what it says so far."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import IO, Any

from edge_asc.benchmarks.process_facts import children
from edge_asc.benchmarks.timeline import Timeline

LISTEN = (sys.executable, "-m", "edge_asc", "listen", "--format", "json")


class Listener:
    """Runs `command` until `finish`; its JSON lines are put on a timeline as they come.

    `on_word` gets each line of stderr. As a context manager it is killed at the end.
    """

    def __init__(
        self,
        *arguments: str,
        command: tuple[str, ...] = LISTEN,
        env: Mapping[str, str] | None = None,
        stdin: int | IO[bytes] = subprocess.DEVNULL,
        on_word: Callable[[str], None] = lambda line: None,
    ) -> None:
        self.timelines = [Timeline()]
        """A new one begins with each reload"""
        self.lines: list[dict[str, Any]] = []
        self.words: list[str] = []
        """The lines of stderr"""
        self.error: Exception | None = None
        """What is wrong with the first line that is wrong"""
        self._on_word = on_word
        self._reloads = False
        self._news = threading.Condition()
        self.process = subprocess.Popen(
            [*command, *arguments],
            env=env,
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            # Under nohup SIGHUP is ignored, and that would be handed on.
            preexec_fn=partial(signal.signal, signal.SIGHUP, signal.SIG_DFL),
        )
        self._threads = [
            threading.Thread(target=self._read, args=(self.process.stdout, self._hear_line)),
            threading.Thread(target=self._read, args=(self.process.stderr, self._hear_word)),
        ]
        for thread in self._threads:
            thread.start()

    @property
    def timeline(self) -> Timeline:
        """The newest."""
        return self.timelines[-1]

    def __enter__(self) -> Listener:
        return self

    def __exit__(self, *exc: object) -> None:
        self.process.kill()
        self.process.wait()
        for thread in self._threads:
            thread.join()

    def wait_until(self, happened: Callable[[Listener], bool], timeout_s: float = 120.0) -> None:
        """Wait for something that its output tells. Raises TimeoutError with what it said."""
        until_s = time.monotonic() + timeout_s
        with self._news:
            while not happened(self):
                ended = self.process.poll() is not None and not any(
                    thread.is_alive() for thread in self._threads
                )
                if self.error is not None or ended or time.monotonic() > until_s:
                    raise TimeoutError(f"{self.error or 'it did not come'}: {self.transcript()}")
                self._news.wait(0.5)

    def wait_for_estimates(self, count: int) -> None:
        """Wait until `count` more estimates have come than now."""
        target = self._num_estimates() + count
        self.wait_until(lambda listener: listener._num_estimates() >= target)

    def wait_for_word(self, pattern: str) -> None:
        """Wait until a line of stderr matches the regular expression `pattern`."""
        self.wait_until(lambda listener: listener.said(pattern) > 0)

    def said(self, pattern: str) -> int:
        """How many lines of stderr match the regular expression `pattern`."""
        return sum(re.search(pattern, line) is not None for line in self.words)

    def transcript(self) -> str:
        """Its words and the gaps, for people."""
        return "\n".join([*self.words, *map(str, self.timeline.gaps)])

    def capture_pid(self) -> int | None:
        """The process that captures, None while there is none."""
        return next(iter(children(self.process.pid)), None)

    def reload(self) -> None:
        """SIGHUP; returns when the stream has begun anew."""
        self._reloads = True
        self.process.send_signal(signal.SIGHUP)
        count = len(self.timelines) + 1
        self.wait_until(lambda listener: len(listener.timelines) == count)

    def finish(self, number: signal.Signals = signal.SIGTERM, timeout_s: float = 60.0) -> int:
        """Send a signal and read to the end; returns the exit code."""
        self.process.send_signal(number)
        code = self.process.wait(timeout_s)
        for thread in self._threads:
            thread.join()
        return code

    def heard_and_lost_s(self) -> tuple[float, float]:
        """What its last words say: seconds heard, seconds lost."""
        found = re.match(r"heard ([\d.]+) s(?:, lost ([\d.]+) s)?", self.words[-1])
        if found is None:
            raise ValueError(f"no summary: {self.transcript()}")
        return float(found[1]), float(found[2] or 0.0)

    def _num_estimates(self) -> int:
        return sum(timeline.num_estimates for timeline in self.timelines)

    def _read(self, stream: IO[bytes], take: Callable[[str], None]) -> None:
        with stream:
            for line in stream:
                with self._news:
                    take(line.decode().rstrip("\n"))
                    self._news.notify_all()

    def _hear_line(self, line: str) -> None:
        values = json.loads(line)
        self.lines.append(values)
        begins = values.get("start_s") == 0.0 and values["type"] in ("estimate", "gap")
        if self._reloads and begins and self.timeline.covered_s > 0.0:
            self.timelines.append(Timeline())
            self._reloads = False
        try:
            self.timeline.add(values)
        except ValueError as error:
            self.error = self.error or error

    def _hear_word(self, line: str) -> None:
        self.words.append(line)
        self._on_word(line)
