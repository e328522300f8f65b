"""A system on which systemd seems to run: folders of its own, a systemctl that only notes."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from edge_asc import service, service_status

SYSTEMCTL = """#!/bin/sh
echo "$(basename "$0") $*" >> {folder}/commands
if [ -e {folder}/$1.fails ]; then cat {folder}/$1.fails >&2; exit 5; fi
if [ -e {folder}/$1.says ]; then cat {folder}/$1.says; fi
"""


@dataclass(frozen=True)
class System:
    """What the commands would change."""

    folder: Path

    @property
    def units(self) -> Path:
        return self.folder / "units"

    @property
    def unit(self) -> Path:
        return self.units / "edge-asc.service"

    @property
    def python(self) -> Path:
        """An interpreter that all may read."""
        return self.folder / "opt/venv/bin/python"

    def commands(self) -> list[str]:
        """What was run since the last call."""
        notes = self.folder / "commands"
        lines = notes.read_text().splitlines() if notes.exists() else []
        notes.unlink(missing_ok=True)
        return lines

    def says(self, word: str, text: str) -> None:
        """Let a program whose first argument is `word` print this."""
        (self.folder / f"{word}.says").write_text(text)

    def fails(self, word: str, text: str) -> None:
        """Let it print this on stderr and fail."""
        (self.folder / f"{word}.fails").write_text(text)


def make_system(folder: Path, monkeypatch: pytest.MonkeyPatch) -> System:
    """As root, on a system that can be changed without harm."""
    system = System(folder)
    (folder / "bin").mkdir()
    for name in ("systemctl", "journalctl"):
        program = folder / "bin" / name
        program.write_text(SYSTEMCTL.format(folder=folder))
        program.chmod(0o755)
    system.python.parent.mkdir(parents=True)
    system.python.symlink_to(sys.executable)
    (folder / "booted").mkdir()
    monkeypatch.setenv("PATH", f"{folder / 'bin'}:{os.environ['PATH']}")
    monkeypatch.delenv("SUDO_USER", raising=False)
    monkeypatch.setattr(service, "SYSTEM_UNITS", system.units)
    monkeypatch.setattr(service, "SYSTEM_FILE", folder / "etc/config.toml")
    monkeypatch.setattr(service, "STATE_FOLDER", folder / "state")
    for module in (service, service_status):
        monkeypatch.setattr(module, "BOOTED", folder / "booted")
    # The folders of tests are below /tmp, and only their owner may enter them.
    monkeypatch.setattr(service, "_HIDDEN", ())
    monkeypatch.setattr(service, "barrier", lambda *_: None)
    monkeypatch.setattr(service, "check_audio_group", lambda: None)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    return system
