"""The document that a run leaves: what is in it, what is not, and files that are none."""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path

import pytest

from edge_asc.benchmarks.bench.result import (
    BenchError,
    Energy,
    Moment,
    Result,
    Timing,
    percentiles_ms,
)

RESULT = Result(
    device={"machine": "aarch64", "kernel": "6.12", "python": "3.13.5"},
    software={"edge-asc": "1.2.3"},
    settings={"audio": "clip", "rate_hz": 44_100, "runs": 2, "seed": 1},
    models=({"name": "m"},),
    timings=(Timing("m", "window", "total", (0.25, 0.5), (1.0, 2.0)),),
    created="2026-05-17T12:00:00+00:00",
    energy=(Energy("rest", "RAPL package-0", 3.5, 1.0, 0),),
    timeline=(Moment(0.0, 48.0), Moment(1.0, load_1min=0.0, throttled="")),
)


def test_what_is_not_known_is_absent_and_what_is_zero_is_there() -> None:
    document = RESULT.to_dict()
    assert document["schema_version"] == 1
    assert document["complete"] is True
    assert document["timeline"] == [
        {"at_s": 0.0, "temperature_c": 48.0},
        {"at_s": 1.0, "throttled": "", "load_1min": 0.0},
    ]
    assert "model" not in document["energy"][0]
    assert document["energy"][0]["answers"] == 0
    assert not {"live", "memory", "warnings", "operators", "conditions"} & document.keys()


def test_written_and_read_it_is_the_same(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    RESULT.write(path)
    again = Result.read(path)
    assert again.to_dict() == RESULT.to_dict()
    assert (again.timings, again.energy, again.timeline) == (
        RESULT.timings,
        RESULT.energy,
        RESULT.timeline,
    )


def test_numbers_of_a_list_stand_in_a_line() -> None:
    lines = RESULT.to_json().splitlines()
    assert '   "samples_s": [0.25, 0.5],' in lines
    assert '   "at_s": [1.0, 2.0]' in lines
    assert json.loads(RESULT.to_json()) == json.loads(json.dumps(RESULT.to_dict()))


def test_a_pipe_is_written_to_and_not_replaced(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    heard: list[str] = []
    reader = threading.Thread(target=lambda: heard.append(path.read_text()), daemon=True)
    reader.start()
    RESULT.write(path)
    reader.join(10.0)
    assert json.loads(heard[0]) == RESULT.to_dict()
    assert path.is_fifo()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "is no result"),
        ("[]", "is no result"),
        ("{}", "is no result"),
        ('{"schema_version": 2}', "schema version 2; this edge-asc knows 1"),
        ('{"schema_version": 1, "created": "now"}', "is no result"),
        ('{"schema_version": 1, "timings": [{"model": "m"}]}', "is no result"),
    ],
)
def test_files_that_are_none(tmp_path: Path, content: str, said: str) -> None:
    path = tmp_path / "a.json"
    path.write_text(content)
    with pytest.raises(BenchError, match=said):
        Result.read(path)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match=r"a\.json: No such file"):
        Result.read(tmp_path / "a.json")


def test_percentiles_lie_between_samples_in_a_straight_line() -> None:
    """numpy's default, type 7 of Hyndman and Fan 1996: rank 1 + (n - 1) p."""
    found = percentiles_ms([value / 1e3 for value in range(101)])
    wanted = {"p50": 50.0, "p90": 90.0, "p95": 95.0, "p99": 99.0, "max": 100.0}
    assert found == pytest.approx(wanted)
