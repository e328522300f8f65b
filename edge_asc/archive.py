"""The parts of a model file: a flatbuffer with a zip behind it, read as strictly as it is written.

    | whole-window network | zip: manifest.json, encoder.tflite, ... | sha256 |
    ^ a TFLite flatbuffer    ^ `python -m zipfile -l FILE` lists it    ^ the zip's comment

A file may come from anywhere, so nothing in it is believed: the zip must be plain (stored or
deflated, no gaps, no second directory), its names known, its sizes within limits before a byte is
inflated. Whatever is wrong, `ModelFileError` says so.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge_asc.errors import ModelFileError

WHOLE = "whole.tflite"
"""The flatbuffer before the zip; a name among the parts, not one in the zip"""

_MEGABYTE = 1_000_000
MAX_FILE_BYTES = 32 * _MEGABYTE
MAX_PART_BYTES = {
    "manifest.json": _MEGABYTE,
    "encoder.tflite": 32 * _MEGABYTE,
    "head.tflite": 32 * _MEGABYTE,
    "golden.npz": 16 * _MEGABYTE,
    "signature.json": 10_000,
}
"""What may be in the zip, in the order it is written, and how large; a model has about 1 MB."""

MAX_JSON_DEPTH = 16

_TFLITE_MARK = b"TFL3"  # at bytes 4..7 of every TFLite flatbuffer
_DIGEST_LENGTH = 64
_ENTRY_DATE = (1980, 1, 1, 0, 0, 0)  # the same model gives the same bytes, whenever it is written

# https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT, 4.3.7, 4.3.12 and 4.3.16
_LOCAL = struct.Struct("<4s5H3L2H")
_CENTRAL = struct.Struct("<4s6H3L5H2L")
_END = struct.Struct("<4s4H2LH")
_HARMLESS_FLAGS = 0x0806  # how hard deflate tried; names in UTF-8
_SHOWN_NAME = 40
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
"""What a terminal would obey or UTF-8 cannot write; tabs and line ends pass"""


def sha256(data: bytes) -> str:
    """In hex."""
    return hashlib.sha256(data).hexdigest()


def read_file(path: Path) -> bytes:
    """The bytes of a model file. Raises ModelFileError for none, one too large, one unreadable."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_FILE_BYTES + 1)
    except FileNotFoundError:
        raise ModelFileError(f"no model file at {path}") from None
    except OSError as error:
        raise ModelFileError(f"cannot read the model file {path}: {error.strerror}") from error
    _check_file_size(data, str(path))
    return data


def read_parts(data: bytes, source: str) -> dict[str, bytes]:
    """Every part of a model file by its name, `WHOLE` first; `source` names it in errors.

    The checksum at the end is verified. Raises ModelFileError.
    """
    _check_file_size(data, source)
    if data[4:8] != _TFLITE_MARK:
        raise ModelFileError(
            f"{source} is not a model file: it does not begin as a TFLite file does"
        )
    end = data[-_END.size - _DIGEST_LENGTH : -_DIGEST_LENGTH]
    if end[:4] != b"PK\5\6" or end[-2:] != struct.pack("<H", _DIGEST_LENGTH):
        raise ModelFileError(
            f"{source} is a TFLite file without an edge-asc manifest at its end: it is truncated,"
            " or was not made by `edge-asc export`"
        )
    if sha256(data[:-_DIGEST_LENGTH]).encode() != data[-_DIGEST_LENGTH:]:
        raise ModelFileError(
            f"{source} is damaged or truncated: its checksum is not that of its content; copy it"
            " again"
        )
    parts, whole_size = read_zip(data, source, MAX_PART_BYTES.get, _DIGEST_LENGTH)
    if "manifest.json" not in parts:
        raise ModelFileError(
            f"{source} holds no manifest.json; only files made by `edge-asc export` can be used"
        )
    return {WHOLE: data[:whole_size], **parts}


