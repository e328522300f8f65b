"""Whole windows in a row, as fast as they go, in one thread or in several."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence

from edge_asc.benchmarks.bench.ways import Window


def windows_in(ways: Sequence[Window], seconds: float) -> tuple[int, float]:
    """How many windows the ways, each in a thread, finish in about `seconds`, and in how many.

    A window that has begun is finished, and counts. Raises what a way raises.
    """
    counts, errors = [0] * len(ways), list[BaseException]()
    start, stop = threading.Event(), threading.Event()

    def work(index: int) -> None:
        start.wait()
        try:
            while not stop.is_set():
                ways[index].run()
                counts[index] += 1
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(index,)) for index in range(len(ways))]
    try:
        for thread in threads:
            thread.start()
        began_s = time.perf_counter()
        start.set()
        stop.wait(seconds)
    finally:  # Ctrl-C, too
        stop.set()
        start.set()
        for thread in threads:
            if thread.ident is not None:
                thread.join()
    if errors:
        raise errors[0]
    return sum(counts), time.perf_counter() - began_s
