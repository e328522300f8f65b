"""The same work on many things, in several processes, with a word about progress."""

from __future__ import annotations

import multiprocessing
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def map_in_processes(
    work: Callable[[Item], Result],
    items: Sequence[Item],
    what: str,
    *,
    num_workers: int | None = None,
    chunk_size: int = 1,
) -> list[Result]:
    """`work` of each of `items`, in their order; `what`, as "corpus: visit", is said on stderr.

    `num_workers`: processes; None is one a core, and never more than there are chunks. One works in
    this process. `work` and `items` must be such that pickle can send them.
    """
    chunks = -(-len(items) // chunk_size)
    workers = min(num_workers or os.cpu_count() or 1, chunks)
    if workers <= 1:
        return list(_with_progress(map(work, items), what, len(items)))
    # Fresh interpreters: forking one in which threads have started can hang.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=context) as pool:
        results = pool.map(work, items, chunksize=chunk_size)
        return list(_with_progress(results, what, len(items)))


def _with_progress(results: Iterable[Result], what: str, total: int) -> Iterator[Result]:
    """A line that is rewritten on a terminal; elsewhere one at every tenth."""
    for done, result in enumerate(results, start=1):
        if sys.stderr.isatty():
            end = "\n" if done == total else ""
            print(f"\r{what} {done} of {total}", end=end, file=sys.stderr, flush=True)
        elif done * 10 // total > (done - 1) * 10 // total:
            print(f"{what} {done} of {total}", file=sys.stderr, flush=True)
        yield result
