"""Who may read what: modes, links, trees of images."""

from __future__ import annotations

import getpass
import os
import pwd
import sys
from pathlib import Path

import numpy as np
import pytest

import edge_asc
from edge_asc.errors import ServiceError
from edge_asc.service_access import (
    Account,
    account_of,
    barrier,
    check_audio_group,
    needed_files,
)

NOBODY = Account()


def unknown(name: object) -> None:
    """What pwd and grp do for a user or group that is not there."""
    raise KeyError(name)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A tree of its own, whose root all may enter: the folders above it are not looked at."""
    root = tmp_path / "image"
    (root / "opt/venv/bin").mkdir(parents=True)
    (root / "usr/bin").mkdir(parents=True)
    (root / "usr/bin/python3").touch(0o755)
    for folder in (root, *root.rglob("*")):
        folder.chmod(0o755)
    return root


def test_what_all_may_read(tree: Path) -> None:
    assert barrier(Path("/usr/bin/python3"), NOBODY, tree) is None


@pytest.mark.parametrize("part", ["usr", "usr/bin", "usr/bin/python3"])
def test_the_first_part_that_may_not_be_read_is_named(tree: Path, part: str) -> None:
    (tree / part).chmod(0o750)
    found = barrier(Path("/usr/bin/python3"), NOBODY, tree)
    assert found == f"{tree / part} has mode 750, owner {getpass.getuser()}"


def test_a_folder_must_be_entered_not_read(tree: Path) -> None:
    (tree / "usr").chmod(0o711)
    (tree / "usr/bin/python3").chmod(0o704)
    assert barrier(Path("/usr/bin/python3"), NOBODY, tree) is None
    (tree / "usr").chmod(0o744)
    assert "has mode 744" in str(barrier(Path("/usr/bin/python3"), NOBODY, tree))


def test_links_are_followed_within_the_tree(tree: Path) -> None:
    (tree / "opt/venv/bin/python").symlink_to("/usr/bin/python3")
    (tree / "opt/current").symlink_to("venv")
    (tree / "opt/venv/bin/python3").symlink_to("../../../usr/bin/python3")
    for name in ("venv/bin/python", "current/bin/python", "current/bin/python3"):
        assert barrier(Path("/opt") / name, NOBODY, tree) is None
    (tree / "usr/bin").chmod(0o700)
    for name in ("venv/bin/python", "current/bin/python", "current/bin/python3"):
        assert str(tree / "usr/bin") in str(barrier(Path("/opt") / name, NOBODY, tree))


def test_links_that_lead_nowhere(tree: Path) -> None:
    (tree / "opt/loop").symlink_to("loop")
    assert "a link that leads nowhere" in str(barrier(Path("/opt/loop"), NOBODY, tree))
    (tree / "opt/gone").symlink_to("/opt/away")
    expected = f"{tree / 'opt/away'}: No such file or directory"
    assert barrier(Path("/opt/gone"), NOBODY, tree) == expected


def test_a_group_that_may_read(tree: Path) -> None:
    path = Path("/usr/bin/python3")
    (tree / "usr/bin/python3").chmod(0o040)
    found = (tree / "usr/bin/python3").stat()
    other = found.st_uid + 1
    assert barrier(path, Account(other, frozenset({found.st_gid})), tree) is None
    assert barrier(path, Account(other, frozenset({found.st_gid + 1})), tree) is not None


def test_the_owner_is_judged_by_the_owners_bits() -> None:
    found = os.stat_result((0o100044, 0, 0, 1, 1000, 1000, 0, 0, 0, 0))
    assert not Account(1000, frozenset({1000})).may(found, 4)
    assert not Account(1001, frozenset({1001})).may(found, 1)
    assert Account(1001, frozenset({1000})).may(found, 4)
    assert Account(0).may(found, 4)


def test_an_owner_without_a_name(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pwd, "getpwuid", unknown)
    (tree / "usr").chmod(0o700)
    found = barrier(Path("/usr/bin/python3"), NOBODY, tree)
    assert found == f"{tree / 'usr'} has mode 700, owner {os.getuid()}"


def test_what_a_service_reads() -> None:
    python = Path(sys.executable)
    found = needed_files(python)
    assert found[0] == python
    assert Path(os.__file__) in found
    assert Path(str(np.__file__)) in found
    assert Path(str(edge_asc.__file__)).parent in {path.parent for path in found}
    assert needed_files(Path("/opt/venv/bin/python")) == [Path("/opt/venv/bin/python")]


def test_accounts() -> None:
    entry = pwd.getpwuid(os.getuid())
    account = account_of(entry.pw_name)
    assert account.user_id == os.getuid()
    assert entry.pw_gid in account.group_ids
    with pytest.raises(ServiceError, match=r"no user 'no such user' .*useradd"):
        account_of("no such user")


def test_a_system_without_the_audio_group(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("grp.getgrnam", lambda name: name)
    check_audio_group()
    monkeypatch.setattr("grp.getgrnam", unknown)
    with pytest.raises(ServiceError, match="groupadd --system audio"):
        check_audio_group()
