"""One thread for everything that computes, and whether it is so."""

from __future__ import annotations

import importlib.metadata
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from edge_asc.benchmarks.bench.result import BenchError

VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMBA_NUM_THREADS",
)
"""What libraries read when they are loaded"""

MAX_OTHER_SHARE = 0.02
"""Of the processor time, that threads besides the measuring one may take: there are threads that
only wait, and they wake up at times."""


def one_thread() -> None:
    """Ask everything that is loaded, or will be, for one thread."""
    for variable in VARIABLES:
        os.environ[variable] = "1"
    # What is loaded by now has read them already. Numba first: it starts its threads for that, and
    # asks OpenMP for as many.
    if _numba_threads() > 1:
        sys.modules["numba"].set_num_threads(1)
    if pools := _threadpoolctl():
        pools.threadpool_limits(1)
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(1)


def check_one_thread() -> None:
    """Raises BenchError if something that is loaded would use more."""
    several = {name: count for name, count in _thread_counts() if count != 1}
    if several:
        told = ", ".join(f"{name}: {count}" for name, count in several.items())
        raise BenchError(
            f"everything must compute in one thread, found {told}; unset what asks for more"
        )


def kernels() -> dict[str, str]:
    """Which kernels multiply matrices here, by package; {} without threadpoolctl."""
    pools = _threadpoolctl()
    found = {}
    for pool in pools.threadpool_info() if pools else ():
        if pool["user_api"] == "blas":
            chosen = f"{pool['internal_api']} {pool['version']}, {pool.get('architecture', '?')}"
            found[f"blas of {_owner(pool)}"] = chosen
    if "torch" in sys.modules:
        found["torch kernels"] = sys.modules["torch"].backends.cpu.get_cpu_capability()
    return found


def versions(packages: tuple[str, ...]) -> dict[str, str]:
    """Of those of `packages` that are installed."""
    found = {}
    for name in packages:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def _thread_counts() -> Iterator[tuple[str, int]]:
    pools = _threadpoolctl()
    for pool in pools.threadpool_info() if pools else ():
        yield f"{pool['internal_api']} of {_owner(pool)}", pool["num_threads"]
    if "torch" in sys.modules:
        yield "torch", sys.modules["torch"].get_num_threads()
    yield "numba", _numba_threads()


def _numba_threads() -> int:
    """Asked only where it may have several, since it starts them to answer."""
    numba = sys.modules.get("numba")
    if numba is None or numba.config.NUMBA_NUM_THREADS == 1:
        return 1
    count: int = numba.get_num_threads()
    return count


def _owner(pool: dict[str, Any]) -> str:
    """The package that brought a library: the folder below site-packages, or the file's name."""
    parts = Path(pool["filepath"]).parts
    place = parts.index("site-packages") + 1 if "site-packages" in parts else -1
    return parts[place].removesuffix(".libs")


def _threadpoolctl() -> Any:  # noqa: ANN401 - the module, None without it
    try:
        import threadpoolctl
    except ImportError:
        return None
    return threadpoolctl
