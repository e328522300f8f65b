"""The program as a whole: help, version, errors, exit codes, weight."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

import edge_asc
from edge_asc.cli import main
from edge_asc.errors import AudioError, ConfigError

COMMANDS = [
    "audit",
    "bench",
    "calibrate",
    "classify",
    "config",
    "data",
    "devices",
    "doctor",
    "evaluate",
    "export",
    "firmware",
    "info",
    "keygen",
    "listen",
    "plot",
    "record",
    "service",
    "sign",
    "synth",
    "table3",
    "train",
    "update",
]


def test_version() -> None:
    done = CliRunner().invoke(main, ["--version"])
    assert done.output == f"edge-asc {edge_asc.__version__}\n"


def test_help_names_every_command_and_cuts_no_sentence() -> None:
    done = CliRunner().invoke(main, ["--help"])
    listed = [line.split()[0] for line in done.output.split("Commands:\n")[1].splitlines()]
    assert listed == COMMANDS
    assert "..." not in done.output.split("Commands:\n")[1]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(command: str) -> None:
    done = CliRunner().invoke(main, [command, "--help"])
    assert done.exit_code == 0
    assert done.output.startswith(f"Usage: edge-asc {command} ")


def test_unknown_command() -> None:
    done = CliRunner().invoke(main, ["lisen"])
    assert done.exit_code == 2
    assert "No such command 'lisen'" in done.stderr


@pytest.mark.parametrize(
    ("raised", "exit_code", "stderr"),
    [
        (AudioError("walk.wav is empty"), 1, "edge-asc: error: walk.wav is empty\n"),
        (ConfigError("line 4: unknown"), 2, "edge-asc: error: line 4: unknown\n"),
        (KeyboardInterrupt(), 130, ""),
    ],
)
def test_errors_become_exit_codes(raised: BaseException, exit_code: int, stderr: str) -> None:
    @click.command()
    def fail() -> None:
        raise raised

    program = type(main)(commands={"fail": fail})
    done = CliRunner().invoke(program, ["fail"])
    assert (done.exit_code, done.stderr, done.stdout) == (exit_code, stderr, "")


def test_the_command_line_loads_nothing_heavy() -> None:
    """In a fresh interpreter, since this one has loaded everything; help needs not even numpy."""
    program = (
        "import sys, edge_asc.cli; standard = set(sys.stdlib_module_names);"
        "print(*sorted({name.split('.')[0] for name in sys.modules} - standard))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    loaded = {name for name in done.stdout.split() if not name.startswith("__")}
    assert loaded - {"_distutils_hack", "colorama"} == {"click", "edge_asc"}


def test_python_m_edge_asc() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "edge_asc", "--version"], capture_output=True, text=True, check=True
    )
    assert done.stdout == f"edge-asc {edge_asc.__version__}\n"


def test_what_the_system_refuses_is_told_without_a_traceback(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    out = tmp_path / "file" / "walk.flac"
    done = CliRunner().invoke(main, ["synth", "--recording", str(out), "--seconds", "1"])
    assert done.exit_code == 1
    assert done.stderr.startswith("edge-asc: error: [Errno ")
    assert str(tmp_path / "file") in done.stderr
