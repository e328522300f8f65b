"""Makes vectors.json: frames and sounds that C and Python must encode and decode alike.

    python tests/firmware_bridge/link/make_vectors.py > tests/firmware_bridge/link/vectors.json

Nothing of the project is asked: COBS as its authors describe it (Cheshire and Baker, 1999), CRC-32
bit by bit (ISO 3309), ADPCM by CPython's `audioop`, which Python 3.12 was the last to have, and
which puts the first of two samples into the high half of a byte.
"""

from __future__ import annotations

import audioop
import json
import math
import random
import struct
import sys

ADPCM_STARTS = ((0, 0), (-1234, 40), (32_767, 88))


def crc32(data: bytes) -> int:
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0xEDB88320 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def cobs(data: bytes) -> bytes:
    coded = b""
    parts = data.split(b"\0")
    for number, part in enumerate(parts):
        last = number == len(parts) - 1
        while len(part) > 254 or (len(part) == 254 and not last):
            coded += b"\xff" + part[:254]
            part = part[254:]
        coded += b"\xff" + part if len(part) == 254 else bytes([len(part) + 1]) + part
    return coded


def frame(kind: int, sequence: int, payload: bytes, version: int = 1) -> bytes:
    body = struct.pack("<BBH", version, kind, sequence) + payload
    return b"\0" + cobs(body + struct.pack("<I", crc32(body))) + b"\0"


def flow(position: int, dropped: int, stream: int) -> bytes:
    return struct.pack("<IIH", position, dropped, stream)


def messages() -> list[tuple[str, int, int, bytes]]:
    sha256 = bytes(range(32))
    hello = struct.pack("<BBBHI", 1, 1, 1, 0x21, 44_100) + sha256 + "Küche".encode()
    noise = random.Random(1)
    return [
        ("hello request", 0x01, 0, bytes([1, 1])),
        ("hello, announced", 0x02, 0, hello),
        ("ack of START", 0x03, 1, bytes([0x04, 0])),
        ("start of PCM as stream 0xbeef", 0x04, 1, struct.pack("<HH", 0x01, 0xBEEF)),
        ("stop", 0x05, 65_535, b""),
        ("context: city 12, 2026-11-29 12:08:56, a Sunday", 0x06, 2,
         struct.pack("<BHBBBBBB", 12, 2026, 11, 29, 6, 12, 8, 56)),
        ("context: nothing is known", 0x06, 3, bytes([255]) + bytes(8)),
        ("time request", 0x07, 4, struct.pack("<Q", 123_456_789_012)),
        ("time answer", 0x08, 4, struct.pack("<QQQ", 123_456_789_012, 5_000_000, 5_000_250)),
        ("PCM", 0x10, 0x1234, flow(882, 441, 0xBEEF) + struct.pack("<5h", 0, 1, -1, 32767, -32768)),
        ("PCM, 441 samples of silence", 0x10, 7, flow(0, 0, 0) + bytes(882)),
        ("PCM, 441 samples of noise", 0x10, 8, flow(441, 0, 1) + noise.randbytes(882)),
        ("ADPCM", 0x11, 9, flow(0, 0, 1) + struct.pack("<hBB", -1234, 40, 1) + bytes(range(40))),
        ("features, 2 frames of 3 bands", 0x12, 10,
         flow(50, 0, 1) + bytes([3]) + b"\x80\0\x7f\1\2\3"),
        ("estimate: logits", 0x13, 11,
         struct.pack("<HQBB3h", 1, 10_000_000, 1, 3, -512, 0, 700)),
        ("estimate: probabilities", 0x13, 12,
         struct.pack("<HQBB2h", 1, 11_000_000, 2, 2, 8192, 24575)),
        ("log line", 0x14, 13, struct.pack("<HB", 1, 2) + "über 80 °C".encode()),
    ]  # fmt: skip


def lengths() -> list[tuple[str, int, int, bytes]]:
    """Payloads around the length of a COBS block, without a zero in them."""
    found = []
    for size in (0, 245, 246, 247, 248, 249, 250, 251, 253, 254, 255, 508, 4096):
        payload = bytes(1 + number % 255 for number in range(size))
        found.append((f"{size} bytes without zero", 0x55, 0x0101, payload))
        found.append((f"{size} bytes and a zero", 0x55, 0x0101, payload[:4095] + b"\0"))
    return found


def lines() -> list[dict[str, object]]:
    """What may come on a line, and what must be found in it."""
    one, two = frame(0x10, 1, b"one\0"), frame(0x10, 2, b"two")
    flipped = bytearray(one)
    flipped[5] ^= 0x10
    cases = {
        "two frames": (one + two, [1, 2], 0),
        "their borders shared": (one + two[1:], [1, 2], 0),
        "zeros doubled": (b"\0\0" + one + b"\0\0" + two + b"\0", [1, 2], 0),
        "begins within a frame": (one[6:] + two, [2], 1),
        "noise of one byte between them": (one + b"\x07" + two, [1, 2], 1),
        "noise that looks empty": (one + b"\x01\0" + two, [1, 2], 1),
        "a bit of the first flipped": (bytes(flipped) + two, [2], 1),
        "a zero within the first": (one[:5] + b"\0" + one[5:] + two, [2], 2),
        "the first without its end": (one[:-1] + two, [1, 2], 0),
        "the first without its end, the second without its border": (one[:-1] + two[1:], [], 1),
        "a byte missing": (one[:4] + one[5:] + two, [2], 1),
        "the first twice": (one + one + two, [1, 1, 2], 0),
        "an end that is still to come": (one + two[:-1], [1], 0),
        "longer than any frame": (b"\x01" * 5000 + one, [1], 1),
    }
    return [
        {"name": name, "line": line.hex(), "sequences": sequences, "damaged": damaged}
        for name, (line, sequences, damaged) in cases.items()
    ]


def sounds() -> dict[str, list[int]]:
    noise = random.Random(2)
    return {
        "silence": [0] * 64,
        "tone": [round(12_000 * math.sin(n / 7)) for n in range(400)],
        "noise at full scale": [noise.randint(-32_768, 32_767) for _ in range(400)],
        "square wave at full scale": [32_767 if n // 16 % 2 else -32_768 for n in range(400)],
    }


def adpcm() -> list[dict[str, object]]:
    cases: list[dict[str, object]] = []
    for name, samples in sounds().items():
        pcm = struct.pack(f"<{len(samples)}h", *samples)
        for start in ADPCM_STARTS:
            coded, end = audioop.lin2adpcm(pcm, 2, start)
            decoded, _ = audioop.adpcm2lin(coded, 2, start)
            low_first = bytes(byte >> 4 | (byte & 15) << 4 for byte in coded)
            cases.append(
                {
                    "name": name,
                    "start": start,
                    "end": end,
                    "samples": pcm.hex(),
                    "codes": low_first.hex(),
                    "decoded": decoded.hex(),
                }
            )
    return cases


def main() -> None:
    frames = [
        {
            "name": name,
            "type": kind,
            "sequence": sequence,
            "payload": payload.hex(),
            "line": frame(kind, sequence, payload).hex(),
        }
        for name, kind, sequence, payload in (*messages(), *lengths())
    ]
    made = "by make_vectors.py beside it, which tells how"
    vectors = {"made": made, "frames": frames, "lines": lines(), "adpcm": adpcm()}
    json.dump(vectors, sys.stdout, indent=1, ensure_ascii=False)
    print()


if __name__ == "__main__":
    main()
