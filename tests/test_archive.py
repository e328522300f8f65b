"""A model file's parts: what is written is read; hostile, damaged and odd zips are refused."""

from __future__ import annotations

import hashlib
import io
import struct
import tracemalloc
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_asc import archive
from edge_asc.archive import MAX_PART_BYTES, parse_json, read_file, read_parts, write_parts
from edge_asc.errors import ModelFileError

PARTS = {
    "whole.tflite": b"\x1c\0\0\0TFL3" + bytes(range(256)),
    "manifest.json": b'{"name": "a model"}' * 9,
    "encoder.tflite": b"encoder" * 30,
    "head.tflite": b"head" * 30,
    "golden.npz": b"golden" * 30,
    "signature.json": b"{}",
}
DATA = write_parts(PARTS)


def with_checksum(data: bytes) -> bytes:
    """`data` with a checksum that fits, as anybody can make one."""
    content = data[:-64]
    return content + hashlib.sha256(content).hexdigest().encode()


def zipped(*entries: tuple[str | zipfile.ZipInfo, bytes], method: int = 8) -> bytes:
    """A model file with these entries, by Python's own zip writer."""
    buffer = io.BytesIO()
    buffer.write(PARTS["whole.tflite"])
    with zipfile.ZipFile(buffer, "a", method) as file:
        for name, content in entries:
            file.writestr(name, content)
        file.comment = b"0" * 64
    return with_checksum(buffer.getvalue())


def in_directory(data: bytes, name: str, offset: int, value: bytes) -> bytes:
    """`data` with bytes of an entry's directory line replaced, and the checksum made to fit."""
    at = data.index(b"PK\1\2")
    while data[at + 46 : at + 46 + len(name)] != name.encode():
        at = data.index(b"PK\1\2", at + 1)
    return with_checksum(data[: at + offset] + value + data[at + offset + len(value) :])


def test_what_was_written_is_read_and_is_the_same_every_time() -> None:
    assert read_parts(DATA, "m") == PARTS
    assert list(read_parts(DATA, "m")) == list(PARTS)
    assert write_parts(dict(reversed(PARTS.items()))) == DATA


def test_pythons_own_zip_files_are_read_too() -> None:
    manifest = PARTS["manifest.json"]
    for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        parts = read_parts(zipped(("manifest.json", manifest), method=method), "m")
        assert parts["manifest.json"] == manifest


@given(at=st.integers(0, len(DATA) - 1), bit=st.integers(0, 7))
@settings(max_examples=300, deadline=None)
def test_a_changed_bit_is_refused(at: int, bit: int) -> None:
    changed = bytearray(DATA)
    changed[at] ^= 1 << bit
    with pytest.raises(ModelFileError):
        read_parts(bytes(changed), "m")


@pytest.mark.parametrize("kept", range(0, len(DATA), 13))
def test_a_truncated_file_is_refused(kept: int) -> None:
    with pytest.raises(ModelFileError, match=r"truncated|not a model file"):
        read_parts(DATA[:kept], "m")


edits = st.one_of(
    st.tuples(st.just("insert"), st.integers(0, len(DATA)), st.binary(min_size=1, max_size=40)),
    st.tuples(st.just("cut"), st.integers(0, len(DATA) - 1), st.integers(1, 400)),
    st.tuples(st.just("set"), st.integers(0, len(DATA) - 1), st.binary(min_size=1, max_size=8)),
)


def edited(data: bytes, edit: tuple[str, int, bytes | int]) -> bytes:
    kind, at, what = edit
    if isinstance(what, int):
        return data[:at] + data[at + what :]
    return data[:at] + what + data[at + (len(what) if kind == "set" else 0) :]


@given(edit=edits)
@settings(max_examples=400, deadline=None)
def test_any_edit_is_refused(edit: tuple[str, int, bytes | int]) -> None:
    changed = edited(DATA, edit)
    if changed != DATA:
        with pytest.raises(ModelFileError):
            read_parts(changed, "m")


