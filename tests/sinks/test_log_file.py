"""Files that messages are added to, whatever becomes of the file."""

from __future__ import annotations

import json
import resource
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from edge_asc.errors import OutputError, OutputUnavailableError
from edge_asc.sinks.csv_lines import stream_form
from edge_asc.sinks.log_file import JsonForm, LogFile
from tests.sample_messages import CHANGE, GAP, HEALTH, MESSAGES, REPORT, SCENES

FORM = stream_form(SCENES)


def types(path: Path) -> list[str]:
    return [json.loads(line)["type"] for line in path.read_text().splitlines()]


@pytest.fixture
def jsonl(tmp_path: Path) -> Path:
    return tmp_path / "log.jsonl"


@pytest.fixture
def table(tmp_path: Path) -> Path:
    return tmp_path / "log.csv"


def test_messages_are_added(jsonl: Path) -> None:
    for messages in (MESSAGES, (GAP,)):
        log = LogFile(jsonl, JsonForm())
        for message in messages:
            assert log.takes(message)
            log.write(message)
        log.close()
    assert types(jsonl) == ["estimate", "gap", "event", "health", "gap"]


def test_rows_are_added_below_one_header(table: Path) -> None:
    for message in (GAP, CHANGE):
        log = LogFile(table, FORM)
        log.write(message)
    assert not log.takes(HEALTH)
    header, gap, event = table.read_text().splitlines()
    assert header == FORM.header
    assert (gap, event) == (FORM.line(GAP), FORM.line(CHANGE))


def test_it_is_there_from_the_start(jsonl: Path) -> None:
    LogFile(jsonl, JsonForm())
    assert jsonl.read_bytes() == b""


def test_a_line_that_the_power_cut_is_left_and_the_next_begins_anew(jsonl: Path) -> None:
    jsonl.write_text('{"schema": 3, "ty')
    LogFile(jsonl, JsonForm()).write(GAP)
    torn, whole = jsonl.read_text().splitlines()
    assert torn == '{"schema": 3, "ty'
    assert json.loads(whole)["type"] == "gap"


@pytest.mark.parametrize("left", [0, 1, len(FORM.header) // 2, len(FORM.header)])
def test_a_header_that_the_power_cut_is_written_again(table: Path, left: int) -> None:
    table.write_text(FORM.header[:left])
    LogFile(table, FORM).write(GAP)
    assert table.read_text().splitlines() == [FORM.header, FORM.line(GAP)]


@pytest.mark.parametrize(
    "content",
    [
        "file,scene\n",
        "\n",
        f"{FORM.header},more\n",
        f"{stream_form(('bus', 'bar')).header}\n",
        "no line break",
    ],
)
def test_a_table_with_other_columns_is_refused_and_left_as_it_is(table: Path, content: str) -> None:
    table.write_text(content)
    with pytest.raises(OutputError, match=r"has other columns .* move it away, or name another"):
        LogFile(table, FORM)
    assert table.read_text() == content


def test_a_table_that_a_spreadsheet_saved_is_continued(table: Path) -> None:
    table.write_bytes(b"\xef\xbb\xbf" + FORM.header.encode() + b"\r\n")
    LogFile(table, FORM).write(GAP)
    assert table.read_bytes().endswith(FORM.line(GAP).encode() + b"\n")


@pytest.mark.parametrize("form", [JsonForm(), FORM])
def test_a_folder_that_is_not_there(tmp_path: Path, form: JsonForm) -> None:
    with pytest.raises(OutputError, match=r"cannot be written: No such file or directory$"):
        LogFile(tmp_path / "none" / "log", form)


def move_away(path: Path) -> None:
    path.rename(path.with_suffix(".1"))


def move_away_and_make(path: Path) -> None:
    """As logrotate's `create`."""
    move_away(path)
    path.touch()


def copy_and_empty(path: Path) -> None:
    """As logrotate's `copytruncate`."""
    path.with_suffix(".1").write_bytes(path.read_bytes())
    path.write_bytes(b"")


def compress_and_delete(path: Path) -> None:
    path.with_suffix(".1").write_bytes(path.read_bytes())
    path.unlink()


@pytest.mark.parametrize(
    "rotate", [move_away, move_away_and_make, copy_and_empty, compress_and_delete]
)
def test_a_file_that_is_rotated(table: Path, rotate: Callable[[Path], None]) -> None:
    log = LogFile(table, FORM)
    log.write(GAP)
    rotate(table)
    log.write(CHANGE)
    log.write(GAP)
    assert table.with_suffix(".1").read_text().splitlines() == [FORM.header, FORM.line(GAP)]
    rows = [FORM.header, FORM.line(CHANGE), FORM.line(GAP)]
    assert table.read_text().splitlines() == rows


def test_a_table_that_takes_its_place_must_have_the_columns(table: Path) -> None:
    log = LogFile(table, FORM)
    table.unlink()
    table.write_text("a,b\n")
    with pytest.raises(OutputUnavailableError, match="has other columns"):
        log.write(GAP)
    table.unlink()
    log.write(GAP)
    assert table.read_text().splitlines() == [FORM.header, FORM.line(GAP)]


def test_a_full_disk_tears_no_line(jsonl: Path) -> None:
    """The system takes a part of a line before it refuses the rest; here, half of the fifth."""
    log = LogFile(jsonl, JsonForm())
    for _ in range(4):
        log.write(GAP)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (jsonl.stat().st_size * 9 // 8, before[1]))
    try:
        for _ in range(2):
            with pytest.raises(OutputUnavailableError, match="cannot be written: File too large"):
                log.write(GAP)
            assert types(jsonl) == ["gap"] * 4
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    log.write(CHANGE)
    assert types(jsonl) == [*["gap"] * 4, "event"]


def test_a_disk_that_was_taken_out_gets_what_waited(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    log = LogFile(disk / "log.jsonl", JsonForm())
    disk.rename(tmp_path / "taken out")
    with pytest.raises(OutputUnavailableError, match="No such file or directory"):
        log.write(GAP)
    (tmp_path / "taken out").rename(disk)
    log.write(GAP)
    assert types(disk / "log.jsonl") == ["gap"]


def test_names_of_any_kind(table: Path) -> None:
    LogFile(table, FORM).write(replace(REPORT, source="café \udcff"))
    assert "café ?" in table.read_text(encoding="utf-8")
