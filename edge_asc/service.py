"""The systemd service: installed, updated, removed.

A service is one file, the unit, and the link that has it started at boot. systemctl makes that link
where systemd runs; below `Place.root`, the tree of an image, it is made here.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from edge_asc.atomic import atomic_path
from edge_asc.config_file import SYSTEM_FILE, default_places
from edge_asc.errors import ServiceError
from edge_asc.service_access import (
    Account,
    account_of,
    barrier,
    check_audio_group,
    needed_files,
)
from edge_asc.service_unit import CONFIG_MARK, MARK, STATE_FOLDER, UNIT_NAME, Unit, start_target
from edge_asc.update import model_folder

SYSTEM_UNITS = Path("/etc/systemd/system")
BOOTED = Path("/run/systemd/system")
"""There while systemd runs this system: sd_booted(3)."""

_HIDDEN = (Path("/tmp"), Path("/var/tmp"))
"""What PrivateTmp= replaces by folders of the service's own."""

_SYSTEMCTL_TIMEOUT_S = 300.0
"""systemd itself gives a service 90 s to start."""

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a unit is kept, and which service manager reads it."""

    user_manager: bool = False
    root: Path | None = None
    """The tree of an image that will be booted later; None for this system, now"""

    @property
    def folder(self) -> Path:
        """The folder of units as the system sees it. Raises ServiceError without a home."""
        if not self.user_manager:
            return SYSTEM_UNITS
        configured = os.environ.get("XDG_CONFIG_HOME", "")
        home = configured if os.path.isabs(configured) else os.path.expanduser("~/.config")
        if not os.path.isabs(home):
            raise ServiceError("this user has no home folder: a service of the user needs one")
        return Path(home) / "systemd" / "user"

    @property
    def unit(self) -> Path:
        """The unit's file, to be written or read now."""
        return self.here(self.folder / UNIT_NAME)

    @property
    def link(self) -> Path:
        """What has it started at boot, or when the user logs in."""
        wants = f"{start_target(self.user_manager)}.wants"
        return self.here(self.folder / wants / UNIT_NAME)

    @property
    def systemctl(self) -> list[str]:
        return ["systemctl", "--user"] if self.user_manager else ["systemctl"]

    def here(self, path: Path) -> Path:
        """Where a file of that system is now."""
        return path if self.root is None else self.root / path.relative_to("/")


def install(unit: Unit, place: Place, *, start: bool, say: Say) -> None:
    """Write `unit`, have it started at boot, and `start` it now, anew if it runs.

    `say` is told of every file written and command run. Raises ServiceError.
    """
    _check_may_change(place)
    check_readable(unit, place)
    if place.root is None and not unit.user_manager:
        check_audio_group()
    text = unit.text()
    _check_ours(place)
    try:
        with atomic_path(place.unit) as temporary:
            temporary.write_text(text, encoding="utf-8")
        say(f"wrote {place.unit}")
        if place.root is not None:
            _link(place, say)
    except OSError as error:
        raise ServiceError(f"cannot write {place.unit}: {error.strerror}") from error
    if place.root is not None:
        return
    _systemctl(place, "daemon-reload", say=say)
    _systemctl(place, "enable", UNIT_NAME, say=say)
    if start:
        _systemctl(place, "restart", UNIT_NAME, say=say)


def uninstall(place: Place, say: Say) -> None:
    """Stop the service and remove what `install` wrote; raises ServiceError if there is nothing.

    Configuration, models and changes made by `systemctl edit` stay; `say` tells where they are.
    """
    _check_may_change(place)
    if not any(os.path.lexists(path) for path in (place.unit, place.link)):
        raise ServiceError(f"the service is not installed: there is no {place.unit}")
    _check_ours(place)
    kept = _what_stays(place)
    if place.root is None and place.unit.exists():
        _systemctl(place, "disable", "--now", UNIT_NAME, say=say)
    for path in (place.link, place.unit):
        try:
            path.unlink()
        except FileNotFoundError:
            continue
        except OSError as error:
            raise ServiceError(f"cannot remove {path}: {error.strerror}") from error
        say(f"removed {path}")
    if place.root is None:
        _systemctl(place, "daemon-reload", say=say)
    for what in kept:
        say(f"left as it is: {what}")


def config_in_use(unit: Unit, place: Place) -> Path | None:
    """The configuration file that the service will read, None without one."""
    if unit.config is not None:
        return unit.config
    usual = default_places() if unit.user_manager else [SYSTEM_FILE]
    return next((path for path in usual if place.here(path).exists()), None)


