"""A control group of Linux that holds processes to so much memory, where one can be made.

The first version has its memory controller in a hierarchy of its own, the second in the only one;
a machine may have either, both or none. https://docs.kernel.org/admin-guide/cgroup-v2.html
"""

from __future__ import annotations

import uuid
from pathlib import Path

_V1 = Path("/sys/fs/cgroup/memory")
_V2 = Path("/sys/fs/cgroup")


class MemoryGroup:
    """Processes that together may have `limit_bytes` of memory, with swap none besides.

    As a context manager it is made, and removed when its processes have ended. Raises OSError with
    the reason when none can be made here.
    """

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._first_version = (_V1 / "memory.limit_in_bytes").exists()
        self._folder = (_V1 if self._first_version else _V2) / f"edge-asc-{uuid.uuid4().hex[:8]}"

    def __enter__(self) -> MemoryGroup:
        if not self._first_version:
            self._check_second_version()
        self._folder.mkdir()
        try:
            self._limit()
        except OSError:
            self._folder.rmdir()
            raise
        return self

    def __exit__(self, *exc: object) -> None:
        self._folder.rmdir()

    @property
    def members(self) -> Path:
        """A process that writes its number here belongs to the group, with all that it starts."""
        return self._folder / "cgroup.procs"

    def peak_mb(self) -> float | None:
        """The most that all together had, cached pages of files included; None if not told."""
        name = "memory.max_usage_in_bytes" if self._first_version else "memory.peak"
        try:
            return int((self._folder / name).read_text()) / 1e6
        except FileNotFoundError:  # memory.peak came with Linux 5.19
            return None

    def kills(self) -> int:
        """How many processes the kernel killed because there was no memory left for them."""
        name = "memory.oom_control" if self._first_version else "memory.events"
        words = (self._folder / name).read_text().split()
        return int(words[words.index("oom_kill") + 1])

    def _limit(self) -> None:
        if self._first_version:
            self._write("memory.limit_in_bytes", self._limit_bytes)
            if (self._folder / "memory.memsw.limit_in_bytes").exists():
                self._write("memory.memsw.limit_in_bytes", self._limit_bytes)
        else:
            self._write("memory.max", self._limit_bytes)
            if (self._folder / "memory.swap.max").exists():
                self._write("memory.swap.max", 0)

    def _write(self, name: str, value: int) -> None:
        (self._folder / name).write_text(str(value))

    def _check_second_version(self) -> None:
        allowed = _V2 / "cgroup.subtree_control"
        if not allowed.exists() or "memory" not in allowed.read_text().split():
            raise OSError(f"no memory controller for new groups in {_V2}")
