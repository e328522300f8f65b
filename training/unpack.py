"""Zip archives into a folder, also those cut into volumes, and nothing outside the folder.

Large sets come as `set.z01`, `set.z02`, ..., `set.zip`: one archive cut into pieces, its table of
contents at the end of the last. Python's zipfile reads no such archive. Here the volumes are joined
to one virtual file, and the table of contents is written anew, in memory, for it:

    volumes      | set.z01     | set.z02     | set.zip ... old table |
    virtual file | ---------------- all their bytes ---------------- | new table |

An entry of the old table says "volume 1, byte 300", one of the new table "byte 65,836".
Source: PKWARE APPNOTE 6.3.10, sections 4.3.12 to 4.3.16, 4.5.3 and 8.
"""

from __future__ import annotations

import bisect
import io
import re
import shutil
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path, PurePosixPath
from typing import IO, cast

from edge_asc.errors import DataError
from edge_asc.training.http_download import Progress, full_disk, in_units, say

_END = struct.Struct("<4s4H2LH")
_END64 = struct.Struct("<4sQ2H2L4Q")
_LOCATOR64 = struct.Struct("<4sLQL")
_ENTRY = struct.Struct("<4s6H3L5H2L")
_LONG_ENTRY = struct.Struct("<HH3Q")
_MAX16, _MAX32 = 0xFFFF, 0xFFFFFFFF
_LONGEST_COMMENT = 0xFFFF
_ZIP64 = 1


def unpack(archive: Path, folder: Path) -> list[Path]:
    """Unpack `archive` (`.zip`, its volumes beside it) into `folder`; what is there stays.

    A file is there if it has its size: each appears whole or not at all.

    Returns:
        the topmost files and folders of the archive, sorted

    Raises:
        DataError: a damaged archive, a missing volume, an entry that would lie outside `folder`,
            or too little room.
    """
    try:
        with _open_archive(archive) as bundle:
            members = [member for member in bundle.infolist() if not member.is_dir()]
            targets = [_target(archive, member, folder) for member in members]
            missing = [
                (member, target)
                for member, target in zip(members, targets, strict=True)
                if not (target.is_file() and target.stat().st_size == member.file_size)
            ]
            total = sum(member.file_size for member, _ in missing)
            require_room(folder, total, f"to unpack {archive.name}")
            with Progress(f"unpacking {archive.name}", total) as progress:
                for member, target in missing:
                    _extract(bundle, member, target)
                    progress.add(member.file_size)
    except (zipfile.BadZipFile, zlib.error, EOFError, struct.error, NotImplementedError) as error:
        raise DataError(
            f"{archive}: damaged, or no zip archive ({error}); delete it and download it again"
        ) from error
    say(f"{archive.name}: {len(missing)} files unpacked, {len(members) - len(missing)} were there")
    return sorted({folder / target.relative_to(folder).parts[0] for target in targets})


def require_room(folder: Path, needed_bytes: int, what_for: str) -> None:
    """Raise DataError if the disk of `folder` has less than `needed_bytes` free."""
    existing = next(parent for parent in (folder, *folder.absolute().parents) if parent.is_dir())
    free = shutil.disk_usage(existing).free
    if needed_bytes > free:
        raise DataError(
            f"{folder}: {what_for} takes {in_units(needed_bytes)}, the disk has {in_units(free)}"
            " free; make room or name another folder"
        )


def volumes_of(archive: Path) -> list[Path]:
    """The volumes of `archive` that lie beside it, in their order, itself last."""
    pattern = re.compile(re.escape(archive.stem) + r"\.z(\d{2,})")
    numbered = [(pattern.fullmatch(path.name), path) for path in archive.parent.iterdir()]
    found = sorted((int(match[1]), path) for match, path in numbered if match)
    return [path for _, path in found] + [archive]


def _target(archive: Path, member: zipfile.ZipInfo, folder: Path) -> Path:
    inside = PurePosixPath(member.filename)
    is_link = stat.S_ISLNK(member.external_attr >> 16)
    if inside.is_absolute() or ".." in inside.parts or "\\" in member.filename or is_link:
        raise DataError(
            f"{archive}: the entry {member.filename!r} would lie outside the folder or is a link;"
            " nothing was unpacked: this is not the published archive"
        )
    return folder.joinpath(*inside.parts)


def _extract(bundle: zipfile.ZipFile, member: zipfile.ZipInfo, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f"{target.name}.part")
    try:
        with bundle.open(member) as packed, part.open("wb") as out:
            shutil.copyfileobj(packed, out, 1 << 20)
        part.replace(target)
    except OSError as error:
        raise full_disk(error, target, "run the same command again") from error
    finally:
        part.unlink(missing_ok=True)


@contextmanager
def _open_archive(archive: Path) -> Iterator[zipfile.ZipFile]:
    volumes = volumes_of(archive)
    if len(volumes) == 1:
        with zipfile.ZipFile(archive) as bundle:
            yield bundle
        return
    with ExitStack() as stack:
        files = [stack.enter_context(path.open("rb")) for path in volumes]
        joined = _Joined(files, [path.stat().st_size for path in volumes])
        joined.append(_table_for_joined(archive, joined))
        # A raw stream of its own is all that zipfile needs; its type asks for more.
        yield stack.enter_context(zipfile.ZipFile(cast(IO[bytes], joined)))


