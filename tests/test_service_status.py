"""What systemd tells of the service, for people and for programs."""

from __future__ import annotations

import subprocess
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from edge_asc.errors import ServiceError
from edge_asc.service import Place
from edge_asc.service_status import ServiceStatus, service_status
from tests.fake_systemd import System, make_system

SYSTEM = Place()
SHOWN = """\
Result=success
NRestarts=2
MemoryCurrent=58163200
StatusText=park 83 %, says it = knows
StateChangeTimestampMonotonic=5000000
ActiveState=active
SubState=running
UnitFileState=enabled
"""


@pytest.fixture
def system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> System:
    """A service that is installed and has run since 5 s after the start."""
    system = make_system(tmp_path, monkeypatch)
    system.units.mkdir()
    system.unit.touch()
    system.says("show", SHOWN)
    monkeypatch.setattr("time.clock_gettime", lambda _: 3605.0)
    return system


def shown(system: System, **changes: str) -> ServiceStatus:
    values = dict(line.split("=", 1) for line in SHOWN.splitlines()) | changes
    system.says("show", "".join(f"{name}={value}\n" for name, value in values.items()))
    return service_status(SYSTEM)


def test_a_service_that_runs(system: System) -> None:
    begin = "2026-05-17T12:00:00+0000 pi edge-asc[7]: "
    lines = [f"{begin}note {number}" for number in range(6)]
    system.says("--unit=edge-asc.service", "\n".join([*lines[:5], begin + '{"a": 1}', lines[5]]))
    before = datetime.now().astimezone()
    found = service_status(SYSTEM)
    after = datetime.now().astimezone()
    assert found.since is not None
    assert before <= found.since + timedelta(hours=1) <= after
    assert found == ServiceStatus(
        unit=str(system.unit),
        installed=True,
        state="active",
        detail="running",
        result="success",
        enabled=True,
        since=found.since,
        restarts=2,
        says="park 83 %, says it = knows",
        memory_bytes=58_163_200,
        notes=tuple(lines[1:]),
    )
    assert found.exit_code == 0
    show, journal = system.commands()
    assert show.startswith("systemctl show edge-asc.service --property=ActiveState,")
    assert journal == (
        "journalctl --unit=edge-asc.service --no-pager --quiet --output=short-iso --lines=300"
    )


@pytest.mark.parametrize(
    ("state", "code"),
    [
        ("active", 0),
        ("reloading", 0),
        ("activating", 3),
        ("deactivating", 3),
        ("inactive", 3),
        ("failed", 3),
    ],
)
def test_exit_codes_are_those_of_systemctl(system: System, state: str, code: int) -> None:
    assert shown(system, ActiveState=state).exit_code == code


@pytest.mark.parametrize("nothing", ["[not set]", str(2**64 - 1), ""])
def test_memory_that_is_not_counted(system: System, nothing: str) -> None:
    assert shown(system, MemoryCurrent=nothing).memory_bytes is None


def test_a_service_that_never_ran(system: System) -> None:
    found = shown(system, StateChangeTimestampMonotonic="0", UnitFileState="disabled")
    assert (found.since, found.enabled) == (None, False)


def test_a_journal_that_may_not_be_read(system: System) -> None:
    system.fails("--unit=edge-asc.service", "insufficient permissions")
    assert service_status(SYSTEM).notes is None
    (system.folder / "bin/journalctl").unlink()


def test_not_installed(system: System) -> None:
    system.unit.unlink()
    found = service_status(SYSTEM)
    assert found.exit_code == 4
    assert found.to_text(datetime.now().astimezone()) == f"not installed: there is no {system.unit}"
    assert system.commands() == []


def test_where_systemd_does_not_run(system: System) -> None:
    (system.folder / "booted").rmdir()
    found = service_status(SYSTEM)
    assert (found.state, found.exit_code) == ("systemd does not run here", 3)
    assert system.commands() == []


def test_the_users_service(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(system.folder))
    place = Place(user_manager=True)
    place.unit.parent.mkdir(parents=True)
    place.unit.touch()
    (system.folder / "--user.says").write_text(SHOWN)
    assert service_status(place).restarts == 2
    show, journal = system.commands()
    assert show.startswith("systemctl --user show edge-asc.service")
    assert journal.startswith("journalctl --user-unit=edge-asc.service")


def test_a_systemd_that_does_not_answer(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    system.fails("show", "Failed to connect to bus: No such file")
    with pytest.raises(ServiceError, match=r"systemctl show .* failed: Failed to connect to bus"):
        service_status(SYSTEM)

    def run(command: list[str], **_: object) -> None:
        raise subprocess.TimeoutExpired(command, 20)

    monkeypatch.setattr(subprocess, "run", run)
    with pytest.raises(ServiceError, match=r"did not answer within 20 s"):
        service_status(SYSTEM)


def test_without_systemctl(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(ServiceError, match=r"failed: not found"):
        service_status(SYSTEM)


NOON = datetime(2026, 5, 17, 12, tzinfo=timezone.utc)


def test_text() -> None:
    status = ServiceStatus(
        unit="/etc/x",
        installed=True,
        state="activating",
        detail="auto-restart",
        result="watchdog",
        enabled=False,
        since=NOON,
        restarts=7,
        says="waiting for microphone",
        memory_bytes=58_163_200,
        notes=("one", "two"),
    )
    assert status.to_text(NOON + timedelta(days=2, seconds=90)).splitlines() == [
        "state     activating (auto-restart) since 2026-05-17 12:00:00+00:00, for 2 days, 0:01:30",
        "last end  watchdog",
        "says      waiting for microphone",
        "restarts  7",
        "memory    58.2 MB",
        "enabled   no",
        "unit      /etc/x",
        "  one",
        "  two",
    ]


def test_text_of_what_is_not_known() -> None:
    status = ServiceStatus("/etc/x", installed=True, state="inactive", result="success")
    assert status.to_text(NOON).splitlines() == [
        "state     inactive",
        "unit      /etc/x",
        "notes     not readable: use sudo",
    ]


def test_json() -> None:
    status = ServiceStatus("/etc/x", installed=True, state="active", since=NOON, notes=("a",))
    assert status.to_json() == {
        "schema": 1,
        "unit": "/etc/x",
        "installed": True,
        "state": "active",
        "detail": "",
        "result": "",
        "enabled": None,
        "since": "2026-05-17T12:00:00+00:00",
        "restarts": None,
        "says": "",
        "memory_bytes": None,
        "notes": ("a",),
    }
