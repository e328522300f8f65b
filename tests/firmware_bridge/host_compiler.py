"""C of an exported package on this computer, as its users build it: with asc.mk."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

STRICT = "-Wall -Wextra -Wconversion -pedantic -Werror -fsanitize=address,undefined"

needs_gcc = pytest.mark.skipif(
    shutil.which("gcc") is None or shutil.which("make") is None, reason="needs gcc and make"
)

_MAKEFILE = """\
CC := gcc
CFLAGS := {flags}
include {package}/asc.mk
program: main.c $(ASC_OBJECTS)
\t$(CC) $(CFLAGS) $(ASC_CFLAGS) -o $@ $^
"""


def build_and_run(package: Path, main: str, scratch: Path) -> int:
    """The exit code of a program whose `main.c` is given, linked with a copy of the package."""
    folder = scratch / "program"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    shutil.copytree(package, folder / "package")
    (folder / "main.c").write_text(main)
    (folder / "Makefile").write_text(_MAKEFILE.format(flags=STRICT, package="package"))
    made = subprocess.run(
        ["make", "-s", "-C", folder, "program"], capture_output=True, text=True, check=False
    )
    assert made.returncode == 0, made.stderr[-4000:]
    return subprocess.run([folder / "program"], check=False, timeout=120).returncode
