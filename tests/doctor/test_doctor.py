"""Checks that stand alone."""

from __future__ import annotations

from collections.abc import Iterator

from edge_asc.doctor import CHECKS, examine
from edge_asc.doctor.finding import Finding, Subject
from edge_asc.errors import UpdateError


def passes(_: Subject) -> Iterator[Finding]:
    yield Finding("first", "ok", "fine")
    yield Finding("second", "warning", "nearly")


def fails(_: Subject) -> Iterator[Finding]:
    yield Finding("begun", "ok", "so far")
    raise ZeroDivisionError("1 / 0")


def tells(_: Subject) -> Iterator[Finding]:
    yield from ()
    raise UpdateError("the folder must be absolute")


def test_whatever_one_check_meets_the_others_are_made() -> None:
    found = list(examine(Subject(), {"a": fails, "b": tells, "c": passes}))
    assert [(finding.name, finding.state) for finding in found] == [
        ("begun", "ok"),
        ("a", "problem"),
        ("b", "problem"),
        ("first", "ok"),
        ("second", "warning"),
    ]
    assert found[1].found == "this check itself failed: ZeroDivisionError: 1 / 0"
    assert "report it" in found[1].advice
    assert found[2].found == "the folder must be absolute"


def test_every_check_gives_its_finding_first() -> None:
    """So that what a check is called when it fails is what it is called when it does not."""
    subject = Subject(microphone=False)
    firsts = {name: next(check(subject)).name for name, check in CHECKS.items()}
    assert firsts.pop("microphone") == "portaudio"
    assert all(name == first for name, first in firsts.items())
