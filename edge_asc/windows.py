"""How a piece of sound is made to fit a model's window."""

from __future__ import annotations

import numpy as np

from edge_asc.features import Samples

MIN_WINDOW_SHARE = 0.5
"""The last, incomplete window of a recording counts when at least this share of it is sound."""


def fit_to_window(samples: Samples, num_samples: int) -> tuple[Samples, bool]:
    """`samples` as exactly `num_samples`: what is too short is repeated until it is long enough.

    Returns the window and whether it was padded so. Repetition keeps the level and the spectrum,
    which silence would not. Raises ValueError for no samples, or for more than `num_samples`.
    """
    if not 0 < len(samples) <= num_samples:
        raise ValueError(f"a window holds 1 to {num_samples} samples, got {len(samples)}")
    if len(samples) == num_samples:
        return samples, False
    return np.resize(samples, num_samples), True
