"""Published data sets, fetched from their publishers' own records.

Files, sizes and checksums are read from the record at the time of the download: what this program
could have written down about them would be outdated one day. Zenodo's record API answers
`https://zenodo.org/api/records/ID` with

    {"metadata": {"title": ..., "license": {"id": "cc-by-4.0"}},
     "files": [{"key": "a.zip", "size": 5, "checksum": "md5:...", "links": {"self": URL}}, ...]}
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge_asc.errors import DataError
from edge_asc.training.http_download import Patience, RemoteFile, fetch, in_units, read_json, say
from edge_asc.training.unpack import require_room, unpack

ZENODO = "https://zenodo.org"


@dataclass(frozen=True, slots=True)
class Package:
    """A part of a data set as its publisher offers it."""

    part: str
    title: str
    page: str
    """Where a person reads about it"""
    licence: str
    """As the publisher names it"""
    files: tuple[RemoteFile, ...]

    @property
    def size_bytes(self) -> int:
        """Bytes of all files together."""
        return sum(file.size_bytes for file in self.files)


# One commit of the challenge's repository: what it holds never changes. Git publishes no checksum
# that a download could be compared with, so the size alone is checked.
_CAS_COMMIT = "694eacb8e699fcab03341c85ae4b71d49862c02f"
_CAS_TABLE = "APSIPA2025_GC_ASC_dev_metadata.csv"
CAS_METADATA = Package(
    part="metadata",
    title="City, time and scene of the development clips (APSIPA ASC 2025 Grand Challenge)",
    page="https://github.com/JishengBai/APSIPA2025GC-ASC",
    licence="MIT",
    files=(
        RemoteFile(
            _CAS_TABLE,
            "https://raw.githubusercontent.com/JishengBai/APSIPA2025GC-ASC/"
            f"{_CAS_COMMIT}/metadata/{_CAS_TABLE}",
            size_bytes=581_698,
            md5=None,
        ),
    ),
)

CATALOGUE: dict[str, dict[str, int | Package]] = {
    "cas2023": {"development": 10616533, "evaluation": 10820626, "metadata": CAS_METADATA},
    "tau2020": {"development": 3819968},
    "cochlscene": {"all": 7080122},
}
"""Parts of each set: a record of Zenodo, or what its publisher offers elsewhere."""

RECORD_PATIENCE = Patience(attempts=4)


def find_packages(
    set_name: str,
    parts: Sequence[str] = (),
    *,
    base_url: str = ZENODO,
    patience: Patience = RECORD_PATIENCE,
) -> list[Package]:
    """Ask the publisher what `parts` of a set consist of; no part named: all of them.

    Args:
        set_name: a key of `CATALOGUE`.
        parts: keys of its entry.
        base_url: the server with Zenodo's record API.
        patience: with a bad connection.

    Raises:
        DataError: no such set or part, no connection, or a record that offers no files.
    """
    if set_name not in CATALOGUE:
        raise DataError(f"set must be one of {', '.join(CATALOGUE)}, got {set_name!r}")
    offered = CATALOGUE[set_name]
    if unknown := [part for part in parts if part not in offered]:
        raise DataError(f"parts of {set_name} are {', '.join(offered)}; got {unknown[0]!r}")
    packages = []
    for part in offered:
        if part in parts or not parts:
            source = offered[part]
            if isinstance(source, int):
                source = read_record(part, source, base_url, patience)
            packages.append(source)
    return packages


def read_record(part: str, record: int, base_url: str, patience: Patience) -> Package:
    """Read what a record of Zenodo offers. Raises DataError."""
    page = f"{base_url}/records/{record}"
    answer = read_json(f"{base_url}/api/records/{record}", patience)
    try:
        metadata = answer["metadata"]
        files = tuple(_read_file(entry) for entry in answer.get("files") or [])
        licence = (metadata.get("license") or {}).get("id") or "none stated"
        package = Package(part, str(metadata["title"]), page, str(licence), files)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise DataError(
            f"{page}: the record is not described as expected ({error!r}); download it in a browser"
        ) from error
    if not files:
        raise DataError(
            f"{page}: the record offers no files; its access may be restricted: see the page"
        )
    return package


def download(
    packages: Sequence[Package],
    folder: Path,
    *,
    extract: bool = True,
    patience: Patience | None = None,
) -> list[Path]:
    """Fetch all files of `packages` into `folder` and unpack the archives there.

    Whole files are verified and not fetched again, interrupted ones are gone on with. Archives are
    kept: they are what a later run verifies.

    Returns:
        what lies in `folder` now, topmost files and folders, sorted

    Raises:
        DataError: not enough room, no connection for too long, or other bytes than published.
    """
    files = [file for package in packages for file in package.files]
    _require_room_for(files, folder, extract)
    paths = [fetch(file, folder, patience or Patience()) for file in files]
    found = set(paths)
    for path in paths:
        if extract and path.suffix == ".zip":
            found.update(unpack(path, folder))
    return sorted(found)


def _read_file(entry: dict[str, Any]) -> RemoteFile:
    name, links = str(entry["key"]), entry["links"]
    kind, _, digest = str(entry["checksum"]).partition(":")
    if Path(name).name != name or name in ("", ".."):
        raise ValueError(f"{name!r} is no plain file name")
    if kind != "md5" or not re.fullmatch("[0-9a-f]{32}", digest):
        raise ValueError(f"the checksum of {name} is {entry['checksum']!r}, expected md5:...")
    # A record's own form has the content beside the file's description, the older form only one.
    return RemoteFile(name, str(links.get("content", links["self"])), int(entry["size"]), digest)


def _require_room_for(files: Sequence[RemoteFile], folder: Path, extract: bool) -> None:
    """Refuse to begin what the disk cannot hold; what is there already needs no room."""
    missing = unpacked = 0
    for file in files:
        path = folder / file.name
        if path.is_file() and path.stat().st_size == file.size_bytes:
            continue
        part = path.with_name(f"{file.name}.part")
        arrived = part.stat().st_size if part.is_file() else 0
        missing += max(0, file.size_bytes - arrived)
        # Sound hardly shrinks in an archive, so unpacked it takes at least as much again.
        unpacked += file.size_bytes if extract and re.search(r"\.z(ip|\d+)$", file.name) else 0
    if unpacked:
        say(f"to download {in_units(missing)}, and at least {in_units(unpacked)} unpacked")
    require_room(folder, missing + unpacked, "the download with what it unpacks to")
