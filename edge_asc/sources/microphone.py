"""A microphone, through PortAudio."""

from __future__ import annotations

import contextlib
import os
import queue
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np

from edge_asc.audio import check_finite, to_mono
from edge_asc.errors import SourceError
from edge_asc.features import Samples
from edge_asc.sources import CHUNK_S, Chunk

QUEUE_BLOCKS = 50
"""Five seconds: a reader who is later than that loses sound, and is told so."""

START_GRACE_S = 5.0
STALL_S = 2.0
"""A sound server may take two seconds to begin; once it runs, so long a silence means that it has
stopped.
"""

_MIXED_CHANNELS = 2

_IF_REFUSED = (
    "Another program may hold it: close that, or choose another device"
    " (edge-asc devices lists them)"
)


@dataclass(frozen=True, slots=True)
class InputDevice:
    """Something that PortAudio can record from."""

    index: int
    """PortAudio's number: changes when devices come and go, so it is never asked for or shown."""

    name: str
    host_api: str
    channels: int
    default_rate_hz: int
    is_default: bool


@dataclass(frozen=True, slots=True)
class _Block:
    data: bytes
    arrived_s: float
    """seconds since 1970"""
    lost_samples: int


class Microphone:
    """Yields what a microphone hears, until the program ends or the device does.

    `device` is a part of its name, None the system's default. The device is asked for
    `preferred_rate_hz`, else runs at its own rate; for one channel, else its first two are
    averaged. Raises SourceError: no PortAudio, no such device, settings refused, stopped.
    """

    live = True

    def __init__(self, device: str | None, preferred_rate_hz: int) -> None:
        self._portaudio = _load_portaudio()
        self._device = find_input(list_inputs(), device)
        self.name = self._device.name
        self.sample_rate_hz, self._channels = self._negotiate(preferred_rate_hz)
        self._block_samples = round(CHUNK_S * self.sample_rate_hz)
        self._blocks: queue.Queue[_Block | None] = queue.Queue(QUEUE_BLOCKS)
        self._lost_samples = 0

    def __enter__(self) -> Microphone:
        try:
            self._stream = self._portaudio.RawInputStream(
                device=self._device.index,
                samplerate=self.sample_rate_hz,
                channels=self._channels,
                dtype="float32",
                blocksize=self._block_samples,
                latency="high",
                callback=self._on_audio,
                finished_callback=self._on_finished,
            )
            self._stream.start()
        except self._portaudio.PortAudioError as error:
            raise SourceError(
                f"cannot record from {self.name!r}: {error}. {_IF_REFUSED}"
            ) from error
        return self

    def __exit__(self, *exc: object) -> None:
        self._stream.abort()
        self._stream.close()

    def __iter__(self) -> Iterator[Chunk]:
        patience_s = START_GRACE_S
        heard_samples = 0
        while True:
            block = self._next_block(patience_s)
            samples = self._decode(block.data, heard_samples)
            heard_samples += len(samples)
            arrived = datetime.fromtimestamp(block.arrived_s).astimezone()
            yield Chunk(samples, arrived, block.lost_samples)
            patience_s = STALL_S

    def _next_block(self, patience_s: float) -> _Block:
        try:
            block = self._blocks.get(timeout=patience_s)
        except queue.Empty:
            block = None
        if block is None:
            raise SourceError(
                f"microphone stopped: {self.name!r} sends no more sound. Is it unplugged, or did"
                " its sound server end? edge-asc devices lists what is there"
            )
        return block

    def _decode(self, data: bytes, heard_samples: int) -> Samples:
        frames = np.frombuffer(data, np.float32).reshape(-1, self._channels)[:, :_MIXED_CHANNELS]
        check_finite(frames, self.name, heard_samples / self.sample_rate_hz, self.sample_rate_hz)
        return to_mono(frames)

    def _on_audio(self, data: Any, num_samples: int, _: Any, status: Any) -> None:  # noqa: ANN401
        """Called in PortAudio's thread: copy, enqueue, count, nothing else."""
        if status.input_overflow:
            # PortAudio does not tell how much it dropped; one block is the least it can say.
            self._lost_samples += self._block_samples
        try:
            self._blocks.put_nowait(_Block(bytes(data), time.time(), self._lost_samples))
            self._lost_samples = 0
        except queue.Full:
            # The newest block goes, not the oldest, so that the gap lies where the next block says
            # it does.
            self._lost_samples += num_samples

    def _on_finished(self) -> None:
        """Called when the stream ends, also when the device is unplugged: wake the reader."""
        # If the queue is full, the reader finds out when it has read all and waits.
        with contextlib.suppress(queue.Full):
            self._blocks.put_nowait(None)

    def _negotiate(self, preferred_rate_hz: int) -> tuple[int, int]:
        """The first sample rate and number of channels that the device accepts."""
        most = self._device.channels
        refusal: Exception | None = None
        for rate_hz in (preferred_rate_hz, self._device.default_rate_hz):
            for channels in sorted({1, min(_MIXED_CHANNELS, most), most}):
                try:
                    self._portaudio.check_input_settings(
                        device=self._device.index,
                        channels=channels,
                        dtype="float32",
                        samplerate=rate_hz,
                    )
                except self._portaudio.PortAudioError as error:
                    refusal = error
                else:
                    return rate_hz, channels
        raise SourceError(
            f"{self.name!r} accepts neither {preferred_rate_hz} Hz nor its own"
            f" {self._device.default_rate_hz} Hz: {refusal}. {_IF_REFUSED}"
        ) from refusal


