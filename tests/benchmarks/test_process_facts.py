"""Facts of a process whose facts are known."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from edge_asc.benchmarks.process_facts import children, read_facts

pytestmark = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs /proc")

CHILD = """
import sys, threading
memory = bytearray(60_000_000)
del memory
files = [open("/dev/null") for _ in range(7)]
threading.Thread(target=sys.stdin.read, daemon=True).start()
while sum(range(1_000_000)) and __import__("time").process_time() < 0.3:
    pass
print("ready", flush=True)
sys.stdin.read()
"""


def test_memory_time_threads_and_descriptors() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", CHILD], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as child:
        assert child.stdout is not None
        child.stdout.readline()
        facts = read_facts(child.pid)
        assert child.pid in children(os.getpid())
        child.kill()
    assert facts.peak_mb > 60 > facts.rss_mb
    assert 0.25 < facts.cpu_s < 10  # told in hundredths, rounded down
    assert facts.threads == 2
    assert facts.descriptors == 3 + 7
    assert child.pid not in children(os.getpid())


def test_a_process_that_is_gone() -> None:
    done = subprocess.Popen([sys.executable, "-c", ""])
    done.wait()
    with pytest.raises(FileNotFoundError):
        read_facts(done.pid)
