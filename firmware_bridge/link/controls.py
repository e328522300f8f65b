"""What host and device settle: each message as a dataclass, packed as docs/link.md lays it out.

`unpack` raises ValueError or struct.error for bytes that are not so.
"""

from __future__ import annotations

import hashlib
import struct
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum, IntFlag
from typing import TYPE_CHECKING, ClassVar

from edge_asc.firmware_bridge.link import VERSION

if TYPE_CHECKING:
    from edge_asc.manifest import Manifest

UNKNOWN_CITY = 255
NO_MODEL = bytes(32)
"""The hash of a device without a model"""


class Can(IntFlag):
    """What a device can do, and what a host asks it to send."""

    PCM = 0x01
    ADPCM = 0x02
    FEATURES = 0x04
    ESTIMATES = 0x08
    LOG = 0x10
    CONTEXT = 0x20


class Status(IntEnum):
    """How an ACK answers."""

    DONE = 0
    CANNOT = 1
    MALFORMED = 2


def model_hash(manifest: Manifest) -> bytes:
    """32 bytes that tell a model from every other: its manifest names the hash of each part."""
    return hashlib.sha256(manifest.to_json().encode()).digest()


@dataclass(frozen=True, slots=True)
class HelloRequest:
    """The host asks who is there."""

    layout: ClassVar = struct.Struct("<BB")
    protocol: int = VERSION
    oldest: int = VERSION

    def pack(self) -> bytes:
        return self.layout.pack(self.protocol, self.oldest)

    @classmethod
    def unpack(cls, payload: bytes) -> HelloRequest:
        return cls(*cls.layout.unpack_from(payload))


@dataclass(frozen=True, slots=True)
class Hello:
    """A device says who it is. The first two bytes are the same in every version."""

    layout: ClassVar = struct.Struct("<BBBHI32s")
    protocol: int
    oldest: int
    """The oldest version that it understands, too"""
    announced: bool
    """Unasked: the device has just been reset."""
    capabilities: Can
    sample_rate_hz: int
    model_sha256: bytes
    name: str

    def pack(self) -> bytes:
        facts = (self.protocol, self.oldest, self.announced, self.capabilities)
        fixed = self.layout.pack(*facts, self.sample_rate_hz, self.model_sha256)
        return fixed + self.name.encode()

    @classmethod
    def unpack(cls, payload: bytes) -> Hello:
        protocol, oldest = struct.unpack_from("<BB", payload)
        if not oldest <= VERSION <= protocol:  # the rest may be laid out otherwise
            return cls(protocol, oldest, False, Can(0), 0, NO_MODEL, "")
        *_, announced, capabilities, rate_hz, sha256 = cls.layout.unpack_from(payload)
        name = payload[cls.layout.size :].decode(errors="replace")
        return cls(protocol, oldest, bool(announced), Can(capabilities), rate_hz, sha256, name)


@dataclass(frozen=True, slots=True)
class Ack:
    """A control frame was taken; the frame's sequence number is that of what it answers."""

    layout: ClassVar = struct.Struct("<BB")
    type: int
    status: int

    def pack(self) -> bytes:
        return self.layout.pack(self.type, self.status)

    @classmethod
    def unpack(cls, payload: bytes) -> Ack:
        return cls(*cls.layout.unpack(payload))


@dataclass(frozen=True, slots=True)
class Start:
    """The host wants these kinds of data, as a stream of this number."""

    layout: ClassVar = struct.Struct("<HH")
    wanted: Can
    stream: int

    def pack(self) -> bytes:
        return self.layout.pack(self.wanted, self.stream)

    @classmethod
    def unpack(cls, payload: bytes) -> Start:
        wanted, stream = cls.layout.unpack(payload)
        return cls(Can(wanted), stream)


@dataclass(frozen=True, slots=True)
class Stop:
    """The host wants no more."""

    def pack(self) -> bytes:
        return b""

    @classmethod
    def unpack(cls, payload: bytes) -> Stop:
        if payload:
            raise ValueError("it must have no bytes")
        return cls()


@dataclass(frozen=True, slots=True)
class Context:
    """City and local time, for a device that classifies by itself."""

    layout: ClassVar = struct.Struct("<BHBBBBBB")
    city: int
    """Into the model's cities, or `UNKNOWN_CITY`"""
    local_time: datetime | None

    def pack(self) -> bytes:
        time = self.local_time
        if time is None:
            return self.layout.pack(self.city, 0, 0, 0, 0, 0, 0, 0)
        day = (time.year, time.month, time.day, time.weekday())
        return self.layout.pack(self.city, *day, time.hour, time.minute, time.second)

    @classmethod
    def unpack(cls, payload: bytes) -> Context:
        city, year, month, day, _, hour, minute, second = cls.layout.unpack(payload)
        known = month != 0
        return cls(city, datetime(year, month, day, hour, minute, second) if known else None)


@dataclass(frozen=True, slots=True)
class TimeRequest:
    """The host sends its clock's time."""

    layout: ClassVar = struct.Struct("<Q")
    host_us: int

    def pack(self) -> bytes:
        return self.layout.pack(self.host_us)

    @classmethod
    def unpack(cls, payload: bytes) -> TimeRequest:
        return cls(*cls.layout.unpack(payload))


@dataclass(frozen=True, slots=True)
class TimeAnswer:
    """The device sends it back, with when it came and when the answer left, by its own clock."""

    layout: ClassVar = struct.Struct("<QQQ")
    host_us: int
    received_us: int
    sent_us: int

    def pack(self) -> bytes:
        return self.layout.pack(self.host_us, self.received_us, self.sent_us)

    @classmethod
    def unpack(cls, payload: bytes) -> TimeAnswer:
        return cls(*cls.layout.unpack(payload))
