"""Installing, updating and removing the service, and what stands in the way."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from edge_asc import service
from edge_asc.errors import ServiceError
from edge_asc.service import Place, check_readable, config_in_use, install, uninstall
from edge_asc.service_access import barrier
from edge_asc.service_unit import Unit
from tests.fake_systemd import System, make_system

SYSTEM = Place()


@pytest.fixture
def system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> System:
    return make_system(tmp_path, monkeypatch)


def installed(unit: Unit, place: Place = SYSTEM, *, start: bool = True) -> list[str]:
    """Install, and give what was said."""
    said: list[str] = []
    install(unit, place, start=start, say=said.append)
    return said


def removed(place: Place = SYSTEM) -> list[str]:
    said: list[str] = []
    uninstall(place, said.append)
    return said


def test_installing_says_all_that_it_does(system: System) -> None:
    unit = Unit(system.python)
    said = installed(unit)
    assert system.unit.read_text() == unit.text()
    assert system.unit.stat().st_mode & 0o777 == 0o644
    assert [path.name for path in system.units.iterdir()] == ["edge-asc.service"]
    assert system.commands() == [
        "systemctl daemon-reload",
        "systemctl enable edge-asc.service",
        "systemctl restart edge-asc.service",
    ]
    assert said == [
        f"wrote {system.unit}",
        "ran systemctl daemon-reload",
        "ran systemctl enable edge-asc.service",
        "ran systemctl restart edge-asc.service",
    ]


def test_installing_again_is_an_update(system: System) -> None:
    installed(Unit(system.python))
    changed = Unit(system.python, allow_network=True)
    installed(changed, start=False)
    assert system.unit.read_text() == changed.text()
    assert "systemctl restart edge-asc.service" not in system.commands()[3:]


def test_a_unit_of_somebody_else_is_left_alone(system: System) -> None:
    system.units.mkdir()
    system.unit.write_text("[Service]\nExecStart=/bin/true\n")
    for action in (lambda: installed(Unit(system.python)), removed):
        with pytest.raises(ServiceError, match="was not written by `edge-asc service install`"):
            action()
    assert system.unit.read_text() == "[Service]\nExecStart=/bin/true\n"
    assert system.commands() == []


@pytest.mark.parametrize("word", ["daemon-reload", "enable", "restart"])
def test_systemctl_that_fails(system: System, word: str) -> None:
    system.fails(word, "Job for edge-asc.service failed.\nSee the journal.\n")
    with pytest.raises(ServiceError) as told:
        installed(Unit(system.python))
    text = str(told.value)
    assert f"`systemctl {word}" in text
    assert "failed with exit code 5: Job for edge-asc.service failed. See the journal." in text
    assert "edge-asc service status" in text
    assert word in system.commands()[-1]


def test_systemctl_that_hangs(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    def run(command: list[str], **_: object) -> None:
        raise subprocess.TimeoutExpired(command, 300)

    monkeypatch.setattr(subprocess, "run", run)
    with pytest.raises(ServiceError, match="`systemctl daemon-reload` did not end within 300 s"):
        installed(Unit(system.python))


def test_systemctl_that_is_not_there(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(ServiceError, match="systemctl was not found"):
        installed(Unit(system.python))


def test_a_folder_that_cannot_be_written(system: System) -> None:
    system.units.write_text("not a folder")
    with pytest.raises(ServiceError, match=rf"cannot .*{system.unit}: Not a directory"):
        installed(Unit(system.python))


def test_a_folder_that_is_read_only(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr("tempfile.mkstemp", refuse)
    with pytest.raises(ServiceError, match=f"cannot write {system.unit}: Read-only file system"):
        installed(Unit(system.python))
    assert system.commands() == []
    assert not system.unit.exists()


def test_only_root_may_change_the_system(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    for action in (lambda: installed(Unit(system.python)), removed):
        with pytest.raises(ServiceError, match=r"only root may change .*sudo .*--user"):
            action()
    assert not system.units.exists()


def test_where_systemd_does_not_run(system: System) -> None:
    (system.folder / "booted").rmdir()
    with pytest.raises(
        ServiceError, match=r"systemd does not run here .*nothing was changed.*--ro"
    ):
        installed(Unit(system.python))
    assert not system.units.exists()


class TestUninstalling:
    def test_it_removes_what_was_written_and_says_what_stays(self, system: System) -> None:
        installed(Unit(system.python, Path("/etc/edge asc.toml")))
        (system.units / "edge-asc.service.d").mkdir()
        (system.folder / "state").mkdir()
        system.commands()
        assert removed() == [
            "ran systemctl disable --now edge-asc.service",
            f"removed {system.unit}",
            "ran systemctl daemon-reload",
            "left as it is: configuration /etc/edge asc.toml",
            f"left as it is: changes made by systemctl edit, {system.units}/edge-asc.service.d",
            f"left as it is: models {system.folder / 'state'}",
        ]
        assert [path.name for path in system.units.iterdir()] == ["edge-asc.service.d"]
        with pytest.raises(ServiceError, match=f"not installed: there is no {system.unit}"):
            removed()

    def test_the_usual_configuration_stays_too(self, system: System) -> None:
        config = system.folder / "etc/config.toml"
        config.parent.mkdir()
        config.touch()
        installed(Unit(system.python))
        assert removed()[-1] == f"left as it is: configuration {config}"

    def test_a_service_that_cannot_be_stopped_is_not_removed(self, system: System) -> None:
        installed(Unit(system.python))
        system.fails("disable", "Failed to connect to bus")
        with pytest.raises(ServiceError, match="Failed to connect to bus"):
            removed()
        assert system.unit.exists()

    def test_a_link_that_is_left_over(self, system: System) -> None:
        link = system.units / "multi-user.target.wants/edge-asc.service"
        link.parent.mkdir(parents=True)
        link.symlink_to(system.unit)
        assert removed() == [f"removed {link}", "ran systemctl daemon-reload"]
        assert system.commands() == ["systemctl daemon-reload"]

    def test_a_folder_that_is_read_only(
        self, system: System, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        installed(Unit(system.python))

        def refuse(_: Path) -> None:
            raise OSError(30, "Read-only file system")

        monkeypatch.setattr(Path, "unlink", refuse)
        with pytest.raises(ServiceError, match=r"cannot remove .*: Read-only file system"):
            removed()


class TestUserManager:
    USER = Place(user_manager=True)

    @pytest.fixture
    def home(self, system: System, monkeypatch: pytest.MonkeyPatch) -> Path:
        monkeypatch.setattr(os, "geteuid", lambda: 1000)
        monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
        monkeypatch.setenv("HOME", str(system.folder / "me"))
        return system.folder / "me"

    def test_a_service_of_the_session(self, system: System, home: Path) -> None:
        unit = home / ".config/systemd/user/edge-asc.service"
        said = installed(Unit(system.python, user_manager=True), self.USER)
        assert unit.exists()
        assert said[-1] == "ran systemctl --user restart edge-asc.service"
        assert system.commands()[0] == "systemctl --user daemon-reload"
        (system.folder / "no models here").mkdir()  # EDGE_ASC_MODEL_DIR in tests
        assert removed(self.USER)[-1] == f"left as it is: models {system.folder}/no models here"
        assert not unit.exists()

    def test_the_folder_may_be_elsewhere(self, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("XDG_CONFIG_HOME", "/etc/me")
        assert self.USER.unit == Path("/etc/me/systemd/user/edge-asc.service")
        assert self.USER.link.parent.name == "default.target.wants"
        monkeypatch.setenv("XDG_CONFIG_HOME", "relative")
        assert self.USER.unit == home / ".config/systemd/user/edge-asc.service"
        monkeypatch.setattr(os.path, "expanduser", lambda path: path)
        with pytest.raises(ServiceError, match="no home folder"):
            _ = self.USER.unit

    def test_not_for_root_by_accident(
        self, system: System, home: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(os, "geteuid", lambda: 0)
        monkeypatch.setenv("SUDO_USER", "pi")
        with pytest.raises(ServiceError, match="service of root, not of pi: leave out sudo"):
            installed(Unit(system.python, user_manager=True), self.USER)


class TestImage:
    @pytest.fixture
    def image(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
        """The tree of a system with an interpreter, seen by somebody who is not root."""
        monkeypatch.setenv("PATH", "/nowhere")  # nothing is run
        python = tmp_path / "image/opt/venv/bin/python"
        python.parent.mkdir(parents=True)
        python.touch()
        for path in (*(tmp_path / "image").rglob("*"), tmp_path / "image"):
            path.chmod(0o755)
        return Place(root=tmp_path / "image")

    PYTHON = Path("/opt/venv/bin/python")

    def test_the_tree_of_an_image(self, image: Place) -> None:
        said = installed(Unit(self.PYTHON), image)
        assert image.root is not None
        folder = image.root / "etc/systemd/system"
        link = folder / "multi-user.target.wants/edge-asc.service"
        # As `systemctl --root` links it: the path on the system that the tree will be.
        assert link.readlink() == Path("/etc/systemd/system/edge-asc.service")
        assert "ExecStart=/opt/venv/bin/python -m" in (folder / "edge-asc.service").read_text()
        assert said == [
            f"wrote {folder}/edge-asc.service",
            f"linked {link} to /etc/systemd/system/edge-asc.service",
        ]
        assert installed(Unit(self.PYTHON), image) == said
        assert [path.name for path in link.parent.iterdir()] == ["edge-asc.service"]
        (image.root / "var/lib/edge-asc").mkdir(parents=True)
        assert removed(image) == [
            f"removed {link}",
            f"removed {folder}/edge-asc.service",
            f"left as it is: models {image.root}/var/lib/edge-asc",
        ]

    def test_what_is_not_in_the_image_is_refused(self, image: Place) -> None:
        unit = Unit(self.PYTHON, Path("/etc/edge-asc.toml"))
        with pytest.raises(ServiceError, match=r"image/etc: No such file or directory"):
            installed(unit, image)
        with pytest.raises(ServiceError, match="--root must be the folder of a system's tree"):
            installed(unit, Place(root=Path("/nowhere")))

    def test_the_configuration_of_the_image_is_the_one_in_use(self, image: Place) -> None:
        assert image.root is not None
        assert config_in_use(Unit(self.PYTHON), image) is None
        path = Path("/etc/edge-asc/config.toml")
        image.here(path).parent.mkdir(parents=True)
        image.here(path).touch()
        assert config_in_use(Unit(self.PYTHON), image) == path
        assert config_in_use(Unit(self.PYTHON, Path("/a.toml")), image) == Path("/a.toml")


class TestReadable:
    @pytest.fixture
    def locked(self, system: System, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Unit]:
        """A unit whose interpreter lies in a folder that only its owner may enter."""
        monkeypatch.setattr(service, "barrier", barrier)
        system.python.unlink()
        system.python.touch(0o755)
        system.python.parent.chmod(0o700)

        def unit(**options: object) -> Unit:
            return Unit(system.python, **options)  # type: ignore[arg-type]

        return unit

    def test_a_program_that_its_own_user_cannot_read(self, locked: Callable[..., Unit]) -> None:
        with pytest.raises(ServiceError) as told:
            installed(locked())
        text = str(told.value)
        assert text.startswith("the service's own user could not read ")
        assert "has mode 700, owner " in text
        for way_out in ("-m venv /opt/edge-asc", "--run-as USER", "--user"):
            assert way_out in text

    def test_a_user_who_may_read_it(self, locked: Callable[..., Unit]) -> None:
        check_readable(locked(run_as="root"), SYSTEM)
        with pytest.raises(ServiceError, match="user 'nobody' could not read"):
            check_readable(locked(run_as="nobody"), SYSTEM)
        with pytest.raises(ServiceError, match="there is no user 'nobody at all'"):
            check_readable(locked(run_as="nobody at all"), SYSTEM)

    def test_a_service_of_the_user(
        self, locked: Callable[..., Unit], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        place = Place(user_manager=True)
        check_readable(locked(user_manager=True), place)  # as root
        monkeypatch.setattr(os, "geteuid", lambda: 60_000)
        monkeypatch.setattr(os, "getgroups", list)
        with pytest.raises(ServiceError, match="this user could not read"):
            check_readable(locked(user_manager=True), place)

    def test_a_configuration_that_is_not_there(self, system: System) -> None:
        config = system.folder / "x.toml"
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(service, "barrier", barrier)
            with pytest.raises(ServiceError, match=r"could not read .*x\.toml"):
                check_readable(Unit(Path("/bin/sh"), config, run_as="root"), SYSTEM)

    def test_folders_that_the_service_cannot_see(
        self, system: System, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(service, "_HIDDEN", (Path("/tmp"), Path("/var/tmp")))
        config = Path("/var/tmp/config.toml")
        with pytest.raises(
            ServiceError, match=r"could not see /var/tmp/config.toml: it has a /tmp"
        ):
            check_readable(Unit(Path("/bin/sh"), config), SYSTEM)
        check_readable(Unit(Path("/bin/sh"), config, user_manager=True), Place(user_manager=True))
