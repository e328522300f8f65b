"""Change the sample rate of sound, whole or chunk by chunk."""

from __future__ import annotations

import numpy as np
import soxr

from edge_asc.features import Samples

QUALITY = "HQ"
"""librosa's "soxr_hq": the features of the training data were computed behind the same filter."""


class Resampler:
    """Takes chunks of any size at `from_hz`; returns what they complete at `to_hz`.

    How the sound was cut into chunks never changes a bit of the result. The filter holds some
    samples back until it has seen those after them; `finish` gives these. Equal rates pass through
    untouched.
    """

    def __init__(self, from_hz: int, to_hz: int) -> None:
        if from_hz <= 0 or to_hz <= 0:
            raise ValueError(f"sample rates must be above 0 Hz, got {from_hz} and {to_hz}")
        self._from_hz, self._to_hz = from_hz, to_hz
        self.reset()

    def reset(self) -> None:
        """Forget the sound heard so far, as after lost sound."""
        self._stream = None
        if self._from_hz != self._to_hz:
            self._stream = soxr.ResampleStream(
                self._from_hz, self._to_hz, 1, dtype="float32", quality=QUALITY
            )

    def process(self, chunk: Samples) -> Samples:
        """Take in `chunk`, shape (num_samples,); return the samples it completes."""
        return self._run(chunk, last=False)

    def finish(self) -> Samples:
        """The samples still held back, shape (num_samples,); afterwards a new sound may begin."""
        tail = self._run(np.empty(0, np.float32), last=True)
        self.reset()
        return tail

    def _run(self, chunk: Samples, last: bool) -> Samples:
        if self._stream is None:
            return chunk
        resampled: Samples = self._stream.resample_chunk(
            np.ascontiguousarray(chunk, np.float32), last=last
        )
        return resampled


def resample(samples: Samples, from_hz: int, to_hz: int) -> Samples:
    """A whole sound, shape (num_samples,), at another rate.

    Returns shape (num_samples * to_hz / from_hz, rounded,).
    """
    resampler = Resampler(from_hz, to_hz)
    return np.concatenate([resampler.process(samples), resampler.finish()])
