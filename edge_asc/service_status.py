"""How the systemd service is: what `edge-asc service status` tells."""

from __future__ import annotations

import re
import subprocess
import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from edge_asc.errors import ServiceError
from edge_asc.service import BOOTED, Place
from edge_asc.service_unit import UNIT_NAME

RUNNING, NOT_RUNNING, NOT_INSTALLED = 0, 3, 4
"""Exit codes, as systemctl's."""

NOTES = 5
_LOG_LINES = 300
"""Five minutes of estimates: as far back as notes are looked for."""

_ESTIMATE = re.compile(r"edge-asc\[\d+\]: \{")

_TIMEOUT_S = 20.0
_PROPERTIES = (
    "ActiveState",
    "SubState",
    "UnitFileState",
    "StateChangeTimestampMonotonic",
    "NRestarts",
    "StatusText",
    "MemoryCurrent",
    "Result",
)


@dataclass(frozen=True, slots=True)
class ServiceStatus:
    """What systemd knows of the service."""

    unit: str
    """Path of the unit's file"""
    installed: bool
    state: str = "not installed"
    """active, activating, failed, ...; "systemd does not run here" """
    detail: str = ""
    """running, auto-restart, dead, ..."""
    result: str = ""
    """How it ended last: success, exit-code, watchdog, oom-kill, ..."""
    enabled: bool | None = None
    """Whether it is started at boot, or when the user logs in; None if nobody can tell"""
    since: datetime | None = None
    """When this state began, with zone"""
    restarts: int | None = None
    """How often systemd started it anew"""
    says: str = ""
    """What the program last said of itself"""
    memory_bytes: int | None = None
    """None where the system does not count it"""
    notes: tuple[str, ...] | None = None
    """What it said last that is no estimate; None if this user may not read the journal"""

    @property
    def exit_code(self) -> int:
        if not self.installed:
            return NOT_INSTALLED
        return RUNNING if self.state in ("active", "reloading") else NOT_RUNNING

    def to_json(self) -> dict[str, Any]:
        """The same for programs; "schema" grows when a field changes its meaning."""
        values = {name: getattr(self, name) for name in self.__dataclass_fields__}
        since = self.since and self.since.isoformat(timespec="seconds")
        return {"schema": 1, **values, "since": since}

    def to_text(self, now: datetime) -> str:
        """The same for people."""
        if not self.installed:
            return f"not installed: there is no {self.unit}"
        state = f"{self.state} ({self.detail})" if self.detail else self.state
        if self.since is not None:
            passed = timedelta(seconds=round((now - self.since).total_seconds()))
            state += f" since {self.since.isoformat(' ', 'seconds')}, for {passed}"
        rows = [("state", state)]
        if self.result not in ("", "success"):
            rows.append(("last end", self.result))
        if self.says:
            rows.append(("says", self.says))
        if self.restarts is not None:
            rows.append(("restarts", str(self.restarts)))
        if self.memory_bytes is not None:
            rows.append(("memory", f"{self.memory_bytes / 1e6:.1f} MB"))
        if self.enabled is not None:
            rows.append(("enabled", "yes" if self.enabled else "no"))
        rows.append(("unit", self.unit))
        lines = [f"{name:<10}{value}" for name, value in rows]
        if self.notes is None:
            return "\n".join([*lines, "notes     not readable: use sudo"])
        return "\n".join([*lines, *(f"  {line}" for line in self.notes)])


def service_status(place: Place) -> ServiceStatus:
    """Ask systemd. Raises ServiceError if it does not answer."""
    unit = str(place.unit)
    if not place.unit.exists():
        return ServiceStatus(unit, installed=False)
    if not BOOTED.is_dir():
        return ServiceStatus(unit, installed=True, state="systemd does not run here", notes=())
    command = [*place.systemctl, "show", UNIT_NAME, f"--property={','.join(_PROPERTIES)}"]
    done = _run(command)
    if done is None or done.returncode != 0:
        said = "not found" if done is None else " ".join(done.stderr.split())
        raise ServiceError(f"`{' '.join(command)}` failed: {said}")
    found = dict(line.partition("=")[::2] for line in done.stdout.splitlines())
    return ServiceStatus(
        unit,
        installed=True,
        state=found.get("ActiveState", "unknown"),
        detail=found.get("SubState", ""),
        result=found.get("Result", ""),
        enabled=found.get("UnitFileState") == "enabled",
        since=_moment(_number(found, "StateChangeTimestampMonotonic")),
        restarts=_number(found, "NRestarts"),
        says=found.get("StatusText", ""),
        memory_bytes=_number(found, "MemoryCurrent"),
        notes=_notes(place),
    )


def _number(found: dict[str, str], name: str) -> int | None:
    """A count; None where systemd says "[not set]" or, in older versions, the largest one."""
    text = found.get(name, "")
    return int(text) if text.isdecimal() and int(text) < 2**63 else None


def _moment(monotonic_us: int | None) -> datetime | None:
    """The wall-clock time of a moment of CLOCK_MONOTONIC; 0 stands for never."""
    if not monotonic_us:
        return None
    ago_s = time.clock_gettime(time.CLOCK_MONOTONIC) - monotonic_us / 1e6
    return datetime.now().astimezone() - timedelta(seconds=ago_s)


def _notes(place: Place) -> tuple[str, ...] | None:
    which = "--user-unit" if place.user_manager else "--unit"
    options = ["--no-pager", "--quiet", "--output=short-iso", f"--lines={_LOG_LINES}"]
    done = _run(["journalctl", f"{which}={UNIT_NAME}", *options])
    if done is None or done.returncode != 0:
        return None
    lines = [line for line in done.stdout.splitlines() if not _ESTIMATE.search(line)]
    return tuple(lines[-NOTES:])


def _run(command: list[str]) -> subprocess.CompletedProcess[str] | None:
    """None if there is no such program. Raises ServiceError if it takes too long."""
    try:
        return subprocess.run(
            command,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_TIMEOUT_S,
            check=False,
        )
    except FileNotFoundError:
        return None
    except subprocess.TimeoutExpired:
        raise ServiceError(
            f"`{' '.join(command)}` did not answer within {_TIMEOUT_S:g} s: is systemd busy?"
        ) from None
