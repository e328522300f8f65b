"""Messages as events: in order, each once, for clients of any pace, in bounded memory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

import pytest

from edge_asc.web.feed import MAX_STREAMS, RING_MESSAGES, EventFeed


def events(text: bytes) -> list[tuple[int, str, str]]:
    """Number, kind and data of each event in `text`."""
    found = []
    for block in text.decode().split("\n\n")[:-1]:
        fields = dict(line.split(": ", 1) for line in block.split("\n"))
        if "id" in fields:
            found.append((int(fields["id"]), fields["event"], fields["data"]))
    return found


async def begun(feed: EventFeed, after: int | None = None) -> AsyncGenerator[bytes, None]:
    stream = feed.stream(after)
    assert await anext(stream) == b"retry: 2000\n\n"
    return stream


def test_what_comes_is_sent_at_once_and_in_order() -> None:
    async def run() -> None:
        feed = EventFeed()
        feed.add("gap", b"0")  # nobody was there
        stream = await begun(feed)
        before = feed.last_id
        waiting = asyncio.ensure_future(anext(stream))
        await asyncio.sleep(0)
        assert not waiting.done()
        feed.add("estimate", b'{"a":1}')
        feed.add("health", b"2")
        feed.wake()
        assert events(await waiting) == [
            (before + 1, "estimate", '{"a":1}'),
            (before + 2, "health", "2"),
        ]
        await stream.aclose()

    asyncio.run(run())


def test_who_comes_back_gets_what_came_in_between() -> None:
    async def run() -> None:
        feed = EventFeed()
        for number in range(5):
            feed.add("estimate", b"%d" % number)
        last_id = feed.last_id
        for after, expected in [(last_id - 2, "34"), (last_id, ""), (0, "01234")]:
            stream = await begun(feed, after)
            if expected:
                assert "".join(data for _, _, data in events(await anext(stream))) == expected
            await stream.aclose()

    asyncio.run(run())


def test_a_number_of_the_future_is_one_of_now() -> None:
    async def run() -> None:
        feed = EventFeed()
        stream = await begun(feed, feed.last_id + 1_000_000)
        feed.add("estimate", b"1")
        assert len(events(await anext(stream))) == 1
        await stream.aclose()

    asyncio.run(run())


def test_numbers_grow_from_run_to_run() -> None:
    first, before = EventFeed(), EventFeed().last_id
    for _ in range(10):
        first.add("estimate", b"")
    assert EventFeed().last_id >= before


def test_silence_is_broken_by_a_sign_of_life() -> None:
    async def run() -> None:
        feed = EventFeed(heartbeat_s=0.01)
        stream = await begun(feed)
        assert await anext(stream) == b"event: ping\ndata: {}\n\n"
        await stream.aclose()

    asyncio.run(run())


def test_who_does_not_keep_up_is_let_go_and_counted() -> None:
    async def run() -> None:
        feed = EventFeed()
        stream = await begun(feed)
        for number in range(10 * RING_MESSAGES):
            feed.add("estimate", b"%d" % number)
        assert len(feed._ring) == RING_MESSAGES
        with pytest.raises(StopAsyncIteration):
            await anext(stream)
        assert (feed.num_streams, feed.num_slow) == (0, 1)

    asyncio.run(run())


def test_streams_are_counted_from_their_beginning_to_their_end() -> None:
    async def run() -> None:
        feed = EventFeed()
        streams = [await begun(feed) for _ in range(MAX_STREAMS)]
        assert feed.is_full
        for stream in streams:
            await stream.aclose()
        assert feed.num_streams == 0

    asyncio.run(run())
