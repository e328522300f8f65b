"""What a check is told, and what it answers."""

from __future__ import annotations

import os
import platform
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from edge_asc.sources import RawFormat

State = Literal["ok", "warning", "problem", "not checked"]


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found."""

    name: str
    state: State
    """"problem": listening will fail, or its results be wrong; "warning": it may"""
    found: str
    advice: str = ""
    """What to do, if anything"""


def may_open(path: Path) -> bool:
    """Whether this user may record from a device file."""
    return os.access(path, os.R_OK | os.W_OK)


@dataclass(frozen=True, slots=True)
class Subject:
    """What is to be examined: how it would listen, and the machine it would listen on."""

    source: str = "mic"
    device: str | None = None
    raw: RawFormat = field(default_factory=RawFormat)
    model: Path | None = None
    """None for the installed or the shipped one"""
    trust: Path | None = None
    config: Path | None = None
    """The configuration file that the above comes from"""
    config_error: str = ""
    """What is wrong with it"""
    microphone: bool = True
    """Whether sound may be recorded"""

    proc_folder: Path = Path("/proc")
    sys_folder: Path = Path("/sys")
    dev_folder: Path = Path("/dev")
    machine: str = platform.machine()
    """As `uname -m`"""
    is_64_bit: bool = sys.maxsize > 2**32
    """Whether Python is"""
    vcgencmd: str | None = shutil.which("vcgencmd")
    """The Raspberry Pi's program to ask its firmware"""
    may_open: Callable[[Path], bool] = may_open
