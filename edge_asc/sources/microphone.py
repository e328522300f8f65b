"""A microphone, through PortAudio, in a process of its own."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence

import numpy as np

from edge_asc.audio import check_finite, to_mono
from edge_asc.errors import MissingLibraryError, SourceError
from edge_asc.features import Samples
from edge_asc.sources.capture_process import BLOCK_HEAD
from edge_asc.sources.flow import Block
from edge_asc.sources.portaudio import MIXED_CHANNELS
from edge_asc.sources.process import SoundProcess

CAPTURE_COMMAND = (sys.executable, "-m", "edge_asc.sources.capture_process")

_HEADER_BYTES = 10_000


class Microphone:
    """Captures the microphone whose name contains `device`, None: the system's default.

    It is asked for `preferred_rate_hz`, else runs at its own rate; for one channel, else its first
    two are averaged. Each opening looks for it anew.
    """

    start_grace_s = 10.0
    can_restart = True
    may_flood = False

    def __init__(
        self,
        device: str | None,
        preferred_rate_hz: int,
        command: Sequence[str] = CAPTURE_COMMAND,
    ) -> None:
        self.name = "the default microphone" if device is None else f"microphone {device!r}"
        self.description = self.name
        self._command = [*command, str(preferred_rate_hz), *([] if device is None else [device])]

    def open(self) -> _MicrophoneSession:
        """Start the process that captures. Raises SourceError."""
        return _MicrophoneSession(SoundProcess(self._command), self.name)


class _MicrophoneSession:
    def __init__(self, process: SoundProcess, name: str) -> None:
        self._process, self._name = process, name

    def blocks(self) -> Iterator[Block]:
        try:
            yield from self._blocks()
        finally:
            self._process.close_output()

    def _blocks(self) -> Iterator[Block]:
        rate_hz, channels = self._read_header()
        num_samples = 0
        while head := self._process.read_exactly(BLOCK_HEAD.size):
            if len(head) < BLOCK_HEAD.size:
                break
            arrived_s, overflow, num_bytes = BLOCK_HEAD.unpack(head)
            data = self._process.read_exactly(num_bytes)
            if len(data) < num_bytes:
                break
            samples = self._decode(data, channels, num_samples / rate_hz, rate_hz)
            num_samples += len(samples)
            yield Block(samples, rate_hz, arrived_s, overflow)
        code, end = self._process.how_it_ended()
        why = "unplugged, or its sound server ended" if code == 0 else f"its process {end}"
        raise SourceError(f"{self._name} sends no more sound ({why})")

    def close(self) -> None:
        self._process.close()

    def _read_header(self) -> tuple[int, int]:
        """Sample rate in Hz and channels of what follows. Raises SourceError if nothing does."""
        line = b""
        while not line.endswith(b"\n") and (byte := self._process.read(1)):
            line += byte
        if not line.endswith(b"\n"):
            _, end = self._process.how_it_ended()
            raise SourceError(f"{self._name} cannot be captured: its process {end}")
        header = json.loads(line)
        if "error" in header:
            raise (MissingLibraryError if header["final"] else SourceError)(header["error"])
        self._name = repr(header["name"])
        return header["sample_rate_hz"], header["channels"]

    def _decode(self, data: bytes, channels: int, start_s: float, rate_hz: int) -> Samples:
        frames = np.frombuffer(data, np.float32).reshape(-1, channels)[:, :MIXED_CHANNELS]
        check_finite(frames, self._name, start_s, rate_hz)
        return to_mono(frames)
