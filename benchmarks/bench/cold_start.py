"""Starts fresh processes: how long until the first answer, and how much memory one model takes."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from tempfile import TemporaryFile
from typing import Any

from edge_asc.benchmarks.bench.machine import memory_mb
from edge_asc.benchmarks.bench.result import BenchError, ColdStart, Memory
from edge_asc.benchmarks.bench.subject import Sound, Subject


class FreshProcesses:
    """Measures starts of one model, one at a time."""

    def __init__(self, subject: Subject, sound: Sound) -> None:
        self._subject, self._sound = subject, sound
        self._import_s: list[float] = []
        self._load_s: list[float] = []
        self._first_answer_s: list[float] = []
        self._rss_mb: list[float] = []
        self._peak_mb: list[float] = []

    def start_one(self) -> None:
        """Two processes: one that tells what it does, and `edge-asc classify` as it is used.

        Raises BenchError if one fails.
        """
        told = json.loads(_first_line(self._worker_command())[0])
        self._import_s.append(told["import_s"])
        self._load_s.append(told["load_s"])
        memory = memory_mb(told["status"])
        self._rss_mb.append(memory["rss_mb"])
        self._peak_mb.append(memory["peak_mb"])
        self._first_answer_s.append(_first_line(self._classify_command())[1])

    @property
    def cold_start(self) -> ColdStart | None:
        """None before the first."""
        times = (self._import_s, self._load_s, self._first_answer_s)
        if not self._first_answer_s:
            return None
        return ColdStart(self._subject.name, *map(tuple, times))

    @property
    def memory(self) -> Memory | None:
        """The highest of all; None before the first."""
        if not self._rss_mb:
            return None
        arena: Any = self._subject.model.manifest.footprint.get("arena_bytes", {})
        rss_mb, peak_mb = max(self._rss_mb), max(self._peak_mb)
        return Memory(self._subject.name, rss_mb, peak_mb, arena.get("whole"))

    def _worker_command(self) -> list[str]:
        module = "edge_asc.benchmarks.bench.fresh_process"
        paths = [str(self._subject.path), str(self._sound.window_path)]
        return [sys.executable, "-m", module, *paths, str(time.monotonic())]

    def _classify_command(self) -> list[str]:
        model = ["--model", str(self._subject.path)]
        return [sys.executable, "-m", "edge_asc", "classify", *model, str(self._sound.window_path)]


def _first_line(command: list[str]) -> tuple[str, float]:
    """The first line that `command` prints, and after how many seconds it was there."""
    began_s = time.perf_counter()
    with (
        TemporaryFile() as said,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=said, text=True) as process,
    ):
        assert process.stdout is not None
        try:
            line = process.stdout.readline()
            taken_s = time.perf_counter() - began_s
            process.communicate()
        except KeyboardInterrupt:
            process.kill()
            raise
        said.seek(0)
        error = said.read().decode(errors="replace").strip()
    if process.returncode != 0 or not line:
        what = "classify" if "classify" in command else "the model"
        raise BenchError(f"a fresh process could not run {what}: {error or process.returncode}")
    return line, taken_s
