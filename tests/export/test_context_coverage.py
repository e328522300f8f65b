"""Every city and time is told, and the value at which int8 breaks is named."""

from __future__ import annotations

import numpy as np
import pytest

from edge_asc.context import SceneContext
from edge_asc.export.context_coverage import ContextCoverage, WindowLogits, context_coverage
from edge_asc.scenes import CITIES
from edge_asc.training.checkpoint import Windows

TRAINED = ("Jinan", "Xi'an")


def windows(count: int = 40) -> Windows:
    city = np.tile(SceneContext("Jinan").encode_city(), (count, 1))
    time = np.tile(SceneContext().encode_time(), (count, 1))
    features = np.zeros((count, 2, 3), np.float32)
    return Windows(features, city, time, np.zeros(count, np.int64), ["g"] * count)


def same_scene(asked: Windows) -> np.ndarray:
    return np.tile(np.array([1.0, 0.0], np.float32), (len(asked), 1))


def other_scene_where(is_wrong: np.ndarray) -> np.ndarray:
    return np.where(is_wrong[:, None], [0.0, 1.0], [1.0, 0.0]).astype(np.float32)


def cover(quantized: WindowLogits) -> ContextCoverage:
    return context_coverage(same_scene, quantized, windows(), cities=CITIES, trained_cities=TRAINED)


def test_every_value_is_told_with_twelve_windows() -> None:
    found = cover(same_scene)
    assert found.windows == 12
    counted = {part.attribute: (part.values, part.answers) for part in found.attributes}
    # Two trained cities and "unknown".
    assert counted == {
        "city": (3, 36),
        "hour": (24, 288),
        "month": (12, 144),
        "weekday": (7, 84),
        "city without time": (3, 36),
    }
    assert all(part.agreement == 1.0 for part in found.attributes)
    assert found.fault() is None


def test_an_hour_that_was_not_calibrated_is_found() -> None:
    """A fake int8 network whose time input is clipped where the sine of the hour is below -0.9."""
    found = cover(lambda asked: other_scene_where(asked.time[:, 0] < -0.9))
    by_name = {part.attribute: part for part in found.attributes}
    # sin(2 pi h / 24) is below -0.9 for 17, 18 and 19 h; the other attributes are told at noon.
    assert by_name["hour"].agreeing == 288 - 3 * 12
    assert (by_name["hour"].worst_value, by_name["hour"].worst_agreeing) == ("17 h", 0)
    assert by_name["city"].agreement == 1.0
    fault = found.fault()
    assert fault is not None
    assert "with every hour told" in fault
    assert "0 of 12 windows for 17 h" in fault


def test_a_broken_city_is_found() -> None:
    row = CITIES.index("Xi'an")
    found = cover(lambda asked: other_scene_where(asked.city[:, row] == 1.0))
    assert "in 66.7% of 36 answers" in str(found.fault())
    assert {part.worst_value for part in found.attributes} >= {"Xi'an", "Xi'an without time"}


@pytest.mark.parametrize(("attribute", "columns"), [("month", (2, 4)), ("weekday", (4, 6))])
def test_months_and_weekdays_differ_in_their_own_features(
    attribute: str, columns: tuple[int, int]
) -> None:
    seen: list[Windows] = []

    def watch(asked: Windows) -> np.ndarray:
        seen.append(asked)
        return same_scene(asked)

    found = cover(watch)
    place = [part.attribute for part in found.attributes].index(attribute)
    part, asked = found.attributes[place], seen[place]
    first, last = columns
    assert len(np.unique(asked.time[:, first:last], axis=0)) == part.values
    np.testing.assert_array_equal(asked.city, np.tile(windows().city[0], (len(asked), 1)))


def test_unknown_time_and_unknown_city_are_the_codes_that_training_uses() -> None:
    seen: list[Windows] = []

    def watch(asked: Windows) -> np.ndarray:
        seen.append(asked)
        return same_scene(asked)

    cover(watch)
    without_time = seen[-1]
    np.testing.assert_array_equal(without_time.time, np.ones((36, 8), np.float32))
    assert without_time.city[-1].argmax() == len(CITIES)
