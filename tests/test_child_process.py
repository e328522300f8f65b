"""Commands that run beside the listener."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from edge_asc.child_process import ChildProcess, split_command

LONG_S = 60.0


def test_words_are_split_as_a_shell_does() -> None:
    assert split_command('sh -c \'a "b"\' "c d"') == ["sh", "-c", 'a "b"', "c d"]
    assert split_command("  ") == []


def test_a_command_that_cannot_be_run(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"sh -c '\" cannot be read: No closing quotation"):
        split_command("sh -c '")
    with pytest.raises(ValueError, match="there is no program '/none'"):
        split_command("/none here")
    (tmp_path / "plain").write_text("not executable")
    with pytest.raises(ValueError, match="there is no program"):
        split_command(str(tmp_path / "plain"))


def test_its_end_with_its_last_words() -> None:
    child = ChildProcess(["sh", "-c", "for n in 1 2 3 4; do echo $n >&2; done; exit 7"])
    assert child.wait(LONG_S) == 7
    assert child.how_it_ended() == (7, "ended with exit code 7: 2; 3; 4")


def test_words_without_end_are_cut() -> None:
    child = ChildProcess(["sh", "-c", "head -c 100000 /dev/zero | tr '\\0' x >&2"])
    assert child.wait(LONG_S) == 0
    assert len(child.how_it_ended()[1]) < 3_100


def test_it_is_given_its_own_environment_and_no_input() -> None:
    child = ChildProcess(
        [sys.executable, "-c", "import os, sys; sys.exit(sys.stdin.read() + os.environ['WORD'])"],
        stdout=subprocess.DEVNULL,
        environment={"WORD": "told"},
    )
    assert child.wait(LONG_S) == 1
    assert child.how_it_ended() == (1, "ended with exit code 1: told")


def test_one_that_still_runs_is_ended() -> None:
    child = ChildProcess(["sleep", "300"])
    assert child.wait(0.01) is None
    child.close()
    assert child.how_it_ended() == (-15, "died of SIGTERM")
