"""Whether the user that a service runs as can read what it needs."""

from __future__ import annotations

import grp
import importlib.util
import os
import pwd
import stat
import sys
from dataclasses import dataclass
from pathlib import Path

from edge_asc.errors import ServiceError

AUDIO_GROUP = "audio"

_MAX_LINKS = 40
"""As the kernel allows on one path: path_resolution(7)."""


@dataclass(frozen=True, slots=True)
class Account:
    """Who wants to read."""

    user_id: int | None = None
    """None for a user that owns nothing"""
    group_ids: frozenset[int] = frozenset()

    def may(self, found: os.stat_result, wanted: int) -> bool:
        """Whether the mode allows `wanted`, 4 to read or 1 to enter a folder: inode(7)."""
        if self.user_id == 0:
            return True
        if found.st_uid == self.user_id:
            return bool(found.st_mode >> 6 & wanted)
        if found.st_gid in self.group_ids:
            return bool(found.st_mode >> 3 & wanted)
        return bool(found.st_mode & wanted)


def account_of(user: str) -> Account:
    """The account of a user of this system. Raises ServiceError."""
    try:
        entry = pwd.getpwnam(user)
    except KeyError:
        raise ServiceError(
            f"there is no user {user!r} on this system; make one with"
            f" `useradd --system {user}`, or leave --run-as out: the service gets a user of its own"
        ) from None
    groups = os.getgrouplist(entry.pw_name, entry.pw_gid)
    return Account(entry.pw_uid, frozenset(groups))


def check_audio_group() -> None:
    """Raises ServiceError where no group may open sound cards: the service could not start."""
    try:
        grp.getgrnam(AUDIO_GROUP)
    except KeyError:
        raise ServiceError(
            f"there is no group {AUDIO_GROUP!r} on this system, which the service needs to open"
            " sound cards; make it with `groupadd --system audio`, or use --user"
        ) from None


def needed_files(python: Path) -> list[Path]:
    """What a service run by `python` reads first: of this interpreter also its packages."""
    if python != Path(sys.executable):
        return [python]
    numpy = importlib.util.find_spec("numpy")
    found = [os.__file__, __file__, numpy and numpy.origin]
    return [python, *(Path(name) for name in found if name)]


def barrier(
    path: Path, account: Account, root: Path = Path("/"), links_left: int = _MAX_LINKS
) -> str | None:
    """What keeps `account` from reading the file `path`, an absolute path below `root`.

    Links are followed as they will be when `root` is "/". None if nothing does.
    """
    for part in (*reversed(path.parents), path):
        place = root / part.relative_to("/")
        try:
            found = place.lstat()
        except OSError as error:
            return f"{place}: {error.strerror}"
        if stat.S_ISLNK(found.st_mode):
            if links_left == 0:
                return f"{place} is a link that leads nowhere"
            target = Path(os.path.normpath(part.parent / place.readlink()))
            return barrier(target / path.relative_to(part), account, root, links_left - 1)
        wanted = 1 if stat.S_ISDIR(found.st_mode) else 4
        if not account.may(found, wanted):
            return f"{place} has mode {stat.S_IMODE(found.st_mode):o}, owner {_owner(found)}"
    return None


def _owner(found: os.stat_result) -> str:
    try:
        return pwd.getpwuid(found.st_uid).pw_name
    except KeyError:
        return str(found.st_uid)
