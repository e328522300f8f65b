"""What is known of a listener while it runs, and its health as a message.

The listening thread writes the vitals; outputs, the terminal and the heart read them at any time.
"""

from __future__ import annotations

import statistics
import threading
from collections import deque
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Literal

from edge_asc.clock import elapsed_s
from edge_asc.drift import Drift
from edge_asc.errors import OutputError
from edge_asc.level import Level
from edge_asc.messages import Health, Latency, OutputState

SILENT_S = 2.5
"""Live sound comes ten times a second; after so long without any there is none. A source is closed
after 2 s."""

BEAT_S = 0.5
"""How often the heart looks for a change of state"""

State = Literal["starting", "listening", "no sound", "paused", "ended"]


class Vitals:
    """Counts and states of one stream."""

    def __init__(self, source: str, model: str, *, live: bool) -> None:
        self.source, self.model, self.live = source, model, live
        self.heard_s = self.lost_s = 0.0
        self.num_gaps = self.num_estimates = self.num_changes = 0
        self.level: Level | None = None
        """Of the last whole second"""
        self.drift: Drift | None = None
        self.trouble: Callable[[], str] = lambda: ""
        self.outputs: Callable[[], tuple[OutputState, ...]] = lambda: ()
        self.paused = False
        self.ended = False
        self._began_s = elapsed_s()
        self._sound_came_s: float | None = None
        self._latencies_ms: deque[float] = deque(maxlen=3600)
        """Since the last report of health"""
        self.latency_ms: float | None = None
        """Of the last estimate: from the arrival of its last sample to the outputs"""

    def sound_came(self) -> None:
        """A chunk has arrived."""
        self._sound_came_s = elapsed_s()

    def estimate_made(self) -> None:
        """An estimate goes to the outputs, by the chunk that came last."""
        self.num_estimates += 1
        if self._sound_came_s is not None:
            self.latency_ms = 1000.0 * (elapsed_s() - self._sound_came_s)
            self._latencies_ms.append(self.latency_ms)

    @property
    def state(self) -> State:
        if self.ended:
            return "ended"
        if self.paused:
            return "paused"
        if self._sound_came_s is None:
            return "starting"
        silent_s = elapsed_s() - self._sound_came_s
        return "no sound" if self.live and silent_s > SILENT_S else "listening"

    def health(self) -> Health:
        """All of it as a message; latencies are those since the last call."""
        latencies = [self._latencies_ms.popleft() for _ in range(len(self._latencies_ms))]
        state = self.state
        return Health(
            state=state,
            trouble=self.trouble() if state in ("starting", "no sound") else "",
            source=self.source,
            model=self.model,
            uptime_s=elapsed_s() - self._began_s,
            heard_s=self.heard_s,
            lost_s=self.lost_s,
            num_gaps=self.num_gaps,
            num_estimates=self.num_estimates,
            num_changes=self.num_changes,
            level_dbfs=None if self.level is None else self.level.rms_dbfs,
            latency=Latency(statistics.median(latencies), max(latencies)) if latencies else None,
            memory_mb=resident_mb(),
            drift=self.drift,
            outputs=self.outputs(),
            time=datetime.now().astimezone(),
        )


class Heart:
    """Sends the health every so often, and at once when a state changes; in a thread."""

    def __init__(self, vitals: Vitals, every_s: float, send: Callable[[Health], None]) -> None:
        self._vitals, self._every_s, self._send = vitals, every_s, send
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="health", daemon=True)

    def __enter__(self) -> Heart:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._stop.set()
        self._thread.join()

    def _beat(self) -> None:
        told, told_s = self._states(), elapsed_s()
        while not self._stop.wait(BEAT_S):
            now, now_s = self._states(), elapsed_s()
            if now != told or now_s - told_s >= self._every_s:
                told, told_s = now, now_s
                try:
                    self._send(self._vitals.health())
                except (OutputError, OSError):  # the listening thread will meet the same
                    return

    def _states(self) -> tuple[str, ...]:
        return (self._vitals.state, *(output.state for output in self._vitals.outputs()))


def resident_mb(status: Path = Path("/proc/self/status")) -> float | None:
    """Memory of this process that is in RAM, None where the system does not tell."""
    try:
        lines = status.read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    for line in lines:
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    return None
