"""`edge-asc audit`: what it passes on, and what it says without its packages."""

from __future__ import annotations

import sys
import types
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from edge_asc.commands.audit import audit
from edge_asc.errors import EdgeAscError

Calls = list[tuple[tuple[Any, ...], dict[str, Any]]]


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Calls:
    seen: Calls = []
    fake = types.ModuleType("edge_asc.training.audit")
    fake.__dict__["audit_command"] = lambda *args, **kwargs: seen.append((args, kwargs))
    monkeypatch.setitem(sys.modules, "edge_asc.training.audit", fake)
    return seen


def test_all_options(calls: Calls) -> None:
    options = ["--data", "a", "--data", "b", "--protocol", "visit-2fold, folds", "--seeds", "3"]
    options += ["--html", "page.html", "--no-sound", "--format", "json"]
    done = CliRunner().invoke(audit, options)
    assert done.exit_code == 0, done.stderr
    ((positional, named),) = calls
    assert positional == ([Path("a"), Path("b")], ["visit-2fold", "folds"])
    assert named == {
        "num_seeds": 3,
        "html": Path("page.html"),
        "output_format": "json",
        "with_sound": False,
    }


def test_defaults(calls: Calls) -> None:
    CliRunner().invoke(audit, ["--data", "a"])
    ((positional, named),) = calls
    assert positional == ([Path("a")], None)
    assert named == {"num_seeds": 5, "html": None, "output_format": "text", "with_sound": True}


@pytest.mark.parametrize("options", [[], ["--data", "a", "--seeds", "0"]])
def test_wrong_usage(calls: Calls, options: list[str]) -> None:
    assert CliRunner().invoke(audit, options).exit_code == 2
    assert calls == []


def test_a_missing_package(monkeypatch: pytest.MonkeyPatch) -> None:
    def command(*args: object, **options: object) -> None:
        raise ModuleNotFoundError("No module named 'matplotlib'", name="matplotlib")

    fake = types.ModuleType("edge_asc.training.audit")
    fake.__dict__["audit_command"] = command
    monkeypatch.setitem(sys.modules, "edge_asc.training.audit", fake)
    done = CliRunner().invoke(audit, ["--data", "a"])
    assert isinstance(done.exception, EdgeAscError)
    assert "pip install 'edge-asc[train]'" in str(done.exception)
