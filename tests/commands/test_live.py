"""`--format live`, where there is no terminal that it could be drawn on."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path
from typing import Any, cast

import pytest

from edge_asc.commands.live import open_live, why_plain
from edge_asc.errors import EdgeAscError

NOT_A_TERMINAL = "plain lines instead of the live view: standard output is not a terminal"


class Stream(io.StringIO):
    def __init__(self, terminal: bool = True) -> None:
        super().__init__()
        self._terminal = terminal

    def isatty(self) -> bool:
        return self._terminal


@pytest.mark.parametrize(
    ("terminal", "environment", "reason"),
    [
        (True, {"TERM": "xterm"}, None),
        (True, {"TERM": "xterm", "NO_COLOR": ""}, None),  # https://no-color.org: not an empty one
        (True, {"TERM": "xterm", "NO_COLOR": "1"}, "NO_COLOR is set"),
        (True, {"TERM": "dumb"}, "TERM names no terminal that can be drawn upon"),
        (True, {}, "TERM names no terminal that can be drawn upon"),
        (False, {"TERM": "xterm"}, "standard output is not a terminal"),
    ],
)
def test_why_there_are_plain_lines(
    terminal: bool, environment: dict[str, str], reason: str | None
) -> None:
    assert why_plain(Stream(terminal), environment) == reason


def test_plain_lines_and_one_word_why(
    edge_asc: Any, model_path: Path, tmp_path: Path, write_wav: Any, rng: Any
) -> None:
    path = write_wav(rng.uniform(-1, 1, 4 * 44_100))
    live = edge_asc("listen", "--source", path, "--fast", "--format", "live")
    text = edge_asc("listen", "--source", path, "--fast")
    assert live.exit_code == 0
    assert live.stdout == text.stdout != ""
    notes = live.stderr.splitlines()
    assert [note for note in notes if note not in text.stderr.splitlines()] == [NOT_A_TERMINAL]


def test_other_forms_do_not_load_it(write_wav: Any, rng: Any) -> None:
    path = write_wav(rng.uniform(-1, 1, 4 * 44_100))
    program = (
        "import sys\n"
        "from edge_asc.cli import main\n"
        f"main(['listen', '--source', {str(path)!r}, '--fast'], standalone_mode=False)\n"
        "print(*[name for name in sys.modules if name.startswith(('rich', 'edge_asc.sinks.live'))])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == ""


def test_without_rich_it_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith(("rich", "edge_asc.sinks.live"))]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "rich", cast(Any, None))
    monkeypatch.setattr("sys.stdout", Stream())
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    with pytest.raises(EdgeAscError, match=r"pip install 'edge-asc\[live\]'"):
        open_live({}, cast(Any, None))
