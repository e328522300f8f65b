"""A command for each change of scene."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from edge_asc.errors import OutputError
from edge_asc.messages import PastScene
from edge_asc.outputs import Outputs
from edge_asc.sinks.json_values import to_values
from edge_asc.sinks.on_change import OnChange, variables
from tests.sample_messages import CHANGE, GAP, HEALTH, REPORT

LONG_S = 60.0

BEGINNING = replace(CHANGE, previous=None, time=None)
END = replace(CHANGE, scene=None, confidence=None)

TELL = """
import json, os, sys
told = {key: value for key, value in os.environ.items() if "EDGE_ASC" in key}
with open(sys.argv[1], "a") as file:
    print(json.dumps([sys.argv[2:], told]), file=file)
print("this is no result")
"""


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "told.jsonl"


def told(out: Path) -> list[tuple[list[str], dict[str, str]]]:
    return [tuple(json.loads(line)) for line in out.read_text().splitlines()]


def wait_for(condition: Callable[[], bool]) -> None:
    deadline_s = time.monotonic() + LONG_S
    while not condition():
        assert time.monotonic() < deadline_s
        time.sleep(0.01)


def is_running(pid: int) -> bool:
    status = Path(f"/proc/{pid}/stat")
    return status.exists() and status.read_text().rpartition(")")[2].split()[0] != "Z"


def test_it_is_told_the_event(
    out: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("EDGE_ASC_LISTEN_WEB_TOKEN", "secret")
    monkeypatch.setenv("EDGE_ASC_DATA", "kept")
    secrets = {"EDGE_ASC_LISTEN_WEB_TOKEN"}
    output = OnChange([sys.executable, "-c", TELL, str(out)], LONG_S, secrets)
    for change in (BEGINNING, CHANGE, END):
        output.write(change)
    output.close()
    begins, changes, ends = told(out)
    assert begins[0] == ["bar", "none"]
    assert ends[0] == ["none", "shopping_mall"]
    arguments, environment = changes
    assert arguments == ["bar", "shopping_mall"]
    inherited = {"EDGE_ASC_DATA": "kept", "EDGE_ASC_CONFIG": os.environ["EDGE_ASC_CONFIG"]}
    assert environment.items() >= (inherited | variables(CHANGE)).items()
    assert "EDGE_ASC_LISTEN_WEB_TOKEN" not in environment
    assert capfd.readouterr() == ("", "")


def test_variables() -> None:
    values = variables(CHANGE)
    assert json.loads(values.pop("EDGE_ASC_EVENT")) == to_values(CHANGE)
    assert values == {
        "EDGE_ASC_SCENE": "bar",
        "EDGE_ASC_PREVIOUS_SCENE": "shopping_mall",
        "EDGE_ASC_CONFIDENCE": "0.75",
        "EDGE_ASC_START_S": "22.5",
        "EDGE_ASC_TIME": "2026-05-17T14:03:09.012+08:00",
        "EDGE_ASC_DURATION_S": "22.0",
    }


def test_what_is_not_known_is_empty() -> None:
    first = variables(replace(BEGINNING, scene="unknown", confidence=None))
    empty = {key for key, value in first.items() if value == ""}
    assert empty == {
        f"EDGE_ASC_{key}" for key in ("PREVIOUS_SCENE", "CONFIDENCE", "TIME", "DURATION_S")
    }
    after = replace(END, previous=PastScene("unknown", 0.0, 1.0, None))
    assert variables(after)["EDGE_ASC_SCENE"] == ""
    assert variables(after)["EDGE_ASC_PREVIOUS_SCENE"] == "unknown"


def test_it_runs_for_changes_alone(out: Path) -> None:
    output = OnChange(["touch", str(out)], LONG_S, ())
    assert output.takes(CHANGE)
    assert not any(output.takes(message) for message in (REPORT, GAP, HEALTH))


def test_one_that_fails_is_told_with_its_last_words_until_it_works(tmp_path: Path) -> None:
    """Estimates come all the time; that they are none of its business makes nothing work again."""
    script = "[ $1 != unknown ] && exit 0; echo no such lamp >&2; exit 3"
    said: list[str] = []
    output = OnChange(["sh", "-c", script, "lamp"], LONG_S, ())
    outputs = Outputs([output], say=said.append)
    for scene in ("unknown", "bar"):
        outputs.write(REPORT)
        outputs.write(replace(CHANGE, scene=scene))
        outputs.write(REPORT)
    outputs.close(LONG_S)
    assert said == [
        "command sh: ended with exit code 3: no such lamp; listening goes on",
        "command sh: works again; 1 message lost so far",
    ]
    (state,) = outputs.states()
    assert (state.written, state.lost) == (1, 1)


def test_one_that_takes_too_long_ends_with_all_that_it_started(tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    script = f"sleep 300 & echo $! > {pid_file}; echo waiting for it >&2; wait"
    output = OnChange(["sh", "-c", script], 2.0, ())
    with pytest.raises(OutputError, match=r"took longer than 2 s: waiting for it$"):
        output.write(CHANGE)
    wait_for(lambda: not is_running(int(pid_file.read_text())))


def test_what_it_left_running_does_not_hold_up_the_next(tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    output = OnChange(["sh", "-c", f"sleep 300 & echo $! >> {pid_file}"], LONG_S, ())
    for _ in range(2):
        output.write(CHANGE)
    pids = [int(line) for line in pid_file.read_text().splitlines()]
    assert [is_running(pid) for pid in pids] == [True, True]
    for pid in pids:
        os.kill(pid, 9)


def test_a_program_that_went_away(tmp_path: Path) -> None:
    output = OnChange([str(tmp_path / "gone")], LONG_S, ())
    with pytest.raises(OutputError, match=r"^cannot be run: No such file or directory$"):
        output.write(CHANGE)
    assert output.name == f"command {tmp_path / 'gone'}"


def test_changes_that_come_while_it_runs_wait(out: Path) -> None:
    script = f"sleep 0.2; echo $1 >> {out}"
    outputs = Outputs([OnChange(["sh", "-c", script, "sh"], LONG_S, ())], say=print)
    for scene in ("bus", "metro", "bar"):
        outputs.write(replace(CHANGE, scene=scene))
    assert outputs.states()[0].queued > 0
    outputs.close(LONG_S)
    assert out.read_text().split() == ["bus", "metro", "bar"]
