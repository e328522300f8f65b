"""`edge-asc service`."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from edge_asc.service_unit import Unit
from tests.fake_systemd import System, make_system


@pytest.fixture
def system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> System:
    return make_system(tmp_path, monkeypatch)


def test_from_installing_to_removing(edge_asc: Any, system: System) -> None:
    done = edge_asc("service", "install")
    assert done.exit_code == 0, done.stderr
    assert done.stdout == ""
    assert done.stderr.splitlines()[0] == f"wrote {system.unit}"
    assert system.unit.read_text() == Unit(Path(sys.executable)).text()

    system.says("show", "ActiveState=active\nStatusText=park\n")
    done = edge_asc("service", "status")
    assert done.exit_code == 0
    assert done.stdout.splitlines()[:2] == ["state     active", "says      park"]
    values = json.loads(edge_asc("service", "status", "--format", "json").stdout)
    assert (values["schema"], values["state"], values["says"]) == (1, "active", "park")

    assert edge_asc("service", "uninstall").exit_code == 0
    done = edge_asc("service", "uninstall")
    assert done.exit_code == 1
    assert "edge-asc: error: the service is not installed" in done.stderr
    assert edge_asc("service", "status").exit_code == 4


def test_every_option_reaches_the_unit(
    edge_asc: Any, system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = system.folder / "my config.toml"
    config.write_text('device = "USB"\n')
    monkeypatch.chdir(system.folder)
    options = ("--run-as", "nobody", "--allow-network", "--no-start", "--python", "opt/python")
    done = edge_asc("service", "install", "--config", config.name, *options)
    assert done.exit_code == 0, done.stderr
    unit = Unit(system.folder / "opt/python", config, run_as="nobody", allow_network=True)
    assert system.unit.read_text() == unit.text()
    assert [command.split()[1] for command in system.commands()] == ["daemon-reload", "enable"]


def test_a_service_that_does_not_run(edge_asc: Any, system: System) -> None:
    edge_asc("service", "install", "--no-start")
    system.says("show", "ActiveState=failed\nSubState=failed\nResult=exit-code\n")
    done = edge_asc("service", "status")
    assert done.exit_code == 3
    assert "last end  exit-code" in done.stdout.splitlines()


def test_print_changes_nothing(edge_asc: Any, system: System) -> None:
    done = edge_asc("service", "install", "--print", "--allow-network")
    assert done.exit_code == 0
    assert done.stdout == Unit(Path(sys.executable), allow_network=True).text()
    assert done.stderr == ""
    assert not system.units.exists()
    assert system.commands() == []


def test_print_says_what_would_be_refused(
    edge_asc: Any, system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edge_asc.service.barrier", lambda *_: "a folder is closed")
    done = edge_asc("service", "install", "--print")
    assert done.exit_code == 0
    assert done.stdout.startswith("# Written by")
    assert "it would not be installed like this: " in done.stderr
    assert "a folder is closed" in done.stderr


@pytest.mark.parametrize("named", [True, False])
def test_a_configuration_that_would_fail_at_each_start(
    edge_asc: Any, system: System, named: bool
) -> None:
    config = system.folder / "etc/config.toml"
    config.parent.mkdir()
    config.write_text("\nratte = 3\n")
    done = edge_asc("service", "install", *(["--config", config] if named else []))
    assert done.exit_code == 2
    assert f"{config}, line 2: unknown key 'ratte'" in done.stderr
    assert not system.units.exists()


def test_an_image(edge_asc: Any, system: System) -> None:
    image = system.folder / "image"
    (image / "opt").mkdir(parents=True)
    (image / "opt/python").touch()
    options = ("--root", image, "--python", "/opt/python")
    done = edge_asc("service", "install", *options)
    assert done.exit_code == 0, done.stderr
    unit = image / str(system.unit).lstrip("/")
    assert "ExecStart=/opt/python -m edge_asc listen" in unit.read_text()
    assert edge_asc("service", "uninstall", "--root", image).exit_code == 0
    assert not unit.exists()
    assert system.commands() == []


def test_the_users_service(edge_asc: Any, system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(system.folder))
    assert edge_asc("service", "install", "--user").exit_code == 0
    unit = system.folder / "systemd/user/edge-asc.service"
    assert unit.read_text() == Unit(Path(sys.executable), user_manager=True).text()
    assert edge_asc("service", "uninstall", "--user").exit_code == 0
    assert not unit.exists()
    assert edge_asc("service", "status", "--user").exit_code == 4
    done = edge_asc("service", "install")
    assert done.exit_code == 1
    assert "only root may change" in done.stderr


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("install", "--user", "--run-as", "pi"), "leave out --run-as"),
        (("install", "--user", "--root", "/x"), "leave out --user"),
        (("uninstall", "--user", "--root", "/x"), "leave out --user"),
        (("install", "--root", "image"), "must be an absolute path, got image"),
    ],
)
def test_what_cannot_be_meant_together(
    edge_asc: Any, system: System, options: tuple[str, ...], message: str
) -> None:
    done = edge_asc("service", *options)
    assert done.exit_code == 2
    assert message in done.stderr
    assert system.commands() == []
