"""The configuration file as text."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from edge_asc import config_file
from edge_asc.config_file import default_places, find_config, parse_toml, read_config
from edge_asc.errors import ConfigError

EVERY_KIND = '''# A comment with [hear] and device = "x" in it
device = "above"  # line 2

"quoted key" = 1
[hear]

device = """
[count]
device = "not a key"
""" # line 7
'literal' = 2 # line 11
  [ count . "sub" ]
inline = { device = "b", deep.er = 1 } # line 13
[count]
list = [
  "device = 1", # comment ]
]
service.out = '/x' # line 18
[[many]]
device = 3
'''

LINES = {
    ("device",): 2,
    ("quoted key",): 4,
    ("hear",): 5,
    ("hear", "device"): 7,
    ("hear", "literal"): 11,
    ("count",): 12,
    ("count", "sub"): 12,
    ("count", "sub", "inline"): 13,
    ("count", "sub", "inline", "device"): 13,
    ("count", "sub", "inline", "deep"): 13,
    ("count", "sub", "inline", "deep", "er"): 13,
    ("count", "list"): 15,
    ("count", "service"): 18,
    ("count", "service", "out"): 18,
    ("many",): 19,
    ("many", "device"): 20,
}


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user's configuration folder; the system's is beside it."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(config_file, "SYSTEM_FILE", tmp_path / "etc" / "config.toml")
    for folder in (tmp_path / "home" / "edge-asc", tmp_path / "etc"):
        folder.mkdir(parents=True)
    return tmp_path / "home"


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_the_line_of_every_key(tmp_path: Path, newline: str, mark: bytes) -> None:
    path = tmp_path / "config.toml"
    path.write_bytes(mark + EVERY_KIND.replace("\n", newline).encode())
    file = read_config(path)
    assert file.lines == LINES
    assert file.table == parse_toml(EVERY_KIND)
    assert file.place("hear", "device") == f"{path}, line 7"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a = 1\nb = USB\n", ", line 2, column 5: not TOML: invalid value; write"),
        ("a = 1\n\na = 2\n", ", line 3, column 6: not TOML: cannot overwrite a value; write"),
        ('a = 1\nb = "x\n', ", line 2, column 7: not TOML: "),
        ('a = 1\nb = """x\n\n', ", line 2: not TOML: unterminated string; write"),
        ("a =\n", ", line 1, column 4: not TOML: invalid value; write"),
        ("a\n", ", line 1, column 2: not TOML: expected '=' after a key"),
        ("a = 1\nb = " + "[" * 5_000, ": not TOML: "),
    ],
)
def test_what_is_not_toml(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "config.toml"
    path.write_text(text)
    with pytest.raises(ConfigError) as raised:
        read_config(path)
    assert str(raised.value).startswith(f"{path}{said}")
    assert str(raised.value).endswith('text in quotes: device = "USB"')


def test_what_is_not_utf_8(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_bytes(b'# \xc3\xbc\ncity = "Xi\xb4an"\n')
    with pytest.raises(ConfigError) as raised:
        read_config(path)
    assert str(raised.value) == f"{path}, line 2: not UTF-8; save the file as UTF-8"


def test_the_first_place_that_is_there(home: Path) -> None:
    user, system = home / "edge-asc" / "config.toml", home.parent / "etc" / "config.toml"
    assert default_places() == [user, system]
    assert find_config(None) is None
    system.write_text("rate = 1\n")
    found = find_config(None)
    assert found is not None
    assert (found.path, found.table) == (system, {"rate": 1})
    user.write_text("rate = 2\n")
    found = find_config(None)
    assert found is not None
    assert (found.path, found.table) == (user, {"rate": 2})
    named = find_config(system)
    assert named is not None
    assert named.path == system


@pytest.mark.parametrize("folder", ["", "relative"])
def test_without_a_configuration_folder(
    home: Path, monkeypatch: pytest.MonkeyPatch, folder: str
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", folder)
    monkeypatch.setenv("HOME", str(home))
    assert default_places()[0] == home / ".config" / "edge-asc" / "config.toml"
    monkeypatch.setattr("os.path.expanduser", lambda path: path)  # nobody's home
    assert default_places() == [home.parent / "etc" / "config.toml"]


def test_a_file_that_was_named_must_be_there(home: Path) -> None:
    (home.parent / "etc" / "config.toml").write_text("rate = 1\n")
    for named in (home / "none.toml", home.parent / "etc" / "config.toml" / "below"):
        with pytest.raises(ConfigError, match="no such configuration file") as raised:
            find_config(named)
        assert str(raised.value).startswith(f"{named}: ")
        assert "`edge-asc config template` prints one" in str(raised.value)


def test_a_file_that_is_there_must_be_readable(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Root may read everything, so the refusal is played."""
    path = home / "edge-asc" / "config.toml"

    def refuse(_: Path) -> bytes:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(ConfigError) as raised:
        find_config(None)
    assert str(raised.value) == (
        f"{path}: the configuration file cannot be read (Permission denied);"
        " mend that, or name another with --config"
    )


def test_a_folder_is_no_file(home: Path) -> None:
    (home / "edge-asc" / "config.toml").mkdir()
    with pytest.raises(ConfigError, match="Is a directory"):
        find_config(None)
