"""What Linux knows of a running process: memory, time of the processor, threads, descriptors."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

_TICKS_PER_S = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class ProcessFacts:
    """One reading."""

    rss_mb: float
    """Memory in use, in millions of bytes"""
    peak_mb: float
    """The most that ever was"""
    cpu_s: float
    """Time of the processor, its own and the kernel's for it"""
    threads: int
    descriptors: int


def read_facts(pid: int) -> ProcessFacts:
    """The facts of a process of one's own. Raises FileNotFoundError when it is gone."""
    folder = Path("/proc") / str(pid)
    pairs = (line.split(":", 1) for line in (folder / "status").read_text().splitlines())
    status = {name: value.split() for name, value in pairs}
    # The name of the program, in brackets, may hold anything.
    ticks = (folder / "stat").read_text().rpartition(")")[2].split()[11:13]
    return ProcessFacts(
        rss_mb=1.024e-3 * int(status["VmRSS"][0]),
        peak_mb=1.024e-3 * int(status["VmHWM"][0]),
        cpu_s=sum(map(int, ticks)) / _TICKS_PER_S,
        threads=int(status["Threads"][0]),
        descriptors=len(os.listdir(folder / "fd")),
    )


def children(pid: int) -> list[int]:
    """The processes that `pid` started and that are still there, oldest first."""
    found = []
    for folder in Path("/proc").iterdir():
        try:
            words = (folder / "stat").read_text().rpartition(")")[2].split()
        except OSError:  # not a process, or gone since
            continue
        if words[1] == str(pid):
            found.append(int(folder.name))
    return sorted(found)
