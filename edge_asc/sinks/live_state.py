"""What the terminal view knows: the newest messages, the last minutes, the last notes."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime

from edge_asc.clock import elapsed_s
from edge_asc.decision import Decision
from edge_asc.level import Level
from edge_asc.messages import Gap, Message, OutputState, Report, SceneChange
from edge_asc.vitals import State, Vitals

KEPT_S = 900.0
"""So much of the past is kept: more than the widest terminal shows"""

NOTES_KEPT = 5

TERMINAL = "terminal"
"""What the view is called among the outputs"""


@dataclass(frozen=True, slots=True)
class About:
    """What does not change while the view runs."""

    model: str
    quantization: str
    warning: str
    """What to think of the model, "" if nothing"""
    scenes: tuple[str, ...]
    source: str
    city: str | None
    wall_clock: bool
    """Whether times of day are known"""
    live: bool
    keys: bool
    """Whether keys can be read"""


@dataclass(frozen=True, slots=True)
class Moment:
    """A second, or a gap, of the past."""

    start_s: float
    end_s: float
    lost: bool = False
    """A gap: the rest is None"""
    scene: str | None = None
    """The scene that was decided, `UNKNOWN_SCENE`, None as long as there was none"""
    confidence: float | None = None
    level_dbfs: float | None = None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All that a picture is drawn from; equal ones give the same picture."""

    about: About
    state: State
    state_s: int
    """So many whole seconds there has been no sound, or a pause; else 0"""
    num_messages: int
    """How many there were: `report` and `past` are others with another number"""
    report: Report | None = field(compare=False)
    """The newest, as long as it tells of what is heard now"""
    progress: str
    """How far a window is that is not yet full"""
    trouble: str
    level: Level | None
    latency_ms: float | None
    heard_s: int
    lost_s: float
    num_gaps: int
    cause: str
    """Of the last gap"""
    outputs: tuple[OutputState, ...]
    past: tuple[Moment, ...] = field(compare=False)
    notes: tuple[tuple[datetime, str], ...]

    @property
    def decision(self) -> Decision | None:
        return None if self.report is None else self.report.decision


class LiveState:
    """Takes messages, notes and words on progress from their threads; `snapshot` is all of it."""

    def __init__(
        self,
        about: About,
        vitals: Vitals,
        *,
        now: Callable[[], datetime] = datetime.now,
        elapsed_s: Callable[[], float] = elapsed_s,
    ) -> None:
        self._about, self._vitals = about, vitals
        self._now, self._elapsed_s = now, elapsed_s
        self._lock = threading.Lock()
        self._num_messages = 0
        self._report: Report | None = None
        self._cause = ""
        self._past: deque[Moment] = deque()
        self._state: State = "starting"
        self._state_since_s = elapsed_s()
        # These two are replaced without the lock: a signal may interrupt whoever does it.
        self._notes: tuple[tuple[datetime, str], ...] = ()
        self._progress = ""

    def note(self, text: str) -> None:
        """Something the user should read; from one thread at a time."""
        self._notes = (*self._notes, (self._now(), text))[-NOTES_KEPT:]

    def show(self, progress: str) -> None:
        """How far the first window is; "" when it is full."""
        self._progress = progress

    def write(self, message: Message) -> None:
        """Take in a message."""
        with self._lock:
            self._num_messages += 1
            if isinstance(message, Report):
                self._report = message
                self._remember(_moment(message))
            elif isinstance(message, Gap):
                self._cause = message.cause
                self._remember(Moment(message.start_s, message.end_s, lost=True))
            elif isinstance(message, SceneChange) and message.scene is None:
                self._report = None

    def snapshot(self) -> Snapshot:
        """What is known now."""
        vitals, now_s = self._vitals, self._elapsed_s()
        state = vitals.state
        if state != self._state:
            self._state, self._state_since_s = state, now_s
        with self._lock:
            number, report, past = self._num_messages, self._report, tuple(self._past)
        return Snapshot(
            self._about,
            state,
            int(now_s - self._state_since_s) if state in ("no sound", "paused") else 0,
            number,
            report,
            self._progress,
            vitals.trouble(),
            vitals.level,
            vitals.latency_ms,
            int(vitals.heard_s),
            vitals.lost_s,
            vitals.num_gaps,
            self._cause,
            tuple(output for output in vitals.outputs() if output.name != TERMINAL),
            past,
            self._notes,
        )

    def _remember(self, moment: Moment) -> None:
        """Each second once: the first window is as long as ten of those that follow."""
        start_s = max(moment.start_s, self._past[-1].end_s if self._past else 0.0)
        self._past.append(replace(moment, start_s=start_s))
        while self._past[0].end_s < moment.end_s - KEPT_S:
            self._past.popleft()


def _moment(report: Report) -> Moment:
    estimate, decision = report.estimate, report.decision
    scene = estimate.scene if decision is None else decision.scene
    confidence = estimate.confidence if decision is None else decision.confidence
    return Moment(
        estimate.start_s,
        estimate.end_s,
        scene=scene,
        confidence=confidence,
        level_dbfs=report.level_dbfs,
    )