def check_readable(unit: Unit, place: Place) -> None:
    """Raises ServiceError if the service could not read its program or its configuration."""
    files = needed_files(unit.python)
    if config := config_in_use(unit, place):
        files.append(config)
    if unit.user_manager:
        account = Account(os.geteuid(), frozenset(os.getgroups()))
    elif unit.run_as is None:
        account = Account()
    elif place.root is None:
        account = account_of(unit.run_as)
    else:
        account = Account(0)  # who that is in the image is not known here: all must exist at least
    for file in files:
        if not unit.user_manager and any(map(file.is_relative_to, _HIDDEN)):
            raise ServiceError(
                f"the service could not see {file}: it has a /tmp of its own. Use a file elsewhere,"
                " for instance below /opt or /etc"
            )
        if hindrance := barrier(file, account, place.root or Path("/")):
            raise ServiceError(_not_readable(file, hindrance, unit))


def _not_readable(file: Path, hindrance: str, unit: Unit) -> str:
    who = f"user {unit.run_as!r}" if unit.run_as else "the service's own user"
    if unit.user_manager:
        who = "this user"
    ways = [
        "install edge-asc where all may read (python3 -m venv /opt/edge-asc, docs/service.md)",
        "let it run as a user who may: --run-as USER",
        "or as a service of your own session: --user",
    ]
    advice = "; ".join(ways) if not unit.user_manager else ways[0]
    return f"{who} could not read {file}: {hindrance}. {advice[0].upper()}{advice[1:]}"


def _check_may_change(place: Place) -> None:
    root_user = os.geteuid() == 0
    if place.root is not None:
        if not place.root.is_dir():
            raise ServiceError(f"--root must be the folder of a system's tree, got {place.root}")
        return
    if not BOOTED.is_dir():
        raise ServiceError(
            f"systemd does not run here ({BOOTED} is missing): nothing was changed. --root / writes"
            " the service for the next boot, --root DIR into the tree of an image, --print shows it"
        )
    if not (root_user or place.user_manager):
        raise ServiceError(
            f"only root may change {SYSTEM_UNITS}: use sudo with the full path of edge-asc, or"
            " --user for a service of your own session"
        )
    if root_user and place.user_manager and "SUDO_USER" in os.environ:
        raise ServiceError(
            f"--user under sudo would be a service of root, not of {os.environ['SUDO_USER']}:"
            " leave out sudo"
        )


def _check_ours(place: Place) -> None:
    """Raises ServiceError for a unit of this name that somebody else wrote."""
    try:
        text = place.unit.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return
    except OSError as error:
        raise ServiceError(f"cannot read {place.unit}: {error.strerror}") from error
    if not text.startswith(MARK):
        raise ServiceError(
            f"{place.unit} was not written by `edge-asc service install`: remove or rename it first"
        )


def _link(place: Place, say: Say) -> None:
    """As `systemctl enable` would do on the system of this tree."""
    target = place.folder / UNIT_NAME
    place.link.parent.mkdir(parents=True, exist_ok=True)
    temporary = place.link.with_name(f".{UNIT_NAME}-{os.getpid()}")
    temporary.symlink_to(target)
    os.replace(temporary, place.link)
    say(f"linked {place.link} to {target}")


def _what_stays(place: Place) -> list[str]:
    stays = []
    if place.unit.exists():
        lines = place.unit.read_text(encoding="utf-8").splitlines()
        named = [line.removeprefix(CONFIG_MARK) for line in lines if line.startswith(CONFIG_MARK)]
        usual = [] if place.user_manager else [place.here(SYSTEM_FILE)]
        configs = named or [str(path) for path in usual if path.exists()]
        stays += [f"configuration {config}" for config in configs]
    changes = place.unit.with_name(f"{UNIT_NAME}.d")
    if changes.is_dir():
        stays.append(f"changes made by systemctl edit, {changes}")
    models = model_folder() if place.user_manager else place.here(STATE_FOLDER)
    if models is not None and os.path.lexists(models):
        stays.append(f"models {models}")
    return stays


def _systemctl(place: Place, *arguments: str, say: Say) -> None:
    command = [*place.systemctl, *arguments]
    line = " ".join(command)
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=_SYSTEMCTL_TIMEOUT_S, check=False
        )
    except FileNotFoundError:
        raise ServiceError("systemctl was not found, though systemd runs here") from None
    except subprocess.TimeoutExpired:
        raise ServiceError(
            f"`{line}` did not end within {_SYSTEMCTL_TIMEOUT_S:g} s; see edge-asc service status"
        ) from None
    if done.returncode != 0:
        said = " ".join(done.stderr.split()) or "it says nothing"
        raise ServiceError(
            f"`{line}` failed with exit code {done.returncode}: {said}. What was done before stays;"
            " edge-asc service status tells how it is"
        )
    say(f"ran {line}")
