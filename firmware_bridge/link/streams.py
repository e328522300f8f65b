"""What a device streams: each message as a dataclass, packed as docs/link.md lays it out.

`unpack` raises ValueError, IndexError or struct.error for bytes that are not so.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from edge_asc.firmware_bridge.link import adpcm


class Level(IntEnum):
    """How grave a line of the log is."""

    DEBUG = 0
    INFORMATION = 1
    WARNING = 2
    ERROR = 3


@dataclass(frozen=True, slots=True)
class Flow:
    """Where a piece of sound or features lies in its stream."""

    layout: ClassVar = struct.Struct("<IIH")
    position: int
    """Its first sample (or frame of features), dropped ones included; 32 bits"""
    dropped: int
    """How many the device dropped since the stream began; 32 bits"""
    stream: int

    def pack(self) -> bytes:
        return self.layout.pack(self.position, self.dropped, self.stream)


@dataclass(frozen=True, slots=True)
class Pcm:
    """Sound, 16 bits a sample."""

    flow: Flow
    samples: adpcm.Pcm
    """shape (num_samples,)"""

    @property
    def stream(self) -> int:
        return self.flow.stream

    def pack(self) -> bytes:
        return self.flow.pack() + self.samples.astype("<i2").tobytes()

    @classmethod
    def unpack(cls, payload: bytes) -> Pcm:
        flow, data = _split_flow(payload)
        return cls(flow, np.frombuffer(data, "<i2").astype(np.int16))


@dataclass(frozen=True, slots=True)
class Adpcm:
    """Sound, 4 bits a sample; each frame can be decoded without those before it."""

    layout: ClassVar = struct.Struct("<hBB")
    flow: Flow
    predictor: int
    index: int
    odd: bool
    """The last half of a byte holds nothing."""
    data: bytes

    @property
    def stream(self) -> int:
        return self.flow.stream

    @property
    def samples(self) -> adpcm.Pcm:
        samples = adpcm.decode(self.predictor, self.index, self.data)
        return samples[:-1] if self.odd else samples

    def pack(self) -> bytes:
        state = self.layout.pack(self.predictor, self.index, self.odd)
        return self.flow.pack() + state + self.data

    @classmethod
    def unpack(cls, payload: bytes) -> Adpcm:
        flow, data = _split_flow(payload)
        predictor, index, odd = cls.layout.unpack_from(data)
        if index >= adpcm.NUM_STEPS:
            raise ValueError(f"its step index is {index}, at most {adpcm.NUM_STEPS - 1} is allowed")
        return cls(flow, predictor, index, bool(odd), data[cls.layout.size :])


@dataclass(frozen=True, slots=True)
class Features:
    """Standardised log-mel frames, quantized as the model's encoder takes them."""

    flow: Flow
    values: npt.NDArray[np.int8]
    """shape (num_frames, num_bands)"""

    @property
    def stream(self) -> int:
        return self.flow.stream

    def pack(self) -> bytes:
        return self.flow.pack() + bytes([self.values.shape[1]]) + self.values.tobytes()

    @classmethod
    def unpack(cls, payload: bytes) -> Features:
        flow, data = _split_flow(payload)
        num_bands = data[0]
        return cls(flow, np.frombuffer(data[1:], np.int8).reshape(-1, num_bands))


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a device that classifies by itself took a window for."""

    layout: ClassVar = struct.Struct("<HQBB")
    AFTER_GAP: ClassVar = 1
    PROBABILITIES: ClassVar = 2
    stream: int
    end_us: int
    """The window's end, by the device's clock"""
    flags: int
    values: npt.NDArray[np.int16]
    """shape (num_scenes,); probabilities in 1/32767 if the flags say so, else logits in 1/256"""

    @property
    def after_gap(self) -> bool:
        return bool(self.flags & self.AFTER_GAP)

    def probabilities(self, temperature: float) -> npt.NDArray[np.float32]:
        """Shape (num_scenes,); logits are divided by `temperature` first."""
        values = self.values.astype(np.float32)
        if self.flags & self.PROBABILITIES:
            return values / np.float32(32_767)
        logits = values / np.float32(256 * temperature)
        exponentials = np.exp(logits - logits.max())
        probabilities: npt.NDArray[np.float32] = exponentials / exponentials.sum()
        return probabilities

    def pack(self) -> bytes:
        head = self.layout.pack(self.stream, self.end_us, self.flags, len(self.values))
        return head + self.values.astype("<i2").tobytes()

    @classmethod
    def unpack(cls, payload: bytes) -> Estimate:
        stream, end_us, flags, count = cls.layout.unpack_from(payload)
        if not count or len(payload) != cls.layout.size + 2 * count:
            raise ValueError(f"it says that it has {count} values")
        values = np.frombuffer(payload[cls.layout.size :], "<i2").astype(np.int16)
        return cls(stream, end_us, flags, values)


@dataclass(frozen=True, slots=True)
class Log:
    """A line that a device has to say."""

    layout: ClassVar = struct.Struct("<HB")
    stream: int
    level: Level
    text: str

    def pack(self) -> bytes:
        return self.layout.pack(self.stream, self.level) + self.text.encode()

    @classmethod
    def unpack(cls, payload: bytes) -> Log:
        stream, level = cls.layout.unpack_from(payload)
        return cls(stream, Level(level), payload[cls.layout.size :].decode(errors="replace"))


def _split_flow(payload: bytes) -> tuple[Flow, bytes]:
    return Flow(*Flow.layout.unpack_from(payload)), payload[Flow.layout.size :]
