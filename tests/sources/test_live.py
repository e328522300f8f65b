"""Live sound, from captures that do what the test says."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace

import numpy as np
import pytest

from edge_asc.errors import AudioError, MissingLibraryError, SourceError
from edge_asc.sources import Chunk, live
from edge_asc.sources.flow import Block
from edge_asc.sources.live import Feed, LiveSource

RATE_HZ = 1_000
BLOCK = np.zeros(RATE_HZ // 10, np.float32)


def block(arrived_s: float, value: float = 0.0, *, rate_hz: int = RATE_HZ) -> Block:
    return Block(np.full(rate_hz // 10, value, np.float32), rate_hz, arrived_s)


Step = Block | BaseException | Callable[[], None]


@dataclass
class Session:
    """Delivers blocks, raises errors and calls what is to be called, in this order."""

    steps: Iterable[Step]
    closed: int = 0

    def blocks(self) -> Iterator[Block]:
        for step in self.steps:
            if isinstance(step, Block):
                yield step
            elif isinstance(step, BaseException):
                raise step
            else:
                step()

    def close(self) -> None:
        self.closed += 1


@dataclass
class Capture:
    """Opens the sessions that it was given, one after the other; an error among them is raised."""

    sessions: list[Session | BaseException]
    name: str = "test device"
    description: str = "a device of the test"
    start_grace_s: float = 5.0
    can_restart: bool = True
    may_flood: bool = False
    opened: int = 0

    def open(self) -> Session:
        session = self.sessions[self.opened]
        self.opened += 1
        if isinstance(session, BaseException):
            raise session
        return session


@dataclass
class Heard:
    """All that came out."""

    said: list[str] = field(default_factory=list)
    slept_s: list[float] = field(default_factory=list)
    chunks: list[Chunk] = field(default_factory=list)

    def source(self, capture: Capture, *, retry: bool = True, max_lag_s: float = 5.0) -> LiveSource:
        return LiveSource(
            capture,
            retry=retry,
            max_lag_s=max_lag_s,
            say=self.said.append,
            sleep=self.slept_s.append,
        )

    def run(self, capture: Capture, count: int, *, retry: bool = True) -> Heard:
        with self.source(capture, retry=retry, max_lag_s=1_000) as source:
            for chunk in source:
                self.chunks.append(chunk)
                if len(self.chunks) == count:
                    break
        return self

    @property
    def lost_s(self) -> list[float]:
        return [round(chunk.lost_s, 6) for chunk in self.chunks]


NOW_S = 5_000.0
STOP = SourceError("it was unplugged")


@pytest.fixture(autouse=True)
def _time_stands_still(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edge_asc.sources.live.elapsed_s", lambda: NOW_S)


def stream(*offsets_s: float) -> list[Step]:
    return [block(NOW_S + offset_s) for offset_s in offsets_s]


def test_a_stream_that_ends() -> None:
    session = Session(stream(0.1, 0.2, 0.3))
    heard = Heard().run(Capture([session], can_restart=False), 9)
    assert heard.lost_s == [0, 0, 0]
    assert heard.said == ["hearing test device at 1000 Hz"]
    assert session.closed == 1


def test_a_device_that_comes_back_tells_how_long_it_was_away() -> None:
    """Heard until 0.2 s; the first block of the second session began at 7.2 s."""
    first = Session([*stream(0.1, 0.2), STOP])
    second = Session(stream(7.3, 7.4))
    heard = Heard().run(Capture([first, second]), 4)
    assert heard.lost_s == [0, 0, 7.0, 0]
    assert heard.chunks[2].cause == "it was unplugged"
    assert heard.said == [
        "hearing test device at 1000 Hz",
        "it was unplugged; trying again until it is back",
        "test device is back after 7.0 s",
    ]
    assert (first.closed, second.closed) == (1, 1)
    assert heard.slept_s == [1]


def test_it_waits_ever_longer_and_says_the_same_only_once() -> None:
    sessions: list[Session | BaseException] = [STOP] * 8
    heard = Heard().run(Capture([*sessions, Session(stream(100.1))]), 1)
    assert heard.slept_s == [1, 2, 4, 8, 16, 30, 30, 30]
    assert heard.said[0] == "it was unplugged; trying again until it is back"
    assert heard.said[1].startswith("test device is back after ")
    assert heard.said[2:] == ["hearing test device at 1000 Hz"]
    # Absent at the start: what was missed since then counts, too.
    assert heard.lost_s == [100.0]


def test_another_reason_is_said_but_the_first_is_the_cause() -> None:
    refused = SourceError("another program holds it")
    heard = Heard().run(Capture([Session([*stream(0.1), STOP]), refused, Session(stream(9.2))]), 2)
    assert heard.said[1:3] == [
        "it was unplugged; trying again until it is back",
        "another program holds it; trying again until it is back",
    ]
    assert heard.chunks[1].cause == "it was unplugged"


def test_a_stop_after_a_long_time_is_tried_again_soon() -> None:
    sessions = [
        Session([*stream(0.1), STOP]),
        Session([*stream(1.1), STOP]),
        Session([*stream(40.1), STOP]),
        Session(stream(42.1)),
    ]
    heard = Heard().run(Capture([*sessions]), 4)
    assert heard.slept_s == [1, 2, 1]


def test_without_retry_a_stop_is_an_error() -> None:
    session = Session([*stream(0.1), STOP])
    heard = Heard()
    with pytest.raises(SourceError, match="it was unplugged"):
        heard.run(Capture([session]), 9, retry=False)
    assert len(heard.chunks) == 1
    assert session.closed == 1


def test_a_missing_library_is_not_waited_for() -> None:
    with pytest.raises(MissingLibraryError, match="PortAudio"):
        Heard().run(Capture([MissingLibraryError("PortAudio is not installed")]), 1)


def test_a_fault_of_the_program_is_not_taken_for_one_of_the_device() -> None:
    with pytest.raises(ZeroDivisionError):
        Heard().run(Capture([Session([*stream(0.1), ZeroDivisionError()])]), 9)


def test_damaged_sound_is_a_stop() -> None:
    heard = Heard().run(
        Capture([Session([*stream(0.1), AudioError("NaN")]), Session(stream(2.1))]), 2
    )
    assert heard.lost_s == [0, 1.9]
    assert heard.chunks[1].cause == "NaN"


def hang(released: threading.Event) -> Callable[[], None]:
    def wait() -> None:
        released.wait(30)

    return wait


def test_a_device_that_hangs_is_opened_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "STALL_S", 0.05)
    released = threading.Event()
    hanging = Session([*stream(0.1), hang(released)])
    heard = Heard().run(Capture([hanging, Session(stream(3.2))]), 2)
    released.set()
    assert heard.lost_s == [0, 3.0]
    assert heard.said[1] == (
        "test device has sent no sound for 0.05 s; trying again until it is back"
    )
    assert hanging.closed == 1


def test_a_device_that_never_begins_is_opened_anew() -> None:
    released = threading.Event()
    capture = Capture([Session([hang(released)]), Session(stream(3.2))], start_grace_s=0.05)
    heard = Heard().run(capture, 1)
    released.set()
    assert capture.opened == 2
    assert heard.said[0].startswith("test device has sent no sound for 0.05 s")


def test_a_pipe_that_is_silent_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """It cannot be opened again; what it did not send, the flow meter finds."""
    monkeypatch.setattr(live, "STALL_S", 0.05)
    session = Session([*stream(0.1), lambda: time.sleep(0.3), *stream(0.2)])
    heard = Heard().run(Capture([session], can_restart=False), 9)
    assert len(heard.chunks) == 2
    assert heard.said[1:] == [
        "test device has sent no sound for 0.05 s; waiting for it",
        "test device is back",
    ]


def test_a_silent_pipe_without_retry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "STALL_S", 0.05)
    released = threading.Event()
    session = Session([*stream(0.1), hang(released)])
    with pytest.raises(SourceError, match=r"sent no sound for 0\.05 s"):
        Heard().run(Capture([session], can_restart=False), 9, retry=False)
    released.set()


def test_a_rate_that_changed_is_told() -> None:
    other = Session([block(NOW_S + 5.1, rate_hz=2_000)])
    heard = Heard().run(Capture([Session([*stream(0.1), STOP]), other]), 2)
    assert [chunk.sample_rate_hz for chunk in heard.chunks] == [1_000, 2_000]
    assert heard.said[-1] == "hearing test device at 2000 Hz"


def test_sound_lost_without_a_word_is_found() -> None:
    times_s = np.arange(1, 200) / 10
    times_s[50:] += 1.5
    heard = Heard().run(Capture([Session(stream(*times_s))], can_restart=False), 300)
    assert len(heard.chunks) == 199
    ((index, lost),) = [(i, chunk) for i, chunk in enumerate(heard.chunks) if chunk.lost_s]
    assert index == 50
    assert lost.lost_s == pytest.approx(1.5, abs=0.02)
    assert lost.cause == "it did not come, without a word"


def test_an_overflow_costs_at_least_a_sample() -> None:
    flagged = [replace(block(NOW_S + 0.2), overflow=True), block(NOW_S + 0.3)]
    heard = Heard().run(Capture([Session([*stream(0.1), *flagged])], can_restart=False), 9)
    assert heard.lost_s == [0, 1 / RATE_HZ, 0]
    assert heard.chunks[1].cause == "the device says that it lost sound"


def test_a_bad_line_is_told_once() -> None:
    """Blocks that know what was lost before them: time has no say in it."""
    sound = [replace(block(NOW_S + at / 10), numbered=True) for at in range(1, 100)]
    for index in (10, 20, 30, 40, 50):
        sound[index] = replace(sound[index], lost_s=0.01, cause="damaged")
    heard = Heard().run(Capture([Session([*sound])], can_restart=False), 300)
    assert sum(heard.lost_s) == pytest.approx(0.05)
    (hint,) = [text for text in heard.said if "again and again" in text]
    assert "each time a new window begins (last: damaged)" in hint


def test_a_wrong_rate_is_hinted_at_once() -> None:
    """44.1 kHz that is taken for 48 kHz: every tenth of a second takes 0.109 s."""
    times_s = np.arange(1, 1_000) * 0.1 * 48 / 44.1
    heard = Heard().run(Capture([Session(stream(*times_s))], can_restart=False), 2_000)
    (hint,) = [text for text in heard.said if "missing all the time" in text]
    assert "test device: 8 % of the sound is missing all the time" in hint


def test_a_pipe_that_floods_is_held_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """25 blocks at once: sound of 2.5 s in 0.1 s, and 2 s may come ahead of time."""
    slept_s: list[float] = []
    monkeypatch.setattr("edge_asc.sources.live.time.sleep", slept_s.append)
    session = Session([block(NOW_S) for _ in range(25)])
    heard = Heard().run(Capture([session], can_restart=False, may_flood=True), 99)
    assert len(heard.chunks) == 25
    assert len(slept_s) == 4  # after blocks 22 to 25
    assert slept_s == pytest.approx([0.1, 0.2, 0.3, 0.4])
    (hint,) = [text for text in heard.said if "faster than time" in text]
    assert "--rate" in hint


def test_a_listener_who_is_held_up_gets_the_newest() -> None:
    """Fifteen blocks in a queue for ten: the first ten are dropped, five wait."""
    all_sent = threading.Event()
    session = Session([*stream(*(np.arange(1, 16) / 10)), all_sent.set])
    heard = Heard()
    with heard.source(Capture([session], can_restart=False), max_lag_s=1.0) as source:
        chunks = iter(source)
        heard.chunks.append(next(chunks))
        assert all_sent.wait(5)
        heard.chunks.extend(chunks)
    total_s = sum(chunk.lost_s for chunk in heard.chunks) + 0.1 * len(heard.chunks)
    assert total_s == pytest.approx(1.5)
    (held_up,) = [chunk for chunk in heard.chunks if chunk.lost_s]
    assert held_up.cause.startswith("listening was held up for ")


def values(feed: Feed) -> list[float]:
    feed.end(None)
    taken = []
    while (taken_block := feed.get(1)) is not None:
        taken.append(float(taken_block.samples[0]))
    return taken


def test_a_full_feed_drops_all_that_waits_and_tells_how_much() -> None:
    feed = Feed(max_lag_s=1.0)
    for number in range(10):
        feed.put([block(NOW_S, number)])
    feed.put([replace(block(NOW_S, 10), lost_s=0.25)])
    feed.put([block(NOW_S, 11)])
    first = feed.get(1)
    assert first is not None
    assert first.lost_s == pytest.approx(1.25)
    assert first.cause == "listening was held up for 1.0 s"
    assert values(feed) == [11]


def test_what_was_lost_among_what_is_dropped_is_not_forgotten() -> None:
    feed = Feed(max_lag_s=0.2)
    feed.put([replace(block(NOW_S), lost_s=3.0)])
    feed.put([block(NOW_S)])
    feed.put([block(NOW_S)])
    first = feed.get(1)
    assert first is not None
    assert first.lost_s == pytest.approx(3.2)


def test_what_waits_is_heard_before_the_end() -> None:
    feed = Feed(max_lag_s=5.0)
    feed.put([block(NOW_S, 1)])
    feed.end(STOP)
    assert feed.get(1) is not None
    with pytest.raises(SourceError, match="unplugged"):
        feed.get(1)


def test_notes_are_taken_once() -> None:
    feed = Feed(max_lag_s=5.0)
    feed.note("a word")
    assert (feed.take_notes(), feed.take_notes()) == (["a word"], [])


def test_blocks_that_were_held_may_all_wait() -> None:
    feed = Feed(max_lag_s=0.3)
    feed.put([block(NOW_S, number) for number in range(10)])
    feed.put([block(NOW_S, 10)])
    feed.put([block(NOW_S, 11)])
    assert values(feed) == list(range(12))


def test_what_comes_after_them_must_be_heard_in_time() -> None:
    feed = Feed(max_lag_s=0.3)
    feed.put([block(NOW_S, number) for number in range(10)])
    for number in range(10, 13):
        feed.put([block(NOW_S, number)])
    assert values(feed) == [12]


def test_a_listener_who_was_frozen_does_not_blame_the_device(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The clock says that the first wait of 20 ms took 3 s, the second 20 ms."""
    times_s = [0.0, 3.0, 3.0, 3.02]
    monkeypatch.setattr("edge_asc.sources.live.elapsed_s", lambda: times_s.pop(0))
    with pytest.raises(TimeoutError):
        Feed(max_lag_s=0.3).get(0.02)
    assert times_s == []


def test_sound_that_is_held_is_a_sign_of_life() -> None:
    feed = Feed(max_lag_s=0.3)

    def put_now_and_then() -> None:
        for _ in range(10):
            time.sleep(0.02)
            feed.put([])
        feed.put([block(NOW_S, 1)])

    threading.Thread(target=put_now_and_then).start()
    assert feed.get(0.15) is not None
