"""Logs and commands of `edge-asc listen` in a process of its own: rotated, reloaded, ended."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from edge_asc.benchmarks.listener import LISTEN, Listener
from edge_asc.benchmarks.timeline import Timeline

SCHEMA_PATH = Path(__file__).parents[2] / "docs" / "messages.schema.json"
SCHEMA = json.loads(SCHEMA_PATH.read_text(encoding="utf-8"))

FLOOD = ("--source", "exec:cat /dev/zero")
"""Sound at the pace of time, for ever"""


def messages(path: Path) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    for line in lines:
        jsonschema.validate(line, SCHEMA)
    return lines


def wait_for(condition: Callable[[], bool]) -> None:
    deadline_s = time.monotonic() + 60.0
    while not condition():
        assert time.monotonic() < deadline_s
        time.sleep(0.05)


def is_running(pid: int) -> bool:
    status = Path(f"/proc/{pid}/stat")
    return status.exists() and status.read_text().rpartition(")")[2].split()[0] != "Z"


def test_a_log_that_is_rotated_and_a_command_that_still_runs_at_the_end(tmp_path: Path) -> None:
    """Between the two files nothing is lost; the command does not outlive the listener."""
    log, rotated, pid_file = (tmp_path / name for name in ("log.jsonl", "log.1", "pid"))
    command = f"sh -c 'echo $$ > {pid_file}.new; mv {pid_file}.new {pid_file}; exec sleep 300'"
    options = ("--log", str(log), "--on-change", command, "--on-change-timeout", "300")
    # Without a margin silence, too, is some scene.
    with Listener(*FLOOD, *options, "--margin", "0") as listener:
        listener.wait_for_estimates(2)
        log.rename(rotated)
        listener.wait_for_estimates(2)
        wait_for(pid_file.exists)
        assert listener.finish() == 0
    timeline = Timeline()
    for message in messages(rotated) + messages(log):
        timeline.add(message)
    assert timeline.num_estimates == listener.timeline.num_estimates
    assert listener.said(r"command sh: \d messages? could not be delivered") == 1
    wait_for(lambda: not is_running(int(pid_file.read_text())))


def test_a_reload_with_a_log_that_cannot_be_changes_nothing(tmp_path: Path) -> None:
    config, foreign, table = (tmp_path / name for name in ("config.toml", "a.csv", "b.csv"))
    foreign.write_text("an,other,table\n")
    config.write_text('[listen]\nlog = ["b.csv"]\n')
    arguments = ("--source", "-", "--fast", "--config", str(config))
    with Path("/dev/zero").open("rb") as zeros, Listener(*arguments, stdin=zeros) as listener:
        listener.wait_for_estimates(1)
        for log, complaint in (
            (["a.csv"], "not reloaded.*has other columns"),
            (["none/a.csv"], r"not reloaded.*log \(.*line 2\).*there is no folder"),
            (["b.csv", "c.csv"], ""),
        ):
            config.write_text(f"[listen]\nlog = {log}\n")
            listener.reload()
            assert not complaint or listener.said(complaint) == 1, listener.transcript()
        listener.wait_for_estimates(1)
        assert listener.finish() == 0
    assert foreign.read_text() == "an,other,table\n"
    rows = list(csv.DictReader(io.StringIO(table.read_text())))
    assert sum(row["type"] == "estimate" for row in rows) == sum(
        timeline.num_estimates for timeline in listener.timelines
    )
    assert (tmp_path / "c.csv").read_text().splitlines()[0] == table.read_text().splitlines()[0]


@pytest.mark.parametrize("name", ["log.jsonl", "log.csv"])
def test_standard_output_is_not_written_twice(tmp_path: Path, name: str) -> None:
    """`> log.jsonl --log log.jsonl` would mix two streams of the same lines."""
    path = tmp_path / name
    with path.open("w") as stdout:
        done = subprocess.run(
            [*LISTEN, *FLOOD, "--log", str(path)],
            stdout=stdout,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
        )
    assert done.returncode == 2
    assert "standard output goes to it, too" in done.stderr