@given(edit=edits)
@settings(max_examples=600, deadline=None)
def test_an_edit_with_a_new_checksum_raises_nothing_else(
    edit: tuple[str, int, bytes | int],
) -> None:
    changed = with_checksum(edited(DATA, edit))
    try:
        parts = read_parts(changed, "m")
    except ModelFileError:
        return
    # What passes is another whole file: nothing of it is unaccounted for.
    assert set(parts) <= set(PARTS)
    assert changed.startswith(parts["whole.tflite"])


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (PARTS["whole.tflite"], "without an edge-asc manifest at its end"),
        (b"RIFF" * 100, "does not begin as a TFLite file"),
        (b"", "does not begin as a TFLite file"),
        (DATA + b"more", "truncated, or was not made by"),
        (DATA[:-64] + b"0" * 64, "its checksum is not that of its content"),
        (zipped(("head.tflite", b"x")), r"holds no manifest\.json"),
        (zipped(), "the zip at its end is empty"),
        (zipped(("manifest.json", b"{}"), ("notes.txt", b"x")), r"that no model file has: 'notes"),
        (zipped(("../manifest.json", b"{}")), r"no model file has: '\.\./manifest\.json'"),
        (zipped(("/etc/passwd", b"{}")), "no model file has: '/etc/passwd'"),
        (zipped(("manifest.json/", b"")), "no model file has: 'manifest.json/'"),
        (zipped(("whole.tflite", b"x")), "no model file has: 'whole.tflite'"),
        (zipped(("manifest.jsön", b"x")), "no model file has"),
        (zipped(("manifest.json", b"{}"), method=zipfile.ZIP_BZIP2), "packed .* method 12"),
        (zipped(*((f"{n}", b"") for n in range(200))), "no model file has: '0'"),
        (in_directory(DATA, "head.tflite", 8, b"\1\0"), "packed in a way .flags 0x1,"),
        (in_directory(DATA, "head.tflite", 16, b"\0" * 4), "does not hold what its directory"),
        (in_directory(DATA, "head.tflite", 24, struct.pack("<L", 119)), "does not hold what its"),
        (in_directory(DATA, "head.tflite", 24, struct.pack("<L", 121)), "does not hold what its"),
        (in_directory(DATA, "head.tflite", 24, b"\xff" * 4), "holds 4294967295 bytes, at most 32"),
        (in_directory(DATA, "head.tflite", 20, b"\1\0\0\0"), "does not hold|follow each other"),
        (in_directory(DATA, "head.tflite", 42, b"\0" * 4), "do not follow each other"),
        (in_directory(DATA, "head.tflite", 42, b"\xff" * 4), "do not follow each other"),
        (in_directory(DATA, "head.tflite", 34, b"\1\0"), "its directory is cut off"),
        (in_directory(DATA, "head.tflite", 28, b"\xff\xff"), "its directory is cut off"),
    ],
)
def test_odd_files_are_refused(data: bytes, message: str) -> None:
    with pytest.raises(ModelFileError, match=message):
        read_parts(data, "m")


def test_a_name_that_comes_twice_is_refused() -> None:
    with pytest.warns(UserWarning, match="Duplicate name"):
        data = zipped(("manifest.json", b"{}"), ("manifest.json", b'{"name": "another"}'))
    with pytest.raises(ModelFileError, match=r"holds the part 'manifest\.json' twice"):
        read_parts(data, "m")


def test_an_entry_whose_own_header_names_another_is_refused() -> None:
    data = zipped(("manifest.json", b"{}"))
    at = data.index(b"manifest.json")
    with pytest.raises(ModelFileError, match=r"the entry of 'manifest\.json' is another one"):
        read_parts(with_checksum(data[:at] + b"signature" + data[at + 9 :]), "m")


