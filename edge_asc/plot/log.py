"""A log of JSON lines along time, read line by line: days of it fit into little memory.

Times of day make the axis, so that a log may hold several runs, with pauses between them. Where
the first message has none (a recording without --time), seconds since the stream began do, and
streams follow each other.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from edge_asc.decision import UNKNOWN_SCENE
from edge_asc.errors import PlotError
from edge_asc.plot.timeline import Bins, Stretch, Stretches, Timeline
from edge_asc.sinks.json_values import SCHEMA_VERSION

LONGEST_LINE_BYTES = 64_000
"""Messages are not a tenth as long; a file of something else may have no line breaks"""

MOST_SCENES = 100

_SLACK_S = 2.0
"""So far a stream's seconds and the clock may be apart without a pause between two messages"""

_LONGEST_S = 1e9
"""30 years"""

_TELL_EVERY_LINES = 20_000
_FAULTS = (ArithmeticError, KeyError, RecursionError, TypeError, ValueError)

Message = Mapping[str, Any]


def read_log(path: Path, say: Callable[[str], None], progress: Callable[[str], None]) -> Timeline:
    """What a log tells. `say` is told of lines that are damaged; `progress` how far it is.

    Raises PlotError if there is nothing in it to draw, OSError if it cannot be read.
    """
    log = _Log()
    num_lines = num_damaged = 0
    first_fault = ""
    with path.open("rb") as file:
        while line := file.readline(LONGEST_LINE_BYTES):
            num_lines += 1
            try:
                log.add(_parse(line))
            except _FAULTS as error:
                num_damaged += 1
                first_fault = first_fault or f"line {num_lines}: {_why(error)}"
            if num_lines % _TELL_EVERY_LINES == 0:
                progress(f"reading ... {num_lines} lines")
    progress("")
    if not log.num_estimates:
        fault = f" ({first_fault})" if first_fault else ""
        raise PlotError(
            f"{path} holds {num_lines} lines, and no estimate of a stream{fault}; `plot` draws"
            " recordings, and logs that `listen` wrote with --log FILE.jsonl"
        )
    if num_damaged:
        say(f"{num_damaged} of {num_lines} lines are left out as damaged ({first_fault})")
    return log.timeline(path.name)


def _parse(line: bytes) -> Message:
    values = json.loads(line)
    if not isinstance(values, dict):
        raise TypeError("it is no message")
    if values["schema"] != SCHEMA_VERSION:
        raise ValueError(f"its schema must be {SCHEMA_VERSION}, got {values['schema']!r}")
    return values


def _why(error: Exception) -> str:
    if isinstance(error, (json.JSONDecodeError, UnicodeDecodeError)):
        return "it is not JSON"
    return f"it has no {error}" if isinstance(error, KeyError) else str(error)


class _Axis:
    """Where on the axis a moment lies."""

    def __init__(self) -> None:
        self.begins: datetime | None = None
        """At 0 s of the axis; None where it is made of seconds of streams"""
        self.by_clock: bool | None = None
        """None before the first message"""
        self._begins_s = self._stream_begins_s = self._stream_end_s = 0.0

    def place_s(self, time: str | None, stream_s: float) -> float:
        """Of a message that is told when its stream has come to `stream_s`."""
        if self.by_clock is None:
            self.by_clock = time is not None
            self.begins = datetime.fromisoformat(time) if time is not None else None
            self._begins_s = 0.0 if self.begins is None else self._seconds(self.begins)
        if self.by_clock:
            if time is None:
                raise ValueError("it has no time of day, but the first message has")
            return self._seconds(datetime.fromisoformat(time)) - self._begins_s
        if stream_s < self._stream_end_s:  # another stream
            self._stream_begins_s += self._stream_end_s
        self._stream_end_s = stream_s
        return self._stream_begins_s + stream_s

    def _seconds(self, moment: datetime) -> float:
        """Since 1970. A time without a zone is taken to be in that of the first message."""
        if moment.tzinfo is None:
            zone = None if self.begins is None else self.begins.tzinfo
            moment = moment.replace(tzinfo=zone or timezone.utc)
        return moment.timestamp()


class _States:
    """What the listener did: told by health, estimates and gaps."""

    def __init__(self) -> None:
        self.stretches = Stretches()
        self._state: str | None = None
        self._told_s = -math.inf

    def begin(self, at_s: float) -> None:
        """The first estimate is of sound since `at_s`; of a recording no health tells so before."""
        if self._state is None:
            self._state, self._told_s = "listening", at_s

    def tell(self, at_s: float, stream_s: float, state: str | None) -> None:
        """At `at_s`, when its stream has lasted for `stream_s`, it begins to be in `state`."""
        began_s = at_s - stream_s
        if began_s > self._told_s + _SLACK_S:  # in between it did not run
            if self._told_s > -math.inf:
                self.stretches.add(state, began_s, at_s)
        else:
            self.stretches.add(self._state, self._told_s, at_s)
        self._state, self._told_s = state, at_s

    def tell_gap(self, from_s: float, to_s: float, stream_s: float) -> None:
        """No sound came for so long."""
        if from_s > self._told_s:
            self.tell(from_s, stream_s - (to_s - from_s), "no sound")
        self.tell(to_s, stream_s, "listening")


@dataclass(frozen=True, slots=True)
class _Estimate:
    """What is drawn of an estimate."""

    start_s: float
    end_s: float
    row: list[float]
    level_dbfs: float
    scene: str | None
    since_s: float
    decided: bool


