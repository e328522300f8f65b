"""Windows in a row, in threads."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest

from edge_asc.benchmarks.bench.run import thread_counts
from edge_asc.benchmarks.bench.throughput import windows_in


class CountedWindow:
    """Takes a hundredth of a second; remembers who ran it."""

    def __init__(self, fails: bool = False) -> None:
        self.runs, self.threads, self._fails = 0, set[int](), fails

    def run(self) -> None:
        time.sleep(0.01)
        if self._fails:
            raise ValueError("a way that breaks")
        self.runs += 1
        self.threads.add(threading.get_ident())


def test_every_finished_window_counts_and_each_way_has_a_thread() -> None:
    ways: Any = [CountedWindow() for _ in range(3)]
    count, seconds = windows_in(ways, 0.1)
    assert count == sum(way.runs for way in ways) >= 3
    assert seconds >= 0.1
    idents = [way.threads for way in ways]
    assert [len(ident) for ident in idents] == [1, 1, 1]
    assert threading.get_ident() not in set.union(*idents)


def test_what_breaks_in_a_thread_is_raised_here() -> None:
    ways: Any = [CountedWindow(), CountedWindow(fails=True)]
    with pytest.raises(ValueError, match="a way that breaks"):
        windows_in(ways, 0.05)


def test_no_thread_is_left_when_it_is_interrupted(monkeypatch: pytest.MonkeyPatch) -> None:
    wait = threading.Event.wait

    def interrupted(self: threading.Event, timeout: float | None = None) -> bool:
        if timeout == 60.0:
            raise KeyboardInterrupt
        return wait(self, timeout)

    monkeypatch.setattr(threading.Event, "wait", interrupted)
    before = set(threading.enumerate())
    ways: Any = [CountedWindow()]
    with pytest.raises(KeyboardInterrupt):
        windows_in(ways, 60.0)
    assert set(threading.enumerate()) == before


@pytest.mark.parametrize(
    ("cores", "counts"),
    [(1, [1]), (2, [1, 2]), (4, [1, 2, 3, 4]), (6, [1, 2, 3, 4, 6]), (16, [1, 2, 3, 4, 8, 16])],
)
def test_how_many_threads_are_tried(cores: int, counts: list[int]) -> None:
    assert thread_counts(cores) == counts
