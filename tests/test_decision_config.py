"""What a decision is made with: defaults, limits, the transition matrix."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from edge_asc.decision_config import DecisionConfig


def test_a_mean_stay_gives_a_matrix() -> None:
    matrix = DecisionConfig(stay_s=50.0).matrix(5)
    np.testing.assert_allclose(np.diag(matrix), 0.98)
    np.testing.assert_allclose(matrix.sum(axis=1), 1.0)
    assert matrix[0, 1] == pytest.approx(0.005)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"smoothing": "median"}, "smoothing must be one of hmm, exponential, none, got median"),
        ({"evidence_weight": 0.0}, r"evidence_weight must be in \(0, 1\], got 0.0"),
        ({"stay_s": 1.0}, "stay_s"),
        ({"time_constant_s": float("inf")}, "time_constant_s"),
        ({"margin": 1.0}, r"margin must be in \[0, 1\), got 1.0"),
        ({"transition": ((0.5, 0.4), (0.5, 0.5))}, "rows of its length that sum to 1"),
        ({"transition": ((1.0, 0.0),)}, "transition"),
        ({"transition": ((1.5, -0.5), (0.5, 0.5))}, "transition"),
    ],
)
def test_wrong_values_are_refused(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        DecisionConfig(**wrong)
