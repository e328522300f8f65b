"""Notes, and who shows them while a view has the terminal."""

from __future__ import annotations

import re

import pytest

from edge_asc.commands.status_line import NOTES_KEPT, StatusLine


class Viewer:
    def __init__(self) -> None:
        self.notes: list[str] = []
        self.shown: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)

    def show(self, text: str) -> None:
        self.shown.append(text)


@pytest.fixture
def line(monkeypatch: pytest.MonkeyPatch) -> StatusLine:
    """On a terminal."""
    line = StatusLine()
    line.is_terminal = True
    return line


def test_a_view_shows_notes_and_they_are_written_when_it_is_over(
    line: StatusLine, capsys: pytest.CaptureFixture[str]
) -> None:
    viewer = Viewer()
    line.show("listening ...")
    with line.lent(viewer):
        capsys.readouterr()
        line.say("muted?")
        line.show("3 of 10 s")
        assert capsys.readouterr().err == ""
    line.say("heard 3 s")
    first, second = capsys.readouterr().err.splitlines()
    assert re.fullmatch(r"\d\d:\d\d:\d\d  muted\?", first)
    assert second == "heard 3 s"
    assert (viewer.notes, viewer.shown) == (["muted?"], ["3 of 10 s"])


def test_notes_are_written_after_a_view_that_fails(
    line: StatusLine, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail() -> None:
        with line.lent(Viewer()):
            line.say("muted?")
            raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        fail()
    assert capsys.readouterr().err.endswith("  muted?\n")


def test_notes_for_a_file_are_written_at_once_too(capsys: pytest.CaptureFixture[str]) -> None:
    line, viewer = StatusLine(), Viewer()
    with line.lent(viewer):
        line.say("muted?")
        assert capsys.readouterr().err == "muted?\n"
    assert capsys.readouterr().err == ""
    assert (viewer.notes, viewer.shown) == (["muted?"], [])


def test_more_notes_than_anybody_reads_are_counted(
    line: StatusLine, capsys: pytest.CaptureFixture[str]
) -> None:
    with line.lent(Viewer()):
        for number in range(NOTES_KEPT + 2):
            line.say(str(number))
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "(2 notes before these were not kept)"
    assert lines[1].endswith("  2")
    assert len(lines) == NOTES_KEPT + 1