class _Joined(io.RawIOBase):
    """Several files, read as one."""

    def __init__(self, files: Sequence[IO[bytes]], sizes: Sequence[int]) -> None:
        self._files = list(files)
        self.starts = [sum(sizes[:i]) for i in range(len(sizes))]
        self.length = sum(sizes)
        self._position = 0

    def append(self, content: bytes) -> None:
        """Add `content` behind the last file."""
        self._files.append(io.BytesIO(content))
        self.starts.append(self.length)
        self.length += len(content)

    def seekable(self) -> bool:
        return True

    def readable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        origin = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self.length}[whence]
        if origin + offset < 0:
            raise OSError(f"cannot seek to {origin + offset}")
        self._position = origin + offset
        return self._position

    def read(self, size: int = -1) -> bytes:
        """Up to `size` bytes, fewer only at the end."""
        left = self.length - self._position if size < 0 else size
        pieces = []
        while left > 0 and self._position < self.length:
            index = bisect.bisect_right(self.starts, self._position) - 1
            file = self._files[index]
            file.seek(self._position - self.starts[index])
            piece = file.read(left)
            if not piece:  # The file has shrunk meanwhile.
                break
            pieces.append(piece)
            self._position += len(piece)
            left -= len(piece)
        return b"".join(pieces)


def _table_for_joined(archive: Path, joined: _Joined) -> bytes:
    """The table of contents, with places in the joined file, and its end records."""
    num_entries, volume, offset, size, last_volume = _find_table(joined)
    if last_volume != len(joined.starts) - 1:
        raise DataError(
            f"{archive}: one of {last_volume + 1} volumes, but {len(joined.starts)} lie here;"
            " download all of them"
        )
    joined.seek(joined.starts[volume] + offset)
    old, table, place = joined.read(size), bytearray(), 0
    for _ in range(num_entries):
        entry, place = _move_entry(old, place, joined.starts)
        table += entry
    start = joined.length
    end64 = _END64.pack(
        b"PK\6\6", _END64.size - 12, 45, 45, 0, 0, num_entries, num_entries, len(table), start
    )
    locator = _LOCATOR64.pack(b"PK\6\7", 0, start + len(table), 1)
    end = _END.pack(b"PK\5\6", 0, 0, _MAX16, _MAX16, _MAX32, _MAX32, 0)
    return bytes(table) + end64 + locator + end


def _find_table(joined: _Joined) -> tuple[int, int, int, int, int]:
    """Number of entries, the table's volume, offset there and size, and the last volume's index."""
    tail_start = max(0, joined.length - _END.size - _LOCATOR64.size - _LONGEST_COMMENT)
    joined.seek(tail_start)
    tail = joined.read()
    at = tail.rfind(b"PK\5\6")
    if at < 0:
        raise zipfile.BadZipFile("no end of central directory")
    _, last_volume, volume, _, num_entries, size, offset, _ = _END.unpack_from(tail, at)
    locator_at = at - _LOCATOR64.size
    if locator_at < 0 or tail[locator_at : locator_at + 4] != b"PK\6\7":
        return num_entries, volume, offset, size, last_volume
    _, end64_volume, end64_offset, _ = _LOCATOR64.unpack_from(tail, locator_at)
    if end64_volume >= len(joined.starts):
        raise zipfile.BadZipFile(f"its table lies in volume {end64_volume + 1}")
    joined.seek(joined.starts[end64_volume] + end64_offset)
    fields = _END64.unpack(joined.read(_END64.size))
    last_volume, volume, _, num_entries, size, offset = fields[4:]
    return num_entries, volume, offset, size, last_volume


def _move_entry(old: bytes, place: int, starts: Sequence[int]) -> tuple[bytes, int]:
    """The entry at `place` with its data's place in the joined file, and where the next one is."""
    fields = list(_ENTRY.unpack_from(old, place))
    name_size, extra_size, comment_size, volume = fields[10:14]
    name_at = place + _ENTRY.size
    extra_at = name_at + name_size
    comment_at = extra_at + extra_size
    end = comment_at + comment_size
    name, extra, comment = old[name_at:extra_at], old[extra_at:comment_at], old[comment_at:end]
    packed, unpacked, offset = fields[8], fields[9], fields[16]
    others = b""
    while len(extra) >= 4:
        kind, size = struct.unpack_from("<HH", extra)
        if kind == _ZIP64:
            values = iter(struct.unpack_from(f"<{size // 8}Q", extra, 4))
            # In this order, and only those that do not fit into their 32 bits.
            unpacked = next(values) if unpacked == _MAX32 else unpacked
            packed = next(values) if packed == _MAX32 else packed
            offset = next(values) if offset == _MAX32 else offset
        else:
            others += extra[: 4 + size]
        extra = extra[4 + size :]
    if volume >= len(starts):
        raise zipfile.BadZipFile(f"an entry lies in volume {volume + 1}")
    extra = _LONG_ENTRY.pack(_ZIP64, 24, unpacked, packed, starts[volume] + offset) + others
    fields[8:10], fields[16] = [_MAX32, _MAX32], _MAX32
    fields[11], fields[13] = len(extra), 0
    return _ENTRY.pack(*fields) + name + extra + comment, end
