"""Frames on a serial line: 0x00, COBS(version, type, sequence, payload, CRC-32), 0x00.

    00 | COBS of  01  type  sequence (2)  payload ...  CRC-32 (4) | 00

COBS (Cheshire and Baker, 1999) leaves no zero within, so a zero is a border wherever a reader
begins; CRC-32 is zlib's. The only file that imports `cobs`.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass

from cobs import cobs

from edge_asc.firmware_bridge.link import VERSION

MAX_PAYLOAD_BYTES = 4096
"""46 ms of sound at 44.1 kHz; whatever is longer was no frame."""

_HEAD = struct.Struct("<BBH")
_CRC = struct.Struct("<I")
_MAX_BODY_BYTES = _HEAD.size + MAX_PAYLOAD_BYTES + _CRC.size
_MAX_PIECE_BYTES = _MAX_BODY_BYTES + _MAX_BODY_BYTES // 254 + 1


@dataclass(frozen=True, slots=True)
class Frame:
    """What a frame carries; its check sum was right."""

    type: int
    sequence: int
    """16 bits, from 0 again after 65,535"""
    payload: bytes
    version: int = VERSION


def encode(frame: Frame) -> bytes:
    """The bytes of `frame` on the line. Raises ValueError for a payload that is too long."""
    if len(frame.payload) > MAX_PAYLOAD_BYTES:
        raise ValueError(
            f"a frame takes at most {MAX_PAYLOAD_BYTES} bytes, got {len(frame.payload)}"
        )
    body = _HEAD.pack(frame.version, frame.type, frame.sequence) + frame.payload
    code: bytes = cobs.encode(body + _CRC.pack(zlib.crc32(body)))
    return b"\0" + code + b"\0"


class FrameReader:
    """Takes bytes as they come; returns the whole frames in them.

    How the bytes were cut into chunks never changes the frames.
    """

    def __init__(self) -> None:
        self.num_damaged = 0
        """Pieces between two zeros that were no frame"""
        self._piece = bytearray()
        self._too_long = False

    def process(self, data: bytes) -> list[Frame]:
        """Take in `data`; return the frames that it completes."""
        *complete, rest = data.split(b"\0")
        frames = []
        for part in complete:
            self._extend(part)
            if frame := self._finish():
                frames.append(frame)
        self._extend(rest)
        return frames

    def _extend(self, part: bytes) -> None:
        self._too_long |= len(self._piece) + len(part) > _MAX_PIECE_BYTES
        if self._too_long:
            self._piece.clear()
        else:
            self._piece += part

    def _finish(self) -> Frame | None:
        """The frame that a zero ends; None for nothing and, which is counted, for what is none."""
        piece, too_long = bytes(self._piece), self._too_long
        self._piece.clear()
        self._too_long = False
        if not piece and not too_long:
            return None
        frame = None if too_long else _decode(piece)
        self.num_damaged += frame is None
        return frame


def _decode(piece: bytes) -> Frame | None:
    try:
        body = cobs.decode(piece)
    except cobs.DecodeError:
        return None
    if len(body) < _HEAD.size + _CRC.size:
        return None
    body, crc = body[: -_CRC.size], body[-_CRC.size :]
    if _CRC.unpack(crc)[0] != zlib.crc32(body):
        return None
    version, kind, sequence = _HEAD.unpack_from(body)
    return Frame(kind, sequence, body[_HEAD.size :], version)
