"""Archives: whole, in volumes, damaged, hostile."""

from __future__ import annotations

import errno
import io
import shutil
import stat
import struct
import subprocess
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_asc.errors import DataError
from edge_asc.training.unpack import _Joined, _move_entry, require_room, unpack, volumes_of

FILES = {
    "set/Train/Bus/a.wav": np.random.default_rng(0).bytes(90_000),
    "set/Train/Bar/b.wav": np.random.default_rng(1).bytes(90_000),
    "set/Test/Bus/c.wav": np.random.default_rng(2).bytes(90_000),
    "set/empty.txt": b"",
    "README.md": b"# set\n" * 1_000,
}


def write_zip(path: Path, files: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as bundle:
        bundle.mkdir("set") if hasattr(bundle, "mkdir") else None
        for name, content in files.items():
            bundle.writestr(name, content)
    return path


def content_of(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    return write_zip(tmp_path / "set.zip", FILES)


def make_volumes(folder: Path, *options: str) -> Path:
    """What Info-ZIP makes of FILES in volumes of 64 KiB: the program that publishers use."""
    if shutil.which("zip") is None:
        pytest.skip("needs the zip program, which writes archives in volumes")
    source = folder / "source"
    for name, content in FILES.items():
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_bytes(content)
    command = ["zip", "-q", "-r", "-s", "64k", *options, str(folder / "set.zip"), "."]
    subprocess.run(command, cwd=source, check=True)
    return folder / "set.zip"


def test_an_archive_is_unpacked(archive, tmp_path, capsys):
    out = tmp_path / "out"
    assert unpack(archive, out) == [out / "README.md", out / "set"]
    assert content_of(out) == FILES
    assert archive.is_file()
    assert capsys.readouterr().err.splitlines()[-1] == "set.zip: 5 files unpacked, 0 were there"


def test_what_is_there_stays(archive, tmp_path, capsys):
    unpack(archive, tmp_path / "out")
    whole, cut = tmp_path / "out" / "README.md", tmp_path / "out" / "set" / "Test" / "Bus" / "c.wav"
    whole.write_bytes(b"y" * 6_000)
    cut.write_bytes(b"cut short")
    unpack(archive, tmp_path / "out")
    assert whole.read_bytes() == b"y" * 6_000
    assert cut.read_bytes() == FILES["set/Test/Bus/c.wav"]
    assert capsys.readouterr().err.splitlines()[-1] == "set.zip: 1 files unpacked, 4 were there"


@pytest.mark.parametrize("options", [(), ("-0",), ("-fz",), ("-z",)])
def test_volumes_are_unpacked(tmp_path, options, monkeypatch):
    """Compressed, stored, with 64-bit sizes, and with a comment at the end."""
    if options == ("-z",):
        monkeypatch.setattr(
            subprocess, "run", lambda *a, _run=subprocess.run, **k: _run(*a, input=b"hi\n", **k)
        )
    archive = make_volumes(tmp_path, *options)
    assert [path.name for path in volumes_of(archive)] == [
        *(f"set.z0{i}" for i in range(1, len(volumes_of(archive)))),
        "set.zip",
    ]
    assert len(volumes_of(archive)) >= 5  # 270 kB of noise
    out = tmp_path / "out"
    assert unpack(archive, out) == [out / "README.md", out / "set"]
    assert content_of(out) == FILES


def test_a_missing_volume_is_told(tmp_path):
    archive = make_volumes(tmp_path)
    (tmp_path / "set.z02").unlink()
    with pytest.raises(DataError, match=r"one of 5 volumes, but 4 lie here; download all"):
        unpack(archive, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_an_entry_of_more_than_four_gigabytes_is_moved():
    """Fields as in APPNOTE 4.3.12 and 4.5.3: a value of all ones stands in the extra field."""
    ones, stamp = 0xFFFFFFFF, struct.pack("<HHL", 0x5455, 4, 7)
    sizes = struct.pack("<HHQQQ", 1, 24, 6 << 30, 5 << 30, 300)
    fixed = struct.pack(
        "<4s6H3L5H2L", b"PK\1\2", 45, 45, 0, 8, 1, 2, 3, ones, ones, 5, 36, 4, 1, 0, 0, ones
    )
    old = b"before" + fixed + b"a.wav" + stamp + sizes + b"note"
    moved, end = _move_entry(old, len(b"before"), starts=[0, 7 << 30])
    assert end == len(old)
    length = len(moved)
    table_end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 1, 1, length, 0, 0)
    with zipfile.ZipFile(io.BytesIO(moved + table_end)) as bundle:
        (entry,) = bundle.infolist()
    assert (entry.filename, entry.comment, entry.CRC) == ("a.wav", b"note", 3)
    assert (entry.file_size, entry.compress_size) == (6 << 30, 5 << 30)
    assert entry.header_offset == (7 << 30) + 300
    assert entry.volume == 0
    assert entry.extra.endswith(stamp)


@given(
    volumes=st.lists(st.binary(max_size=7), min_size=1, max_size=5),
    reads=st.lists(st.tuples(st.integers(0, 20), st.integers(-1, 20)), max_size=6),
)
def test_joined_files_read_as_one(volumes, reads):
    joined = _Joined(
        [io.BytesIO(volume) for volume in volumes[:-1]], [len(v) for v in volumes[:-1]]
    )
    joined.append(volumes[-1])
    whole = io.BytesIO(b"".join(volumes))
    for place, size in reads:
        assert joined.seek(place) == whole.seek(place)
        assert joined.read(size) == whole.read(size)
        assert joined.tell() == whole.tell()
    assert joined.seek(0, io.SEEK_END) == whole.seek(0, io.SEEK_END)


@pytest.mark.parametrize(
    "name", ["../outside.wav", "/outside.wav", "set/../../outside.wav", "..\\outside.wav"]
)
def test_an_entry_that_leads_outside_is_refused(tmp_path, name):
    archive = write_zip(tmp_path / "bad.zip", {"set/a.wav": b"a", name: b"b"})
    with pytest.raises(DataError, match=r"outside the folder or is a link; nothing was unpacked"):
        unpack(archive, tmp_path / "in" / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["bad.zip"]


def test_a_link_is_refused(tmp_path):
    link = zipfile.ZipInfo("set/link")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "bad.zip", "w") as bundle:
        bundle.writestr(link, "/etc")
    with pytest.raises(DataError, match="is a link"):
        unpack(tmp_path / "bad.zip", tmp_path / "out")


def test_damage_is_found_and_leaves_no_half_file(archive, tmp_path):
    damaged = bytearray(archive.read_bytes())
    damaged[len(damaged) // 2] ^= 0xFF
    archive.write_bytes(damaged)
    with pytest.raises(DataError, match=r"set.zip: damaged, or no zip archive.*delete it"):
        unpack(archive, tmp_path / "out")
    for name, content in content_of(tmp_path / "out").items():
        assert content == FILES[name]


@pytest.mark.parametrize("content", [b"", b"no archive", b"PK\5\6" + b"\xff" * 18])
def test_what_is_no_archive_is_refused(tmp_path, content):
    (tmp_path / "set.zip").write_bytes(content)
    with pytest.raises(DataError, match="damaged, or no zip archive"):
        unpack(tmp_path / "set.zip", tmp_path / "out")
    (tmp_path / "set.z01").write_bytes(content)
    with pytest.raises(DataError, match=r"damaged, or no zip archive|volumes"):
        unpack(tmp_path / "set.zip", tmp_path / "out")


def test_too_little_room_is_told_before_anything_is_written(archive, tmp_path, monkeypatch):
    room = shutil.disk_usage(tmp_path)._replace(free=200_000)
    monkeypatch.setattr("shutil.disk_usage", lambda path: room)
    with pytest.raises(DataError, match=r"to unpack set.zip takes 276.0 kB, the disk has 200.0 kB"):
        unpack(archive, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    require_room(tmp_path / "not" / "there" / "yet", 200_000, "this")


def test_a_disk_that_fills_up_is_told(archive, tmp_path, monkeypatch):
    def fill(packed: object, out: object, size: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("shutil.copyfileobj", fill)
    with pytest.raises(DataError, match="the disk is full; make room and run the same command"):
        unpack(archive, tmp_path / "out")
    assert content_of(tmp_path / "out") == {}
