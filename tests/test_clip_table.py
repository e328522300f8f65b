"""Tables that clips are added to, their own and a person's."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge_asc.clip_table import (
    RECORDED,
    TableText,
    columns_by_role,
    csv_line,
    table_path,
)
from edge_asc.errors import DataError

PATH = Path("clips.csv")
VALUES = {"file": "a.flac", "label": "bus", "group": "monday", "time": "2026-05-17 14:30:00"}


def test_recorded_columns_are_those_of_a_data_set() -> None:
    assert columns_by_role(PATH, RECORDED)["group"] == "group"


def test_a_line_follows_the_columns_of_the_table() -> None:
    text = b"\xef\xbb\xbfnote, location ,record_time,scene,file,source_group\r\n"
    text += b",,,bar,old.wav,friday\r\n"
    table = TableText(PATH, text)
    assert table.files == {"old.wav"}
    assert table.groups == {"friday"}
    assert table.line({**VALUES, "city": "Xi'an", "place": "left out"}) == (
        b",Xi'an,2026-05-17 14:30:00,bus,a.flac,monday\n"
    )


def test_commas_and_quotes_are_quoted() -> None:
    table = TableText(PATH, csv_line(RECORDED))
    line = table.line({**VALUES, "place": 'line 226, "upper deck", Größe'})
    assert line.decode().split(",", 7)[7] == '"line 226, ""upper deck"", Größe",\n'
    assert TableText(PATH, csv_line(RECORDED) + line).files == {"a.flac"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"file,label,citty\n", "unknown column 'citty'; columns found: file, label, citty"),
        (b"file,label,scene\n", "label and scene both mean the label; keep one"),
        (b"file,city\n", "no column label or scene; columns found: file, city"),
        (b"file,label\na,b\nc\n", "clips.csv, line 3: 1 fields, but the header has 2"),
        (b'file,label\n"a,b\n', "not a CSV table in UTF-8"),
        (b"file,label\n\xff,b\n", "not a CSV table in UTF-8"),
        (b"\n", "clips.csv is empty; delete it, or give it a header"),
    ],
)
def test_a_table_that_lines_cannot_be_added_to(text: bytes, message: str) -> None:
    with pytest.raises(DataError) as caught:
        TableText(PATH, text)
    assert message in str(caught.value)


def test_a_column_that_is_needed() -> None:
    table = TableText(PATH, b"file,scene,source_group,place\n")
    table.require(["label", "group", "place"])
    with pytest.raises(DataError, match="no column time or record_time or local_time, which a rec"):
        table.require(["label", "time"])


def test_which_table_of_a_folder(tmp_path: Path) -> None:
    assert table_path(tmp_path) == tmp_path / "clips.csv"
    (tmp_path / ".hidden.csv").touch()
    (tmp_path / "mine.csv").touch()
    assert table_path(tmp_path) == tmp_path / "mine.csv"
    (tmp_path / "other.csv").touch()
    with pytest.raises(DataError, match=r"holds mine\.csv, other\.csv: which of them"):
        table_path(tmp_path)
    (tmp_path / "recordings.csv").touch()
    assert table_path(tmp_path) == tmp_path / "recordings.csv"
    (tmp_path / "clips.csv").touch()
    assert table_path(tmp_path) == tmp_path / "clips.csv"
