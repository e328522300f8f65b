"""Does int8 name the float network's scene in every city and at every time, on the same sound?

Context inputs are quantized too. Ranges that were set by one hour of the day break at the next.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import numpy.typing as npt

from edge_asc.context import SceneContext
from edge_asc.training.checkpoint import Windows

Array = npt.NDArray[np.float32]
WindowLogits = Callable[[Windows], Array]
"""Logits of every window, shape (N, num_scenes)"""

NUM_WINDOWS = 12
MIN_AGREEMENT = 0.8
"""Smallest share of an attribute's answers that must be the float network's. One or two windows in
twelve may lie between two scenes, and flip whatever they are told; an uncalibrated context
flips most windows."""
MIN_VALUE_AGREEMENT = 0.5
"""The same for a single city, hour, month or day"""

UNKNOWN = "unknown"
_NOON = datetime(2026, 6, 17, 12, 30)


@dataclass(frozen=True, slots=True)
class AttributeCoverage:
    """All values of one attribute, each told with every window."""

    attribute: str
    values: int
    answers: int
    """Values times windows"""
    agreeing: int
    """Answers that name the float network's scene"""
    worst_value: str
    worst_agreeing: int
    """Windows in which that value agrees, the fewest of any value"""

    @property
    def agreement(self) -> float:
        return self.agreeing / self.answers


@dataclass(frozen=True, slots=True)
class ContextCoverage:
    """int8 against the float network, over the whole range of city and time."""

    windows: int
    attributes: tuple[AttributeCoverage, ...]

    def fault(self) -> str | None:
        """Why the export must be refused, if it must."""
        for part in self.attributes:
            told = f"with every {part.attribute} told, int8 names the float network's scene in"
            if part.agreement < MIN_AGREEMENT:
                return (
                    f"{told} {part.agreement:.1%} of {part.answers} answers, demanded are"
                    f" {MIN_AGREEMENT:.0%}. {_REMEDY}"
                )
            if part.worst_agreeing < MIN_VALUE_AGREEMENT * self.windows:
                return (
                    f"{told} {part.worst_agreeing} of {self.windows} windows for"
                    f" {part.worst_value}, demanded is half. {_REMEDY}"
                )
        return None


_REMEDY = "Calibrate context inputs over their whole range"


def context_coverage(
    reference: WindowLogits,
    quantized: WindowLogits,
    windows: Windows,
    *,
    cities: Sequence[str],
    trained_cities: Sequence[str],
) -> ContextCoverage:
    """Ask both networks about up to twelve of the `windows`, evenly spread, in every context.

    Each trained city and no city at noon in June; then, with the window's own city, each hour,
    month and weekday (the other parts of the time as in June at noon), and each city and none with
    unknown time. Cities without training clips are never told to a network.
    """
    chosen = np.unique(np.linspace(0, len(windows) - 1, NUM_WINDOWS).round().astype(np.int64))
    own = windows.take(chosen)
    parts = []
    for attribute, contexts in _sweeps([*trained_cities, None]):
        told = [_tell(own, context, cities) for context in contexts.values()]
        asked = told[0]
        for more in told[1:]:
            asked = asked.join(more)
        same = reference(asked).argmax(axis=1) == quantized(asked).argmax(axis=1)
        agreeing = same.reshape(len(contexts), len(own)).sum(axis=1)
        worst = int(agreeing.argmin())
        parts.append(
            AttributeCoverage(
                attribute=attribute,
                values=len(contexts),
                answers=same.size,
                agreeing=int(agreeing.sum()),
                worst_value=list(contexts)[worst],
                worst_agreeing=int(agreeing[worst]),
            )
        )
    return ContextCoverage(len(own), tuple(parts))


@dataclass(frozen=True, slots=True)
class _Told:
    """What replaces a window's own context."""

    time: datetime | None
    city: str | None = None
    own_city: bool = False


def _sweeps(cities: Sequence[str | None]) -> Iterator[tuple[str, dict[str, _Told]]]:
    """Attributes, and for each of their values what to tell."""
    yield "city", {city or UNKNOWN: _Told(_NOON, city) for city in cities}
    yield (
        "hour",
        {f"{hour} h": _Told(_NOON.replace(hour=hour), own_city=True) for hour in range(24)},
    )
    months = (_NOON.replace(month=month) for month in range(1, 13))
    yield "month", {f"{when:%B}": _Told(when, own_city=True) for when in months}
    days = (_NOON + timedelta(days=day) for day in range(7))
    yield "weekday", {f"{when:%A}": _Told(when, own_city=True) for when in days}
    yield (
        "city without time",
        {f"{city or UNKNOWN} without time": _Told(None, city) for city in cities},
    )


def _tell(windows: Windows, told: _Told, cities: Sequence[str]) -> Windows:
    context = SceneContext(told.city, told.time)
    city = (
        windows.city if told.own_city else np.tile(context.encode_city(cities), (len(windows), 1))
    )
    time = np.tile(context.encode_time(), (len(windows), 1))
    return Windows(windows.features, city, time, windows.label, windows.group)