def write_parts(parts: Mapping[str, bytes]) -> bytes:
    """The model file of these parts; the same parts give the same bytes."""
    buffer = io.BytesIO()
    buffer.write(parts[WHOLE])
    with zipfile.ZipFile(buffer, "a", zipfile.ZIP_DEFLATED) as archive:
        for name in MAX_PART_BYTES:
            if name in parts:
                entry = zipfile.ZipInfo(name, _ENTRY_DATE)
                archive.writestr(entry, parts[name], zipfile.ZIP_DEFLATED, compresslevel=9)
        archive.comment = b"0" * _DIGEST_LENGTH
    content = buffer.getvalue()[:-_DIGEST_LENGTH]
    return content + sha256(content).encode()


def read_zip(
    data: bytes, source: str, max_bytes: Callable[[str], int | None], comment_bytes: int
) -> tuple[dict[str, bytes], int]:
    """The entries of the zip that `data` ends with, and where in `data` that zip begins.

    `max_bytes` gives the most that an entry of a name may hold, None for a name that must not be
    there. Never inflates more than that. Raises ModelFileError, naming `source`.
    """
    entries: dict[str, bytes] = {}
    begins_at = None
    for entry, raw in _raw_entries(data, source, comment_bytes):
        if begins_at is None:
            begins_at = entry.begins_at
        shown = f"{entry.name[:_SHOWN_NAME]!r}"
        allowed = max_bytes(entry.name)
        if allowed is None:
            raise ModelFileError(f"{source} holds a part that no model file has: {shown}")
        if entry.name in entries:
            raise ModelFileError(f"{source} holds the part {shown} twice")
        if entry.size > allowed:
            raise ModelFileError(
                f"{source}: its part {shown} says it holds {entry.size} bytes, at most {allowed}"
                " are allowed"
            )
        entries[entry.name] = _content(entry, raw, source)
    if begins_at is None:
        raise ModelFileError(f"{source}: the zip at its end is empty")
    return entries, begins_at


def parse_json(content: bytes, source: str, part: str) -> dict[str, Any]:
    """A JSON object of bounded depth without control characters. Raises ModelFileError."""
    try:
        values = json.loads(content.decode())
    except (ValueError, RecursionError) as error:
        raise ModelFileError(f"{source}: {part} is not JSON ({error}); export it again") from error
    if not isinstance(values, dict):
        raise ModelFileError(f"{source}: {part} is not a JSON object; export it again")
    if fault := _json_fault(values):
        raise ModelFileError(f"{source}: {part} {fault}; export it again")
    return values


def _json_fault(values: dict[str, Any]) -> str | None:
    """Nesting that only serves to exhaust its reader, or text that a terminal would obey."""
    level: list[Any] = [values]
    for _ in range(MAX_JSON_DEPTH):
        texts = [value for value in level if isinstance(value, str)]
        texts += [key for value in level if isinstance(value, dict) for key in value]
        for text in texts:
            if _CONTROL.search(text):
                return f"holds control characters: {text[:_SHOWN_NAME]!r}"
        level = [item for value in level for item in _items(value)]
        if not level:
            return None
    return f"is nested more than {MAX_JSON_DEPTH} levels deep"


def _items(value: Any) -> Iterator[Any]:  # noqa: ANN401
    if isinstance(value, dict):
        yield from value.values()
    elif isinstance(value, list):
        yield from value


@dataclass(frozen=True, slots=True)
class _Entry:
    """One line of the zip's directory."""

    name: str
    method: int
    crc: int
    size: int
    compressed_size: int
    begins_at: int


