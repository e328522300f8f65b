"""Raw PCM: bytes become samples, however a pipe cut them."""

from __future__ import annotations

import numpy as np

from edge_asc.audio import check_finite, to_mono
from edge_asc.errors import AudioError
from edge_asc.features import Samples
from edge_asc.sources import CHUNK_S, RawFormat

# format: type of one sample (little-endian), full scale
_FORMATS = {"s16": ("<i2", 2.0**15), "s32": ("<i4", 2.0**31), "f32": ("<f4", 1.0)}

_FILE_SIGNS = {b"RIFF": "WAV", b"RF64": "WAV", b"fLaC": "FLAC", b"OggS": "Ogg", b"ID3": "MP3"}
"""How files begin that are not raw PCM: heard as such, their header is a click."""


class PcmDecoder:
    """Takes bytes in pieces of any size; returns mono samples.

    A piece may end within a frame: the odd bytes wait for the next one.
    """

    def __init__(self, raw: RawFormat, name: str) -> None:
        self._rate_hz, self._channels, self._name = raw.sample_rate_hz, raw.channels, name
        kind, self._full_scale = _FORMATS[raw.sample_format]
        self._dtype = np.dtype(kind)
        self._frame_bytes = raw.channels * self._dtype.itemsize
        self.chunk_bytes = max(1, round(CHUNK_S * raw.sample_rate_hz)) * self._frame_bytes
        self._waiting = b""
        self._heard_samples = 0

    def process(self, data: bytes) -> Samples:
        """The samples that `data` completes, shape (num_samples,), at the stream's rate.

        Raises AudioError for NaN or infinity, and for a stream that begins as a sound file does.
        """
        data = self._waiting + data
        if self._heard_samples == 0:
            self._refuse_file(data)
        whole = len(data) // self._frame_bytes * self._frame_bytes
        self._waiting = data[whole:]
        values = np.frombuffer(data[:whole], self._dtype).reshape(-1, self._channels)
        frames = (values / self._full_scale).astype(np.float32)
        check_finite(frames, self._name, self._heard_samples / self._rate_hz, self._rate_hz)
        self._heard_samples += len(frames)
        return to_mono(frames)

    def finish(self) -> str | None:
        """At the end of the stream: a word on what is left over, if anything is."""
        if not self._waiting:
            return None
        return (
            f"{self._name} ended within a sample: its last {len(self._waiting)} bytes, of"
            f" {self._frame_bytes} a sample, are left out; check --sample-format and --channels"
        )

    def _refuse_file(self, data: bytes) -> None:
        for sign, kind in _FILE_SIGNS.items():
            if data.startswith(sign):
                raise AudioError(
                    f"{self._name} is a {kind} file, not raw PCM: give its path as --source, or"
                    " let its writer leave the header out (arecord -t raw, ffmpeg -f s16le)"
                )
