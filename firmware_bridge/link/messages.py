"""What frames mean: every type of frame and the message in it."""

from __future__ import annotations

import struct
from collections.abc import Callable
from enum import IntEnum

from edge_asc.errors import LinkError
from edge_asc.firmware_bridge.link.controls import (
    Ack,
    Context,
    Hello,
    HelloRequest,
    Start,
    Stop,
    TimeAnswer,
    TimeRequest,
)
from edge_asc.firmware_bridge.link.frames import Frame
from edge_asc.firmware_bridge.link.streams import Adpcm, Estimate, Features, Log, Pcm


class FrameType(IntEnum):
    """The second byte of a frame."""

    HELLO_REQUEST = 0x01
    HELLO = 0x02
    ACK = 0x03
    START = 0x04
    STOP = 0x05
    CONTEXT = 0x06
    TIME_REQUEST = 0x07
    TIME_ANSWER = 0x08
    PCM = 0x10
    ADPCM = 0x11
    FEATURES = 0x12
    ESTIMATE = 0x13
    LOG = 0x14


Control = HelloRequest | Start | Stop | Context | TimeRequest
"""What a host sends, to be answered"""

Data = Pcm | Adpcm | Features | Estimate | Log
"""What a device streams; numbered one after the other, never sent again"""

Message = Control | Data | Hello | Ack | TimeAnswer

_TYPES: dict[FrameType, type[Message]] = {
    FrameType.HELLO_REQUEST: HelloRequest,
    FrameType.HELLO: Hello,
    FrameType.ACK: Ack,
    FrameType.START: Start,
    FrameType.STOP: Stop,
    FrameType.CONTEXT: Context,
    FrameType.TIME_REQUEST: TimeRequest,
    FrameType.TIME_ANSWER: TimeAnswer,
    FrameType.PCM: Pcm,
    FrameType.ADPCM: Adpcm,
    FrameType.FEATURES: Features,
    FrameType.ESTIMATE: Estimate,
    FrameType.LOG: Log,
}
_NUMBERS = {kind: number for number, kind in _TYPES.items()}


def to_frame(message: Message, sequence: int) -> Frame:
    """`message` as a frame of this number."""
    return Frame(_NUMBERS[type(message)], sequence, message.pack())


def type_of(message: Message) -> FrameType:
    """The type of the frame that carries `message`."""
    return _NUMBERS[type(message)]


def from_frame(frame: Frame) -> Message | None:
    """What `frame` says; None for a type that this version does not know.

    Raises LinkError for a payload that is not as described: the check sum was right, so its
    sender made it so.
    """
    kind = _TYPES.get(frame.type)  # type: ignore[call-overload]
    if kind is None:
        return None
    unpack: Callable[[bytes], Message] = kind.unpack
    try:
        return unpack(frame.payload)
    except (struct.error, ValueError, IndexError) as error:
        raise LinkError(
            f"a frame of type {kind.__name__} with {len(frame.payload)} bytes is not as"
            f" docs/link.md describes it ({error}); its check sum is right, so the firmware makes"
            " it so: build it again with the asc_link.c of this version"
        ) from error
