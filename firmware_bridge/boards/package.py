"""An exported package as it lies on disk: its files, and whether they are as they were exported."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge_asc.atomic import atomic_path
from edge_asc.errors import FirmwareError
from edge_asc.firmware_bridge.layouts import EXAMPLE

MANIFEST = "manifest.json"


@dataclass(frozen=True, slots=True)
class Package:
    """A folder that `edge-asc firmware export` wrote."""

    folder: Path
    manifest: dict[str, Any]

    @property
    def hears(self) -> bool:
        """Whether it takes sound; else it is one network, of any .tflite file."""
        return "asc.h" in self.manifest["files"]

    @property
    def kernels(self) -> str:
        """Those that it was exported with: "portable" or "dsp"."""
        return str(self.manifest.get("kernels", "portable"))

    @property
    def front_end(self) -> str:
        """ "float" or "fixed"; "" for one network."""
        return str(self.manifest.get("front_end", ""))

    @property
    def sources(self) -> list[Path]:
        """C files of the model: not the example, whose main() is a program of its own."""
        names = (name for name in self.manifest["files"] if name.endswith(".c"))
        return [self.folder / name for name in sorted(names) if "/" not in name and name != EXAMPLE]

    @classmethod
    def read(cls, folder: Path) -> Package:
        """Raises FirmwareError: no package, or a file that was changed since it was exported."""
        path = folder / MANIFEST
        try:
            manifest = json.loads(path.read_text(encoding="utf-8"))
            files = dict(manifest["files"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise FirmwareError(
                f"{folder} is no exported package: {MANIFEST} cannot be read, or names no files"
                f" ({type(error).__name__}: {error}); make one with: edge-asc firmware export"
            ) from error
        for name, expected in files.items():
            _check_file(folder, name, expected)
        package = cls(folder, manifest)
        if not package.sources:
            raise FirmwareError(f"{path} names no C file; export the package again")
        return package

    def keep(self, measured: Mapping[str, Mapping[str, Any]]) -> None:
        """Write what was measured on boards into the manifest, beside what it has of others."""
        self.manifest["measured"] = {**self.manifest.get("measured", {}), **measured}
        with atomic_path(self.folder / MANIFEST) as temporary:
            temporary.write_text(json.dumps(self.manifest, indent=1) + "\n", encoding="utf-8")


def _check_file(folder: Path, name: str, expected: object) -> None:
    try:
        found = hashlib.sha256((folder / name).read_bytes()).hexdigest()
    except OSError as error:
        raise FirmwareError(
            f"{folder / name} is missing since the package was exported: {error}; export it again"
        ) from error
    if found != expected:
        raise FirmwareError(
            f"{folder / name} was changed since it was exported: its SHA-256 is {found[:12]}...,"
            f" {MANIFEST} says {str(expected)[:12]}...; export the package again"
        )
