"""A process that captures one microphone and writes it to its stdout.

    python -m edge_asc.sources.capture_process RATE_HZ [DEVICE]

PortAudio hangs with its sound server, does not see devices that come while it runs, and may take a
program down with it. A process can be ended and started anew, whatever state it is in. First comes
a line of JSON, {"name", "sample_rate_hz", "channels"} or {"error", "final"}; then blocks: a
`BLOCK_HEAD` and float32 frames, until the device stops or the reader is gone. No numpy here: every
restart would pay for it.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import queue
import signal
import struct
import sys
from typing import Any

from edge_asc.clock import elapsed_s
from edge_asc.errors import MissingLibraryError, SourceError
from edge_asc.sources import CHUNK_S
from edge_asc.sources.portaudio import (
    IF_REFUSED,
    find_input,
    list_inputs,
    load_portaudio,
    negotiate,
)

BLOCK_HEAD = struct.Struct("<d?I")
"""When the block's last sample came (`elapsed_s`), whether sound was lost just before it, how many
bytes follow."""

QUEUE_BLOCKS = 50
"""Five seconds: room for a reader who is held up."""

_PR_SET_PDEATHSIG = 1


class Capture:
    """Collects what PortAudio's thread brings. Raises SourceError if the device refuses."""

    def __init__(self, preferred_rate_hz: int, device: str | None) -> None:
        chosen = find_input(list_inputs(), device)
        rate_hz, channels = negotiate(chosen, preferred_rate_hz)
        self.header = {"name": chosen.name, "sample_rate_hz": rate_hz, "channels": channels}
        self._blocks: queue.Queue[bytes | None] = queue.Queue(QUEUE_BLOCKS)
        self._lost = False
        portaudio = load_portaudio()
        try:
            self._stream = portaudio.RawInputStream(
                device=chosen.index,
                samplerate=rate_hz,
                channels=channels,
                dtype="float32",
                blocksize=round(CHUNK_S * rate_hz),
                latency="high",
                callback=self._on_audio,
                finished_callback=self._on_finished,
            )
            self._stream.start()
        except portaudio.PortAudioError as error:
            raise SourceError(
                f"cannot record from {chosen.name!r}: {error}. {IF_REFUSED}"
            ) from error

    def next_block(self) -> bytes | None:
        """The next block with its head; None when the device has stopped."""
        return self._blocks.get()

    def _on_audio(self, data: Any, num_samples: int, _: Any, status: Any) -> None:  # noqa: ANN401
        """Called in PortAudio's thread: copy, enqueue, nothing else."""
        frames = bytes(data)
        lost = self._lost or bool(status.input_overflow)
        try:
            self._blocks.put_nowait(BLOCK_HEAD.pack(elapsed_s(), lost, len(frames)) + frames)
            self._lost = False
        except queue.Full:
            self._lost = True

    def _on_finished(self) -> None:
        """Called when the stream ends, also when the device is unplugged."""
        self._blocks.put(None)


def main() -> None:
    """Capture until the device stops; what cannot be opened is told in the first line."""
    if sys.platform == "linux":
        # A reader that was killed must not leave its microphone open behind it.
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    # Libraries print where they like; what is not sound goes to stderr.
    output = os.dup(1)
    os.dup2(2, 1)
    rate_hz, *device = sys.argv[1:]
    try:
        capture = Capture(int(rate_hz), device[0] if device else None)
        header = capture.header
    except SourceError as error:
        final = isinstance(error, MissingLibraryError)
        _write(output, _line({"error": str(error), "final": final}))
        return
    _write(output, _line(header))
    while (block := capture.next_block()) is not None:
        _write(output, block)


def _line(values: dict[str, Any]) -> bytes:
    return json.dumps(values).encode() + b"\n"


def _write(output: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(output, view) :]


if __name__ == "__main__":
    with contextlib.suppress(BrokenPipeError):
        main()
    # Closing PortAudio may hang, and there is nothing left to be kept.
    os._exit(0)
