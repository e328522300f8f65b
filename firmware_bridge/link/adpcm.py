"""IMA ADPCM, 4 bits a sample: Recommended Practices of the IMA, revision 3.00 (1992).

The first of two samples is the low half of a byte, as in WAV files. The encoder is the
microcontroller's, csource/asc_adpcm.c.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

NUM_STEPS = 89

_CODES = 16
_LOWEST, _HIGHEST = -32_768, 32_767

Pcm = npt.NDArray[np.int16]
"""shape (num_samples,)"""


_STEP_SIZES = (
    *(7, 8, 9, 10, 11, 12, 13, 14, 16, 17, 19, 21, 23, 25, 28, 31, 34, 37, 41, 45, 50, 55, 60, 66),
    *(73, 80, 88, 97, 107, 118, 130, 143, 157, 173, 190, 209, 230, 253, 279, 307, 337, 371, 408),
    *(449, 494, 544, 598, 658, 724, 796, 876, 963, 1060, 1166, 1282, 1411, 1552, 1707, 1878, 2066),
    *(2272, 2499, 2749, 3024, 3327, 3660, 4026, 4428, 4871, 5358, 5894, 6484, 7132, 7845, 8630),
    *(9493, 10442, 11487, 12635, 13899, 15289, 16818, 18500, 20350, 22385, 24623, 27086, 29794),
    32767,
)
_INDEX_STEPS = (-1, -1, -1, -1, 2, 4, 6, 8)


def _change(step: int, code: int) -> int:
    """How far `code` moves the predictor: as the standard adds it, each part rounded down."""
    parts = (step >> 3, step >> 2, step >> 1, step)
    size = parts[0] + sum(part for bit, part in enumerate(parts[1:]) if code >> bit & 1)
    return -size if code & 8 else size


_CHANGES = np.array(
    [[_change(step, code) for code in range(_CODES)] for step in _STEP_SIZES], np.int64
)
_NEXT_INDEX = [
    [min(max(index + _INDEX_STEPS[code & 7], 0), NUM_STEPS - 1) for code in range(_CODES)]
    for index in range(NUM_STEPS)
]


def decode(predictor: int, index: int, data: bytes) -> Pcm:
    """The samples of `data`, two a byte, after a sample `predictor` at the step of `index`.

    Raises ValueError for an index outside [0, 89).
    """
    if not 0 <= index < NUM_STEPS:
        raise ValueError(f"the index of a step must be below {NUM_STEPS}, got {index}")
    pairs = np.frombuffer(data, np.uint8)
    codes = np.stack([pairs & 15, pairs >> 4], axis=1).ravel()
    steps = []
    for code in codes.tolist():
        steps.append(index)
        index = _NEXT_INDEX[index][code]
    changes = _CHANGES[steps, codes]
    samples: npt.NDArray[np.int64] = predictor + np.cumsum(changes)
    if len(samples) and (samples.min() < _LOWEST or samples.max() > _HIGHEST):
        samples = _clipped_sums(predictor, changes)
    decoded: Pcm = samples.astype(np.int16)
    return decoded


def _clipped_sums(start: int, changes: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Each sum goes on from the clipped one before it, which has no quick way."""
    sums = []
    for change in changes.tolist():
        start = min(max(start + change, _LOWEST), _HIGHEST)
        sums.append(start)
    return np.array(sums, np.int64)
