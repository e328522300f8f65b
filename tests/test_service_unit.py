"""The unit that is written: what systemd says of it, for each combination of options."""

from __future__ import annotations

import itertools
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from edge_asc.errors import ServiceError
from edge_asc.service_unit import Unit

OPTIONS = [
    (user_manager, run_as, network, config)
    for user_manager, run_as, network, config in itertools.product(
        (False, True), (None, "games"), (False, True), (False, True)
    )
    if not (user_manager and run_as)
]

MAX_EXPOSURE = {"system": 1.5, "system, network": 2.5, "user": 6.5, "user, network": 7.0}
"""systemd 252 gives 1.4, 2.3, 6.3 and 6.6; 10 is a service without any restriction."""


def analyze(*arguments: str | Path, **environment: str) -> str:
    """What systemd-analyze prints, of both kinds; it must find nothing to complain of."""
    program = shutil.which("systemd-analyze")
    if program is None:
        pytest.skip("needs systemd-analyze, of the package systemd")
    done = subprocess.run(
        [program, *arguments], capture_output=True, text=True, env=environment, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """Something that systemd can find, at a path with all that has a meaning in a unit."""
    path = tmp_path / "my device; 100%n $HOME ${HOME} größer" / "python"
    path.parent.mkdir()
    path.symlink_to("/bin/true")
    return path


@pytest.mark.parametrize(("user_manager", "run_as", "network", "config"), OPTIONS)
def test_systemd_takes_it(
    tmp_path: Path,
    program: Path,
    user_manager: bool,
    run_as: str | None,
    network: bool,
    config: bool,
) -> None:
    file = tmp_path / "edge-asc.service"
    settings = program.with_name("edge asc.toml") if config else None
    file.write_text(Unit(program, settings, user_manager, run_as, network).text())
    manager = ["--user"] if user_manager else ["--system"]
    assert analyze(*manager, "verify", file, XDG_RUNTIME_DIR=str(tmp_path)) == ""


def test_systemd_would_say_if_the_program_were_not_found(tmp_path: Path, program: Path) -> None:
    """Which shows that the test above finds a path that is escaped wrongly."""
    file = tmp_path / "edge-asc.service"
    text = Unit(program).text()
    file.write_text(text.replace("%%", "%"))
    with pytest.raises(AssertionError, match="is not executable"):
        analyze("verify", file)


@pytest.mark.parametrize("kind", MAX_EXPOSURE)
def test_what_it_exposes(tmp_path: Path, kind: str) -> None:
    file = tmp_path / "edge-asc.service"
    unit = Unit(Path("/bin/true"), None, kind.startswith("user"), None, kind.endswith("network"))
    file.write_text(unit.text())
    report = analyze("security", "--offline=true", "--no-pager", file)
    exposure = re.search(r"Overall exposure level for edge-asc.service: ([\d.]+)", report)
    assert exposure is not None
    assert float(exposure[1]) <= MAX_EXPOSURE[kind]


def settings(unit: Unit) -> list[str]:
    return [line for line in unit.text().splitlines() if line and not line.startswith("#")]


def test_the_command() -> None:
    line = "ExecStart=/opt/edge-asc/bin/python -m edge_asc listen --format json"
    python = Path("/opt/edge-asc/bin/python")
    assert line in settings(Unit(python))
    config = Unit(python, Path("/etc/edge-asc.toml"))
    assert f"{line} --config /etc/edge-asc.toml" in settings(config)
    assert "# Configuration: /etc/edge-asc.toml" in config.text().splitlines()


@pytest.mark.parametrize(
    ("path", "command"),
    [
        ("/opt/a b/python", '"/opt/a b/python" -m'),
        ("/opt/50%/python", "/opt/50%%/python -m"),
        ("/opt/$a/python", ':"/opt/$a/python" -m'),
        ("/opt/größe/python", "/opt/größe/python -m"),
        ("/opt/a;b/python", '"/opt/a;b/python" -m'),
    ],
)
def test_what_has_a_meaning_for_systemd_is_escaped(path: str, command: str) -> None:
    """As systemd.syntax(7) and systemd.service(5), "Command lines", describe."""
    lines = settings(Unit(Path(path)))
    assert [line for line in lines if line.startswith(f"ExecStart={command}")]


@pytest.mark.parametrize("name", ["a\nExecStartPre=x", 'a"b', "a'b", "a\\b", "a\x7fb", "a\udcffb"])
def test_what_systemd_does_not_take_is_refused(name: str) -> None:
    with pytest.raises(ServiceError, match="rename it"):
        Unit(Path("/opt") / name).text()
    with pytest.raises(ServiceError, match="rename it"):
        Unit(Path("/opt/python"), Path("/etc") / name).text()


def test_who_it_runs_as() -> None:
    python = Path("/bin/true")
    own = settings(Unit(python))
    assert "DynamicUser=yes" in own
    assert not [line for line in own if line.startswith("User=")]
    someone = settings(Unit(python, run_as="pi"))
    assert "User=pi" in someone
    assert "DynamicUser=yes" not in someone
    for lines in (own, someone):
        assert "SupplementaryGroups=audio" in lines
        assert "Environment=EDGE_ASC_MODEL_DIR=/var/lib/edge-asc" in lines
    session = settings(Unit(python, user_manager=True))
    assert not [line for line in session if "User" in line or "MODEL_DIR" in line]


@pytest.mark.parametrize("name", ["", "pi\nExecStartPre=x", "a b", "%n", "-x", "größe"])
def test_a_user_whose_name_is_none(name: str) -> None:
    with pytest.raises(ServiceError, match="a user's name must be of letters"):
        Unit(Path("/bin/true"), run_as=name).text()


@pytest.mark.parametrize("user_manager", [False, True])
def test_sound_cannot_leave_unless_the_network_is_allowed(user_manager: bool) -> None:
    closed = settings(Unit(Path("/bin/true"), user_manager=user_manager))
    assert "RestrictAddressFamilies=AF_UNIX" in closed
    assert ("IPAddressDeny=any" in closed) is not user_manager  # only the system's manager can
    open_ = settings(Unit(Path("/bin/true"), user_manager=user_manager, allow_network=True))
    assert "RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6" in open_
    assert not [line for line in open_ if line.startswith(("IPAddress", "PrivateNetwork"))]


@pytest.mark.parametrize("user_manager", [False, True])
def test_what_would_break_it_is_not_there(user_manager: bool) -> None:
    lines = settings(Unit(Path("/bin/true"), user_manager=user_manager))
    names = {line.partition("=")[0] for line in lines}
    assert not names & {"MemoryDenyWriteExecute", "ProcSubset", "ProtectClock", "PrivateDevices"}
    assert {"Type=notify", "WatchdogSec=60", "WatchdogSignal=SIGTERM", "Restart=always"} <= set(
        lines
    )
    assert {"KillMode=mixed", "TimeoutStopSec=5", "StartLimitIntervalSec=0"} <= set(lines)