class _Log:
    """What must be remembered from one message to the next."""

    def __init__(self) -> None:
        self.num_estimates = 0
        self._axis = _Axis()
        self._columns: dict[str, int] = {}
        """Of every scene of every model that was used"""
        self._belief, self._level = Bins(0, 1.0), Bins(1, 1.0)
        self._decisions, self._states = Stretches(), _States()
        self._gaps: list[Stretch] = []
        self._changes_s: list[float] = []
        self._sources: dict[str, None] = {}
        self._models: dict[str, None] = {}
        self._demonstration = self._smoothed = False
        self._from_s, self._to_s = math.inf, -math.inf
        self._covered_s = 0.0
        """How far the messages reach, in seconds of the stream"""

    def add(self, message: Message) -> None:
        """Take in a message; of one that is damaged, nothing. Raises one of `_FAULTS`."""
        kind = message["type"]
        if kind == "estimate":
            self._add_estimate(message)
        elif kind == "gap":
            self._add_gap(message)
        elif kind == "event":
            self._add_event(message)
        elif kind == "health":
            self._add_health(message)
        else:
            raise ValueError(f"its type is {kind!r}")

    def timeline(self, name: str) -> Timeline:
        """All of it."""
        return Timeline(
            title=f"{name}: {_listed(self._sources)}",
            model=_listed(self._models),
            demonstration=self._demonstration,
            smoothed=self._smoothed,
            begins=self._axis.begins,
            start_s=self._from_s,
            end_s=self._to_s,
            scenes=tuple(self._columns),
            belief=self._belief.series(),
            level=self._level.series(),
            decisions=self._decisions.finish(),
            changes_s=self._changes_s,
            gaps=self._gaps,
            states=self._states.stretches.finish(),
        )

    def _add_estimate(self, message: Message) -> None:
        if "file" in message:
            raise ValueError("it is of `classify`, about a file and no stream")
        estimate, source, model = self._read(message), message["source"], message["model"]
        end_s = estimate.end_s
        at_s = self._axis.place_s(message["time"], end_s)
        if not estimate.start_s <= self._covered_s < end_s:  # a new window
            self._covered_s = estimate.start_s
        from_s = at_s - (end_s - self._covered_s)
        self._covered_s = end_s
        self._belief.fill(from_s, at_s, estimate.row)
        self._level.add(at_s - 0.5, [estimate.level_dbfs])
        if estimate.decided:
            self._decisions.add(estimate.scene, at_s - (end_s - estimate.since_s), at_s)
        self._smoothed |= estimate.decided
        self._demonstration |= bool(message["demonstration"])
        self._sources[source], self._models[model] = None, None
        self._states.begin(from_s)
        self._states.tell(at_s, end_s, "listening")
        self._reach(from_s, at_s)
        self.num_estimates += 1

    def _add_gap(self, message: Message) -> None:
        start_s, end_s = _seconds(message["start_s"]), _seconds(message["end_s"])
        at_s = self._axis.place_s(message["time"], end_s)
        from_s = at_s - (end_s - start_s)
        self._covered_s = end_s
        self._gaps.append(Stretch("gap", from_s, at_s))
        self._states.tell_gap(from_s, at_s, end_s)
        self._reach(from_s, at_s)

    def _add_event(self, message: Message) -> None:
        detected_s, time = _seconds(message["detected_s"]), message["time"]
        if message["scene"] is not None:
            at_s = self._axis.place_s(time, detected_s)
            # Its time of day is when the scene began.
            later_s = detected_s - _seconds(message["start_s"])
            self._changes_s.append(at_s if time is None else at_s + later_s)

    def _add_health(self, message: Message) -> None:
        # Its time is now, also at the end of a recording, of which this is all that is told.
        if message["state"] == "ended" or self._axis.by_clock is False:
            return
        at_s = self._axis.place_s(message["time"], 0.0)
        self._states.tell(at_s, _seconds(message["uptime_s"]), str(message["state"]))
        self._reach(at_s, at_s)

    def _read(self, message: Message) -> _Estimate:
        decision, level = message["decision"], message["level_dbfs"]
        end_s = _seconds(message["end_s"])
        probabilities = (decision or message)["probabilities"]
        values = {str(scene): float(value) for scene, value in probabilities.items()}
        scene, since_s = (decision["scene"], decision["since_s"]) if decision else (None, None)
        if scene not in (None, UNKNOWN_SCENE, *values):
            raise ValueError(f"it has no probability for {scene!r}")
        self._know(values)
        return _Estimate(
            start_s=_seconds(message["start_s"]),
            end_s=end_s,
            row=[values.get(scene, math.nan) for scene in self._columns],
            level_dbfs=math.nan if level is None else float(level),
            scene=scene,
            since_s=end_s if since_s is None else _seconds(since_s),
            decided=decision is not None,
        )

    def _know(self, scenes: Iterable[str]) -> None:
        """Have a column for each scene."""
        new = [scene for scene in scenes if scene not in self._columns]
        if len(self._columns) + len(new) > MOST_SCENES:
            raise ValueError(f"with it there would be more than {MOST_SCENES} scenes")
        if new:
            self._columns |= {scene: len(self._columns) + i for i, scene in enumerate(new)}
            self._belief.widen(len(self._columns))

    def _reach(self, from_s: float, to_s: float) -> None:
        self._from_s, self._to_s = min(self._from_s, from_s), max(self._to_s, to_s)


def _seconds(value: Any) -> float:  # noqa: ANN401
    """A moment of a stream."""
    seconds = float(value)
    if not 0.0 <= seconds < _LONGEST_S:
        raise ValueError(f"{value!r} is no moment of a stream, in seconds")
    return seconds


def _listed(names: Mapping[str, None]) -> str:
    first, *others = names
    more = f" and {len(others)} more" if len(others) > 1 else "".join(f" and {n}" for n in others)
    return f"{first}{more}"