def _raw_entries(data: bytes, source: str, comment_bytes: int) -> Iterator[tuple[_Entry, bytes]]:
    """Each entry with its bytes as they lie in the zip, which follow each other without a gap."""
    entries, directory_at = _directory(data, source, comment_bytes)
    expected_at = entries[0].begins_at if entries else directory_at
    for entry in entries:
        name_at = entry.begins_at + _LOCAL.size
        if entry.begins_at != expected_at or name_at > directory_at:
            raise _not_ours(source, "its entries do not follow each other")
        mark, _, _, method, *_, name_size, extra_size = _LOCAL.unpack_from(data, entry.begins_at)
        name = _decode(data[name_at : name_at + name_size])
        if (mark, method, name) != (b"PK\3\4", entry.method, entry.name):
            raise _not_ours(source, f"the entry of {entry.name[:_SHOWN_NAME]!r} is another one")
        raw_at = name_at + name_size + extra_size
        expected_at = raw_at + entry.compressed_size
        if expected_at > directory_at:
            raise _not_ours(source, "an entry reaches into the directory")
        yield entry, data[raw_at:expected_at]
    if expected_at != directory_at:
        raise _not_ours(source, "something lies between its last entry and its directory")


def _directory(data: bytes, source: str, comment_bytes: int) -> tuple[list[_Entry], int]:
    """The zip's directory, and where it begins."""
    end_at = len(data) - _END.size - comment_bytes
    if end_at < 0:
        raise _not_ours(source, "it is too short")
    mark, disk, first_disk, count, total, size, directory_at, comment = _END.unpack_from(
        data, end_at
    )
    if (mark, disk, first_disk, comment) != (b"PK\5\6", 0, 0, comment_bytes) or count != total:
        raise _not_ours(source, "it has no end record of one file")
    if directory_at + size != end_at:
        raise _not_ours(source, "its directory does not lie before its end record")
    entries = []
    at = directory_at
    for _ in range(count):
        if at + _CENTRAL.size > end_at:
            raise _not_ours(source, "its directory is cut off")
        (mark, _, _, flags, method, _, _, crc, compressed_size, entry_size, *rest) = (
            _CENTRAL.unpack_from(data, at)
        )
        name_size, extra_size, comment_size, disk, _, _, begins_at = rest
        name_at = at + _CENTRAL.size
        at = name_at + name_size + extra_size + comment_size
        if mark != b"PK\1\2" or disk != 0 or at > end_at:
            raise _not_ours(source, "its directory is cut off")
        if flags & ~_HARMLESS_FLAGS or method not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise _not_ours(source, f"it is packed in a way (flags {flags:#x}, method {method})")
        name = _decode(data[name_at : name_at + name_size])
        entries.append(_Entry(name, method, crc, entry_size, compressed_size, begins_at))
    if at != end_at:
        raise _not_ours(source, "its directory has more than its entries")
    return entries, directory_at


def _decode(name: bytes) -> str:
    """An entry's name; every one that is known is ASCII."""
    return name.decode("ascii", "backslashreplace")


def _content(entry: _Entry, raw: bytes, source: str) -> bytes:
    """`raw` inflated, which must give as many bytes as the entry says, and no more are made."""
    content, is_whole = raw, True
    if entry.method == zipfile.ZIP_DEFLATED:
        inflater = zlib.decompressobj(-zlib.MAX_WBITS)
        try:
            content = inflater.decompress(raw, entry.size + 1)
        except zlib.error as error:
            raise _not_ours(source, f"its part {entry.name!r} cannot be inflated") from error
        is_whole = inflater.eof and not inflater.unused_data
    if not is_whole or len(content) != entry.size or zlib.crc32(content) != entry.crc:
        raise _not_ours(source, f"its part {entry.name!r} does not hold what its directory says")
    return content


def _not_ours(source: str, fault: str) -> ModelFileError:
    return ModelFileError(
        f"{source}: its zip is not as edge-asc writes it: {fault}; export the model again"
    )


def _check_file_size(data: bytes, source: str) -> None:
    if len(data) > MAX_FILE_BYTES:
        raise ModelFileError(
            f"{source} is too large for a model file: more than {MAX_FILE_BYTES / _MEGABYTE:g} MB"
        )
