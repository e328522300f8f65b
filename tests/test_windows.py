"""Short sound is repeated to fill a window."""

from __future__ import annotations

import numpy as np
import pytest

from edge_asc.windows import fit_to_window


def test_short_sound_is_repeated_and_flagged() -> None:
    window, padded = fit_to_window(np.array([1, 2, 3], np.float32), 8)
    np.testing.assert_array_equal(window, [1, 2, 3, 1, 2, 3, 1, 2])
    assert padded


def test_a_whole_window_passes_untouched() -> None:
    samples = np.arange(8, dtype=np.float32)
    window, padded = fit_to_window(samples, 8)
    assert window is samples
    assert not padded


@pytest.mark.parametrize("count", [0, 9])
def test_nothing_and_too_much_are_refused(count: int) -> None:
    with pytest.raises(ValueError, match=f"1 to 8 samples, got {count}"):
        fit_to_window(np.zeros(count, np.float32), 8)
