"""`edge-asc bench compare`, `report` and `publish`, as they are typed."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from edge_asc.benchmarks.bench.result import TOTAL, Result, Timing
from tests.benchmarks.bench.made_results import MODEL, made_result

Writer = Callable[..., Path]


@pytest.fixture
def written(tmp_path: Path) -> Writer:
    """Writes a result and gives its path."""

    def write(name: str, result: Result) -> Path:
        path = tmp_path / name
        result.write(path)
        return path

    return write


@pytest.fixture
def a(written: Writer) -> Path:
    return written("a.json", made_result(1))


@pytest.fixture
def slower(written: Writer) -> Path:
    return written("slower.json", made_result(2, slowed={"features": 1.3}))


def test_a_comparison_is_text_markdown_or_json(edge_asc: Any, a: Path, slower: Path) -> None:
    text = edge_asc("bench", "compare", a, slower)
    assert text.exit_code == 0, text.stderr
    assert text.stdout.splitlines()[0].split()[:3] == ["model", "way", "stage"]
    assert "B is slower: m, window, total" in text.stdout
    markdown = edge_asc("bench", "compare", a, slower, "--format", "markdown")
    assert markdown.stdout.startswith("| model | way | stage |")
    document = json.loads(edge_asc("bench", "compare", a, slower, "--format", "json").stdout)
    found = {row["stage"]: row["p50"]["verdict"] for row in document["rows"]}
    assert found["features"] == "slower"
    assert found["network"] == "no difference told"
    assert document["smallest"] == 1.05


def test_a_run_with_itself_ends_well_however_strict(edge_asc: Any, a: Path) -> None:
    done = edge_asc("bench", "compare", a, a, "--fail-above", "1.0")
    assert done.exit_code == 0
    assert "slower" not in done.stdout


def test_fail_above_is_for_what_is_surely_slower(edge_asc: Any, a: Path, slower: Path) -> None:
    done = edge_asc("bench", "compare", a, slower, "--fail-above", "1.2")
    assert done.exit_code == 1
    assert done.stderr == "surely more than 1.2 times slower: m, window, features\n"
    assert "verdict" in done.stdout
    assert edge_asc("bench", "compare", a, slower, "--fail-above", "1.4").exit_code == 0
    assert edge_asc("bench", "compare", slower, a, "--fail-above", "1.01").exit_code == 0


def test_a_larger_smallest_effect_tells_less(edge_asc: Any, a: Path, slower: Path) -> None:
    done = edge_asc("bench", "compare", a, slower, "--smallest", "1.5")
    assert "B is slower" not in done.stdout
    assert "at least 1.5 times" in done.stdout
    assert edge_asc("bench", "compare", a, slower, "--smallest", "1").exit_code == 2


def test_other_work_is_compared_only_anyway(edge_asc: Any, a: Path, written: Writer) -> None:
    first = made_result()
    other = written("b.json", replace(first, settings={**first.settings, "rate_hz": 48_000}))
    refused = edge_asc("bench", "compare", a, other)
    assert refused.exit_code == 1
    assert refused.stdout == ""
    assert "settings: rate_hz: 44100 against 48000: not the same work" in refused.stderr
    done = edge_asc("bench", "compare", a, other, "--anyway")
    assert done.exit_code == 0
    assert "caution: settings: rate_hz: 44100 against 48000" in done.stdout


def old_version(path: Path) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), "schema_version": 0}))


def emptied(path: Path) -> None:
    document = json.loads(path.read_text())
    document["timings"] = [{**row, "samples_s": []} for row in document["timings"]]
    path.write_text(json.dumps(document))


@pytest.mark.parametrize(
    ("damage", "fault"),
    [
        (lambda path: path.write_text("latency: 3 ms"), "is no result of `edge-asc bench`"),
        (lambda path: path.write_text("[]"), "is no result of `edge-asc bench`"),
        (lambda path: path.write_text('{"schema_version": 1}'), "is no result of `edge-asc bench`"),
        (lambda path: path.unlink(), "No such file"),
        (old_version, "schema version 0; this edge-asc knows 1"),
        (emptied, "no stage in common"),
    ],
)
def test_files_that_cannot_be_compared_are_told_apart(
    edge_asc: Any, a: Path, slower: Path, damage: Callable[[Path], object], fault: str
) -> None:
    damage(slower)
    done = edge_asc("bench", "compare", a, slower)
    assert done.exit_code == 1
    assert done.stdout == ""
    assert fault in done.stderr


def test_one_sample_each_is_compared_without_an_interval(edge_asc: Any, written: Writer) -> None:
    paths = [
        written(name, made_result(timings=(Timing(MODEL, "window", TOTAL, (seconds,)),)))
        for name, seconds in (("one.json", 0.002), ("two.json", 0.004))
    ]
    done = edge_asc("bench", "compare", *paths, "--fail-above", "1.1")
    assert done.exit_code == 0
    assert "2.000  too few samples" in done.stdout


def test_a_report_of_one_is_markdown(edge_asc: Any, a: Path) -> None:
    done = edge_asc("bench", "report", a)
    assert done.exit_code == 0, done.stderr
    assert done.stdout.startswith("# Raspberry Pi 5 Model B Rev 1.0\n")
    assert "| stage | p50 ms | p90 ms | p95 ms | p99 ms | max ms |" in done.stdout


def test_a_report_of_two_is_a_table(edge_asc: Any, a: Path, slower: Path, tmp_path: Path) -> None:
    done = edge_asc("bench", "report", a, slower)
    assert "| stage | A p50 ms | A p95 ms | B p50 ms | B p95 ms |" in done.stdout
    out = tmp_path / "table.md"
    kept = edge_asc("bench", "report", a, slower, "-o", out)
    assert (kept.stdout, kept.stderr) == ("", f"wrote {out}\n")
    assert out.read_text() == done.stdout


def test_a_page_is_written_beside_the_first(edge_asc: Any, a: Path, slower: Path) -> None:
    done = edge_asc("bench", "report", a, slower, "--format", "html")
    assert done.exit_code == 0, done.stderr
    assert done.stdout == ""
    assert a.with_suffix(".html").read_text().startswith("<!DOCTYPE html>")


def test_without_matplotlib_it_says_what_to_install(
    edge_asc: Any, a: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [*sys.modules]:
        if name.startswith(("edge_asc.benchmarks.bench.html", "edge_asc.benchmarks.bench.plots")):
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    monkeypatch.setitem(sys.modules, "matplotlib.axes", None)
    done = edge_asc("bench", "report", a, "--format", "html")
    assert done.exit_code == 1
    assert "pip install 'edge-asc[plot]'" in done.stderr
    assert edge_asc("bench", "report", a, a).exit_code == 0


def test_a_report_needs_a_file(edge_asc: Any) -> None:
    assert edge_asc("bench", "report").exit_code == 2


def test_the_file_to_share_says_what_it_left_out(edge_asc: Any, written: Writer) -> None:
    first = made_result()
    settings = {**first.settings, "audio": "kitchen.wav"}
    path = written("own.json", replace(first, settings=settings))
    done = edge_asc("bench", "publish", path)
    assert done.exit_code == 0, done.stderr
    assert done.stdout == ""
    assert "left out: the recording's name\n" in done.stderr
    assert "licence: CC0-1.0" in done.stderr
    shared = path.with_name("own.shared.json")
    assert "kitchen" not in shared.read_text()
    assert edge_asc("bench", "compare", path, shared).exit_code == 0


def test_nothing_to_leave_out_is_said(edge_asc: Any, a: Path, tmp_path: Path) -> None:
    done = edge_asc("bench", "publish", a, "-o", tmp_path / "shared.json", "--licence", "MIT")
    assert "left out: nothing\n" in done.stderr
    assert json.loads((tmp_path / "shared.json").read_text())["published"]["licence"] == "MIT"


def test_the_result_itself_is_not_written_over(edge_asc: Any, a: Path) -> None:
    before = a.read_bytes()
    done = edge_asc("bench", "publish", a, "-o", a)
    assert done.exit_code == 2
    assert "must be another file" in done.stderr
    assert a.read_bytes() == before


def test_a_disturbed_run_is_shared_only_anyway(edge_asc: Any, written: Writer) -> None:
    path = written("busy.json", made_result(conditions={"others_cores": 1.0}))
    refused = edge_asc("bench", "publish", path)
    assert refused.exit_code == 1
    assert "--anyway" in refused.stderr
    assert not path.with_name("busy.shared.json").exists()
    assert edge_asc("bench", "publish", path, "--anyway").exit_code == 0
    told = json.loads(path.with_name("busy.shared.json").read_text())["published"]["anyway"]
    assert told == ["the machine was busy during the run: other programs used 1.00 cores"]


def test_a_shared_file_that_was_changed_is_told_of(edge_asc: Any, a: Path, tmp_path: Path) -> None:
    shared = tmp_path / "shared.json"
    edge_asc("bench", "publish", a, "-o", shared)
    shared.write_text(shared.read_text().replace("Raspberry Pi 5", "Raspberry Pi 4"))
    done = edge_asc("bench", "compare", a, shared)
    assert done.exit_code == 0
    assert "was changed after it was published" in done.stderr


def test_a_user_without_a_name_can_share(
    edge_asc: Any, a: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nobody() -> str:
        raise KeyError("getpwuid(): uid not found: 4711")

    monkeypatch.setattr("getpass.getuser", nobody)
    assert edge_asc("bench", "publish", a).exit_code == 0
