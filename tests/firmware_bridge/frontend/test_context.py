"""City and time as the C code gives them to the head, against edge_asc.context."""

from __future__ import annotations

from datetime import datetime

import numpy as np
import pytest

from edge_asc.context import SceneContext
from edge_asc.interpreter import Network
from edge_asc.model_file import ModelFile
from tests.firmware_bridge.frontend.programs import Runtime

UNKNOWN = -1
WINDOW = np.zeros(10 * 44_100, np.int16)
SECOND = WINDOW[:44_100]


class Head:
    """Keeps what it is given."""

    def __init__(self, runtime: Runtime, model: ModelFile) -> None:
        assert model.head is not None
        self.inputs = Network(model.head).inputs
        self.city = self.time = np.zeros(0, np.int8)
        self._runtime = runtime
        runtime.head = self._take
        assert runtime.process(WINDOW) == 1

    def _take(self, _steps: np.ndarray, city: np.ndarray, time: np.ndarray) -> np.ndarray:
        self.city, self.time = city, time
        return np.zeros(10, np.int8)

    def check(self, context: SceneContext, *codes: int) -> None:
        """The codes of asc_set_context must give what Python gives for the context."""
        assert self._runtime.set_context(*codes) == 0
        assert self._runtime.process(SECOND) == 1
        city, time = context.encode_city(), context.encode_time()
        assert np.array_equal(self.city, self.inputs["city"].quantize(city)), context
        assert np.array_equal(self.time, self.inputs["time"].quantize(time)), context


@pytest.fixture
def head(runtime: Runtime, model: ModelFile) -> Head:
    return Head(runtime, model)


def test_nothing_is_known_at_first(head: Head) -> None:
    expected = SceneContext()
    assert np.array_equal(head.city, head.inputs["city"].quantize(expected.encode_city()))
    assert np.array_equal(head.time, head.inputs["time"].quantize(expected.encode_time()))


def test_every_city(head: Head, model: ModelFile) -> None:
    """One that no training clip came from is used as unknown, as SceneClassifier does."""
    facts = model.manifest
    trained = 0
    for index, name in enumerate(facts.cities):
        is_trained = name in facts.trained_cities
        head.check(SceneContext(name if is_trained else None), index, UNKNOWN)
        trained += is_trained
    assert 0 < trained < len(facts.cities)
    head.check(SceneContext(), UNKNOWN, UNKNOWN)


def test_every_minute_weekday_and_month(head: Head) -> None:
    """All hours, minutes, weekdays and months; each pair of hour and minute with some of them."""
    for minute in [*range(0, 1440, 60), *range(60), 1439]:
        day = 1 + minute % 28
        moment = datetime(2026, 1 + minute % 12, day, minute // 60, minute % 60)
        codes = (minute, moment.weekday(), moment.month)
        head.check(SceneContext(None, moment), UNKNOWN, *codes)
    for day in range(1, 8):
        for month in range(1, 13):
            moment = datetime(2026, month, day, 12, 30)
            codes = (750, moment.weekday(), month)
            head.check(SceneContext(None, moment), UNKNOWN, *codes)


def test_an_unknown_time_needs_no_date(head: Head) -> None:
    head.check(SceneContext(), UNKNOWN, UNKNOWN, 99, 99)


@pytest.mark.parametrize(
    "codes",
    [
        (22, 0, 0, 1), (-2, 0, 0, 1), (0, 1440, 0, 1), (0, -2, 0, 1), (0, 0, 7, 1), (0, 0, -1, 1),
        (0, 0, 0, 0), (0, 0, 0, 13),
    ],
)  # fmt: skip
def test_other_values_are_refused_and_change_nothing(
    head: Head, runtime: Runtime, codes: tuple[int, int, int, int]
) -> None:
    moment = datetime(2026, 5, 4, 7, 8)
    head.check(SceneContext("Jinan", moment), 3, 428, moment.weekday(), 5)
    city, time = head.city, head.time
    assert runtime.set_context(*codes) == -1
    assert runtime.process(SECOND) == 1
    assert np.array_equal(head.city, city)
    assert np.array_equal(head.time, time)


def test_context_outlasts_lost_sound(head: Head, runtime: Runtime) -> None:
    moment = datetime(2026, 5, 4, 7, 8)
    head.check(SceneContext("Jinan", moment), 3, 428, moment.weekday(), 5)
    city, time = head.city, head.time
    runtime.reset()
    assert runtime.process(WINDOW) == 1
    assert np.array_equal(head.city, city)
    assert np.array_equal(head.time, time)
