"""The host's end without a port: what it sends, sends again, takes and refuses."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pytest

from edge_asc.errors import LinkError
from edge_asc.firmware_bridge.link.controls import (
    Ack,
    Can,
    Context,
    Hello,
    HelloRequest,
    Start,
    Status,
    TimeAnswer,
    TimeRequest,
)
from edge_asc.firmware_bridge.link.device_clock import DeviceClock
from edge_asc.firmware_bridge.link.frames import Frame, FrameReader, encode
from edge_asc.firmware_bridge.link.host import ANSWER_S, HELLO_TRIES, TRIES, HostLink
from edge_asc.firmware_bridge.link.messages import FrameType, Message, from_frame, to_frame
from edge_asc.firmware_bridge.link.streams import Estimate, Flow, Pcm

HELLO = Hello(1, 1, False, Can.PCM, 44_100, bytes(32), "it")


@dataclass
class Ends:
    """A host's end, a clock of its own, and what came out of it."""

    now_s: float = 100.0
    sent: bytearray = field(default_factory=bytearray)

    def __post_init__(self) -> None:
        self.link = HostLink(self.sent.extend, lambda: self.now_s)
        self._reader = FrameReader()

    def out(self) -> list[tuple[int, Message | None]]:
        """What was sent since the last call, with its numbers."""
        frames = self._reader.process(bytes(self.sent))
        self.sent.clear()
        return [(frame.sequence, from_frame(frame)) for frame in frames]

    def come(self, message: Message, sequence: int) -> list[Message]:
        return [a.message for a in self.link.receive(encode(to_frame(message, sequence)))]

    def wait(self, seconds: float) -> None:
        self.now_s += seconds
        self.link.tick()


@pytest.fixture
def ends() -> Ends:
    return Ends()


@pytest.fixture
def started(ends: Ends) -> Ends:
    ends.link.ask(Start(Can.PCM, 9))
    ends.come(Ack(FrameType.START, Status.DONE), 0)
    ends.out()
    return ends


def pcm(stream: int = 9) -> Pcm:
    return Pcm(Flow(0, 0, stream), np.zeros(2, np.int16))


def test_one_question_at_a_time(ends: Ends) -> None:
    ends.link.ask(HelloRequest())
    ends.link.ask(Start(Can.PCM, 9))
    assert ends.out() == [(0, HelloRequest())]
    assert not ends.link.idle
    ends.come(HELLO, 0)
    assert ends.link.hello == HELLO
    assert ends.out() == [(1, Start(Can.PCM, 9))]
    ends.come(Ack(FrameType.START, Status.DONE), 1)
    assert ends.link.idle


def test_a_question_is_sent_again_with_its_number_and_not_for_ever(ends: Ends) -> None:
    ends.link.ask(Start(Can.PCM, 9))
    for _ in range(TRIES - 1):
        ends.wait(ANSWER_S)
        ends.wait(ANSWER_S / 2)  # too soon
        ends.now_s -= ANSWER_S / 2
    assert ends.out() == TRIES * [(0, Start(Can.PCM, 9))]
    with pytest.raises(LinkError, match="did not answer START, sent 5 times"):
        ends.wait(ANSWER_S)


def test_nobody_is_there(ends: Ends) -> None:
    ends.link.ask(HelloRequest())
    for _ in range(HELLO_TRIES - 1):
        ends.wait(ANSWER_S)
    with pytest.raises(LinkError, match=r"never said hello in 6 s \(nothing came from it\)"):
        ends.wait(ANSWER_S)


def test_an_answer_that_comes_twice_counts_once(ends: Ends) -> None:
    ends.link.ask(HelloRequest())
    ends.wait(ANSWER_S)
    ends.come(HELLO, 0)
    ends.link.ask(Start(Can.PCM, 9))
    ends.come(HELLO, 0)  # to the repeated question
    ends.come(Ack(FrameType.START, Status.DONE), 0)  # another's number
    ends.come(Ack(FrameType.STOP, Status.DONE), 1)  # another's type
    assert not ends.link.idle
    ends.come(Ack(FrameType.START, Status.DONE), 1)
    assert ends.link.idle


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (Status.CANNOT, "refuses CONTEXT: it cannot do this; build its firmware again"),
        (Status.MALFORMED, "refuses CONTEXT: it cannot read it"),
        (7, "refuses CONTEXT: status 7"),
    ],
)
def test_a_device_that_refuses(ends: Ends, status: int, words: str) -> None:
    ends.link.ask(Context(255, None))
    with pytest.raises(LinkError, match=words):
        ends.come(Ack(FrameType.CONTEXT, status), 0)


