"""`edge-asc evaluate`: what it passes on."""

from __future__ import annotations

import sys
import types
from pathlib import Path
from typing import Any

import pytest

NOTHING = {"html": None, "protocol": None, "seed": 0, "part": None}


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Calls of the function behind the command, in place of a heavy module."""
    seen: list[Any] = []
    fake = types.ModuleType("edge_asc.training.evaluate")
    fake.__dict__["evaluate_command"] = lambda *args, **options: seen.append((args, options))
    monkeypatch.setitem(sys.modules, fake.__name__, fake)
    return seen


def test_folds_and_format(edge_asc: Any, calls: list[Any]) -> None:
    done = edge_asc("evaluate", "m.tflite", "--data", "a", "--folds", "1, 2", "--format", "json")
    assert done.exit_code == 0, done.stderr
    assert calls == [((Path("m.tflite"), [Path("a")], ["1", "2"], "json"), NOTHING)]


def test_a_protocol_and_a_page(edge_asc: Any, calls: list[Any]) -> None:
    options = ("--protocol", "visit-2fold", "--seed", "7", "--part", "2", "--html", "page.html")
    edge_asc("evaluate", "c.safetensors", "--data", "a", "--data", "b", *options)
    ((arguments, passed),) = calls
    assert arguments == (Path("c.safetensors"), [Path("a"), Path("b")], None, "text")
    assert passed == {
        "html": Path("page.html"),
        "protocol": "visit-2fold",
        "seed": 7,
        "part": 2,
    }


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--part", "1"], "--part names a split of a protocol: give --protocol too"),
        (["--protocol", "visit-2fold", "--part", "0"], "0 is not in the range x>=1"),
    ],
)
def test_wrong_usage(edge_asc: Any, calls: list[Any], options: list[str], message: str) -> None:
    done = edge_asc("evaluate", "m.tflite", "--data", "a", *options)
    assert done.exit_code == 2
    assert message in done.stderr
    assert calls == []
