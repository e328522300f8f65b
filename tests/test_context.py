"""City and time as the network takes them."""

from __future__ import annotations

from datetime import datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_asc.context import TIME_FEATURES, SceneContext
from edge_asc.scenes import CITIES


def test_each_city_has_a_place_of_its_own_and_unknown_has_the_last() -> None:
    rows = [SceneContext(city).encode_city() for city in (*CITIES, None)]
    np.testing.assert_array_equal(np.stack(rows), np.eye(len(CITIES) + 1, dtype=np.float32))


def test_a_city_outside_the_table_is_never_taken_for_another() -> None:
    with pytest.raises(ValueError, match="not in list"):
        SceneContext("Atlantis").encode_city()


def test_time_is_sine_and_cosine_of_hour_month_weekday_minute() -> None:
    # 2023-06-18 was a Sunday (weekday 6): 18:45 -> 18/24, 6/12, 6/7, 45/60 of a turn.
    encoded = SceneContext(local_time=datetime(2023, 6, 18, 18, 45)).encode_time()
    turns = np.array([18 / 24, 6 / 12, 6 / 7, 45 / 60])
    expected = np.stack([np.sin(2 * np.pi * turns), np.cos(2 * np.pi * turns)], axis=1).ravel()
    np.testing.assert_allclose(encoded, expected, atol=1e-7)


@given(st.datetimes())
def test_unknown_time_is_linearly_separable_from_every_real_time(when: datetime) -> None:
    unknown = SceneContext().encode_time()
    real = SceneContext(local_time=when).encode_time()
    assert unknown.shape == real.shape == (TIME_FEATURES,)
    # The sum of four points on the unit circle is at most 4 sqrt(2); that of the unknown code is 8.
    assert real.sum() <= 4 * np.sqrt(2) + 1e-5 < unknown.sum()