def list_inputs() -> list[InputDevice]:
    """Every device that can record, in PortAudio's order. Raises SourceError without PortAudio."""
    portaudio = _load_portaudio()
    host_apis = portaudio.query_hostapis()
    default_index = portaudio.default.device[0]
    return [
        InputDevice(
            index=device["index"],
            name=device["name"],
            host_api=host_apis[device["hostapi"]]["name"],
            channels=device["max_input_channels"],
            default_rate_hz=round(device["default_samplerate"]),
            is_default=device["index"] == default_index,
        )
        for device in portaudio.query_devices()
        if device["max_input_channels"] > 0
    ]


def find_input(devices: list[InputDevice], name: str | None) -> InputDevice:
    """The default device, or the one whose name is or contains `name`, whatever its case.

    Raises SourceError if there is none, or more than one.
    """
    if not devices:
        raise SourceError(
            "no microphone found: PortAudio lists no device that can record. Connect one and look"
            " with edge-asc devices; sound also comes from a file or a pipe: --source FILE,"
            " --source -"
        )
    if name is None:
        what = "default input device"
        found = [device for device in devices if device.is_default]
    else:
        what = f"input device named {name!r}"
        key = name.casefold()
        found = [device for device in devices if device.name.casefold() == key] or [
            device for device in devices if key in device.name.casefold()
        ]
    if not found:
        raise SourceError(
            f"there is no {what}; there are: {', '.join(repr(device.name) for device in devices)}."
            " Choose one with --device NAME (edge-asc devices tells more)"
        )
    # One device may be listed once for every host API, under the same name: the first is
    # PortAudio's preference.
    names = sorted({device.name for device in found})
    if len(names) > 1:
        raise SourceError(
            f"{name!r} fits {len(names)} input devices: {', '.join(map(repr, names))}."
            " Give more of the name"
        )
    return found[0]


def _load_portaudio() -> Any:  # noqa: ANN401
    # PortAudio would start a JACK server, and print about it, on every machine that has JACK
    # installed.
    os.environ.setdefault("JACK_NO_START_SERVER", "1")
    try:
        import sounddevice
    except OSError as error:
        raise SourceError(
            "the library PortAudio, which records from microphones, is not installed:"
            " sudo apt install libportaudio2"
        ) from error
    return sounddevice