@pytest.mark.parametrize(
    ("before", "message"), [(b"PK\3\4", "is another one"), (b"PK\1\2", "something lies between")]
)
def test_bytes_that_belong_to_no_part_are_refused(before: bytes, message: str) -> None:
    """A signature covers parts; what is none must not be there."""
    data, hidden = zipped(("manifest.json", b"{}"), ("head.tflite", b"x")), b"hidden"
    directory_at = data.index(b"PK\1\2")
    at = directory_at if before == b"PK\1\2" else data.rindex(before)
    end = len(data) - 64 - 22 + len(hidden)
    data = data[:at] + hidden + data[at:]
    data = data[: end + 16] + struct.pack("<L", directory_at + len(hidden)) + data[end + 20 :]
    with pytest.raises(ModelFileError, match=message):
        read_parts(with_checksum(data), "m")


def peak_bytes(call: Callable[[], object]) -> int:
    tracemalloc.start()
    try:
        call()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("declared", ["as it is", "as allowed", "small"])
def test_a_zip_bomb_is_refused_before_it_grows(declared: str) -> None:
    """A manifest of 200 MB in 0.2 MB, whatever size its directory says."""
    squeezer = zlib.compressobj(9, wbits=-15)
    zeros = bytes(1_000_000)
    raw = b"".join(squeezer.compress(zeros) for _ in range(200)) + squeezer.flush()
    name, size = (
        b"manifest.json",
        {"as it is": 200_000_000, "as allowed": 10**6, "small": 10}[declared],
    )
    whole = PARTS["whole.tflite"]
    header = struct.pack("<5H3L2H", 20, 0, 8, 0, 0, 0, len(raw), size, len(name), 0)
    local = b"PK\3\4" + header + name + raw
    central = b"PK\1\2" + struct.pack("<H", 20) + header + struct.pack("<3H2L", 0, 0, 0, 0, 256 + 8)
    central += name
    end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 1, 1, len(central), len(whole + local), 64)
    data = with_checksum(whole + local + central + end + b"0" * 64)
    assert len(data) < archive.MAX_FILE_BYTES

    def read() -> None:
        message = "says it holds" if declared == "as it is" else "does not hold what its directory"
        with pytest.raises(ModelFileError, match=message):
            read_parts(data, "m")

    assert peak_bytes(read) < 2 * MAX_PART_BYTES["manifest.json"] + 3 * len(data)


def test_a_file_is_read_no_further_than_allowed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "m.tflite"
    with path.open("wb") as file:
        file.truncate(10**12)

    def read() -> None:
        with pytest.raises(ModelFileError, match="too large for a model file: more than 32 MB"):
            read_file(path)

    assert peak_bytes(read) < 10**8
    monkeypatch.setattr(archive, "MAX_FILE_BYTES", len(DATA) - 1)
    with pytest.raises(ModelFileError, match="too large"):
        read_parts(DATA, "m")


def test_files_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match=r"no model file at .*nothing\.tflite"):
        read_file(tmp_path / "nothing.tflite")
    with pytest.raises(ModelFileError, match=r"cannot read the model file .*: Is a directory"):
        read_file(tmp_path)


def test_json_of_bounded_depth() -> None:
    deep: dict[str, object] = {"a": 1}
    for _ in range(archive.MAX_JSON_DEPTH - 2):
        deep = {"a": deep}
    assert parse_json(str(deep).replace("'", '"').encode(), "m", "its manifest") == deep


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "its manifest is not JSON"),
        (b"\xff\xfe", "its manifest is not JSON"),
        (b'{"a": ' * 20 + b"1" + b"}" * 20, "nested more than 16 levels deep"),
        (b"[" * 900_000, "its manifest is not JSON .*recursion"),
        (b'{"a":' * 150_000, "its manifest is not JSON .*recursion"),
        (b'{"a": 1' + b"0" * 500_000 + b"}", "its manifest is not JSON .*digits"),
        (b"[1, 2]", "its manifest is not a JSON object"),
        (b'{"a": ["\\u001b[2J"]}', "holds control characters"),
        (b'{"\\u0007": 1}', "holds control characters"),
        (b'{"a": "\\ud800"}', "holds control characters"),
    ],
)
def test_odd_json_is_refused(content: bytes, message: str) -> None:
    with pytest.raises(ModelFileError, match=message):
        parse_json(content, "m", "its manifest")
