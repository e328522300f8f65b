"""A line that loses, flips, inserts and repeats bytes: only frames that it hit are lost.

Which frames were hit is known without any decoder: the channel says of every byte where it came
from. A frame is whole if its bytes came one after the other, unchanged, between two zeros.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest

from edge_asc.firmware_bridge.link.frames import Frame, FrameReader, encode
from edge_asc.firmware_bridge.link.host import StreamNumbers

NUM_FRAMES = 3_000
ALTERED = -1

Received = tuple[np.ndarray, np.ndarray]
"""Bytes, and for each of them its place in what was sent, or ALTERED"""

Fault = Callable[[np.ndarray, np.random.Generator, float], Received]


def drops(sent: np.ndarray, rng: np.random.Generator, share: float) -> Received:
    places = np.flatnonzero(rng.random(len(sent)) >= share)
    return sent[places], places


def flips(sent: np.ndarray, rng: np.random.Generator, share: float) -> Received:
    hit = rng.random(len(sent)) < share
    bits = (1 << rng.integers(0, 8, len(sent))).astype(np.uint8)
    return np.where(hit, sent ^ bits, sent), np.where(hit, ALTERED, np.arange(len(sent)))


def insertions(sent: np.ndarray, rng: np.random.Generator, share: float) -> Received:
    """Bytes of any value, a zero twice as often: an inserted border is the worst."""
    before = np.flatnonzero(rng.random(len(sent)) < share)
    values = rng.integers(0, 256, len(before)) * (rng.random(len(before)) < 0.5)
    return (
        np.insert(sent, before, values.astype(np.uint8)),
        np.insert(np.arange(len(sent)), before, ALTERED),
    )


def duplicates(sent: np.ndarray, rng: np.random.Generator, share: float) -> Received:
    """A second byte is foreign to its frame, but beside a border it may be as good."""
    twice = np.flatnonzero(rng.random(len(sent)) < share)
    return (
        np.insert(sent, twice + 1, sent[twice]),
        np.insert(np.arange(len(sent)), twice + 1, ALTERED),
    )


def bursts(sent: np.ndarray, rng: np.random.Generator, share: float) -> Received:
    """Up to 200 bytes of noise, or none at all, in the place of as many; borders among them."""
    received, places = sent.copy(), np.arange(len(sent))
    keep = np.ones(len(sent), bool)
    for begin in np.flatnonzero(rng.random(len(sent)) < share / 5):
        end = min(begin + int(rng.integers(1, 200)), len(sent))
        received[begin:end] = rng.integers(0, 256, end - begin)
        places[begin:end] = ALTERED
        keep[begin:end] = rng.random() < 0.5
    return received[keep], places[keep]


@dataclass(frozen=True)
class Sent:
    """All that was sent, and where each frame's own bytes lie, borders left out."""

    line: np.ndarray
    spans: list[tuple[int, int]]
    frames: list[Frame]


@pytest.fixture(scope="module")
def sent() -> Sent:
    """Frames of many lengths, so that hits at all their parts are there."""
    rng = np.random.default_rng(7)
    frames, spans, line = [], [], b""
    for sequence in range(NUM_FRAMES):
        size = int(rng.choice([2, 40, 300, 892], p=[0.2, 0.4, 0.2, 0.2]))
        payload = (rng.integers(0, 256, size) * (rng.random(size) < 0.9)).astype(np.uint8)
        frames.append(Frame(0x10, sequence, payload.tobytes()))
        coded = encode(frames[-1])
        spans.append((len(line) + 1, len(line) + len(coded) - 1))
        line += coded
    return Sent(np.frombuffer(line, np.uint8), spans, frames)


def whole_frames(sent: Sent, received: Received) -> list[int]:
    """The frames that must be found, in order."""
    values, places = received
    at = {int(place): index for index, place in enumerate(places) if place != ALTERED}
    whole = []
    for number, (begin, end) in enumerate(sent.spans):
        first = at.get(begin)
        if first is None or first + (end - begin) >= len(values) or first == 0:
            continue
        come = places[first : first + end - begin]
        borders = (values[first - 1], values[first + end - begin])
        if borders == (0, 0) and np.array_equal(come, np.arange(begin, end)):
            whole.append(number)
    return whole


@pytest.mark.parametrize("share", [1e-5, 1e-4, 1e-3])
@pytest.mark.parametrize("fault", [drops, flips, insertions, duplicates, bursts])
def test_only_frames_that_were_hit_are_lost_and_all_are_counted(
    fault: Fault, share: float, sent: Sent
) -> None:
    rng = np.random.default_rng(round(1 / share))
    received = fault(sent.line, rng, share)
    whole = whole_frames(sent, received)
    assert len(whole) < NUM_FRAMES
    reader, numbers = FrameReader(), StreamNumbers()
    data = received[0].tobytes()
    found: list[Frame] = []
    lost_between = []
    for begin in range(0, len(data), 777):
        for frame in reader.process(data[begin : begin + 777]):
            found.append(frame)
            lost_between.append(numbers.process(frame.sequence))
    assert found == [sent.frames[number] for number in whole]  # lost: those hit, and no others
    before = [-1, *whole]
    assert lost_between == [number - last - 1 for last, number in zip(before, whole, strict=False)]
    lost_at_the_end = NUM_FRAMES - 1 - whole[-1]
    assert numbers.num_lost + lost_at_the_end == NUM_FRAMES - len(whole)
    assert numbers.num_repeated == 0


@pytest.mark.parametrize("fault", [drops, flips, insertions, duplicates, bursts])
def test_the_device_reads_what_the_host_reads(fault: Fault, sent: Sent, harness: object) -> None:
    """The reader in C, on the first 9,000 bytes of a bad line."""
    data = fault(sent.line[:9_000], np.random.default_rng(3), 2e-3)[0].tobytes()
    reader = FrameReader()
    in_python = reader.process(data)
    in_c, damaged = harness.decode(data)  # type: ignore[attr-defined]
    assert [Frame(kind, number, payload, v) for v, kind, number, payload in in_c] == in_python
    assert damaged == reader.num_damaged > 0


def test_numbers_are_counted_over_their_end() -> None:
    numbers = StreamNumbers()
    assert numbers.process(3) == 3
    assert numbers.process(3) is None
    assert numbers.process(32_770) == 32_766
    assert numbers.process(65_535) == 32_764
    assert numbers.process(1) == 1
    assert (numbers.num_lost, numbers.num_repeated) == (65_534, 1)