def test_an_announcement_is_acknowledged(ends: Ends) -> None:
    announcement = Hello(1, 1, True, Can.PCM, 44_100, bytes(32), "it")
    ends.link.ask(HelloRequest())
    ends.out()
    ends.come(announcement, 0)  # it has just started, and answers soon
    assert ends.link.hello is None
    assert ends.out() == [(0, Ack(FrameType.HELLO, Status.DONE))]
    ends.come(HELLO, 0)
    with pytest.raises(LinkError, match="it was reset"):
        ends.come(announcement, 0)


def test_what_is_missing_is_known_from_the_numbers(started: Ends) -> None:
    arrived = []
    for sequence in (0, 1, 4, 4, 3, 5):
        arrived += started.link.receive(encode(to_frame(pcm(), sequence)))
    assert [one.lost for one in arrived] == [0, 0, 2, 0]
    assert (started.link.numbers.num_lost, started.link.numbers.num_repeated) == (2, 2)


def test_only_the_stream_that_was_asked_for(ends: Ends) -> None:
    assert ends.come(pcm(8), 700) == []  # nothing was asked yet
    ends.link.ask(Start(Can.PCM, 9))
    assert ends.come(pcm(8), 701) == []
    assert len(ends.come(pcm(9), 0)) == 1  # the answer to START was lost
    ends.come(Ack(FrameType.START, Status.DONE), 0)
    assert len(ends.come(pcm(9), 1)) == 1
    assert ends.link.numbers.num_lost == 0
    with pytest.raises(LinkError, match="nobody asked it for: it was reset"):
        ends.come(pcm(8), 0)


def test_types_of_later_versions_are_passed_over(started: Ends) -> None:
    assert started.link.receive(encode(Frame(0x77, 5, b"what is this"))) == []
    with pytest.raises(LinkError, match="speaks version 2 of the link"):
        started.link.receive(encode(Frame(FrameType.PCM, 0, b"", version=2)))


def test_a_hello_of_any_version_can_be_read(ends: Ends) -> None:
    ends.link.ask(HelloRequest())
    with pytest.raises(LinkError, match="speaks versions 2 to 4 of the link, this program 1; upg"):
        ends.link.receive(encode(Frame(FrameType.HELLO, 0, b"\x04\x02and more", version=4)))
    newer = Hello(3, 1, False, Can.PCM, 44_100, bytes(32), "knows the old words, too")
    ends.come(newer, 0)
    assert ends.link.hello == newer


def test_a_farewell_waits_for_nothing(started: Ends) -> None:
    started.link.send_once(Start(Can.PCM, 1))
    assert len(started.out()) == 1
    assert started.link.idle


def test_times_are_kept_with_when_they_came(ends: Ends) -> None:
    ends.link.ask(TimeRequest(99_000_000))
    answer = TimeAnswer(99_000_000, 5, 6)
    ends.come(answer, 0)
    assert ends.link.take_times() == [(answer, 100.0)]
    assert ends.link.take_times() == []


def test_the_clock_of_a_device() -> None:
    """Asked at 10 s, answered at 10.4 s; its clock is 7 s behind, the way there takes 0.1 s."""
    clock = DeviceClock()
    clock.add(TimeAnswer(10_000_000, 3_100_000, 3_200_000), 10.4)
    # (3.1 - 10 + 3.2 - 10.4) / 2 = -7.05: half of the 0.3 s less than known
    assert clock.moment_s(3_000_000) == pytest.approx(10.05)
    clock.add(TimeAnswer(11_000_000, 4_010_000, 4_010_000), 11.02)
    assert clock.moment_s(3_000_000) == pytest.approx(10.0)
    clock.add(TimeAnswer(12_000_000, 5_300_000, 5_300_000), 12.4)  # slower: not so good
    assert clock.moment_s(3_000_000) == pytest.approx(10.0)
    clock.add(TimeAnswer(400_000_000, 393_150_000, 393_150_000), 400.2)  # but newer
    assert clock.moment_s(393_000_000) == pytest.approx(399.95)
    with pytest.raises(LinkError, match=r"jumped by -39\d\.\d s: it was reset"):
        clock.add(TimeAnswer(401_000_000, 1_000_000, 1_000_000), 401.1)


def test_probabilities_of_an_estimate() -> None:
    logits = Estimate(1, 0, 0, np.array([0, 256, -256], np.int16))
    expected = np.exp([0, 0.5, -0.5]) / np.exp([0, 0.5, -0.5]).sum()
    np.testing.assert_allclose(logits.probabilities(temperature=2.0), expected, rtol=1e-6)
    shares = Estimate(1, 0, Estimate.PROBABILITIES, np.array([32_767, 0], np.int16))
    assert shares.probabilities(temperature=2.0).tolist() == [1.0, 0.0]
