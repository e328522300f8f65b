"""The device's end of the link, compiled for this machine with sanitizers."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from edge_asc.firmware_bridge.link import C_SOURCES

HERE = Path(__file__).parent

FLAGS = (
    *("-std=c99", "-D_POSIX_C_SOURCE=200809L", "-O1", "-g"),
    *("-Wall", "-Wextra", "-Wconversion", "-pedantic", "-Werror"),
    *("-fsanitize=address,undefined", "-fno-sanitize-recover=all"),
)


def compile_c(folder: Path, *names: str, link: Path = C_SOURCES) -> Path:
    """A program, in `folder`, of these files beside this one and those of the link."""
    if shutil.which("gcc") is None:
        pytest.skip("needs gcc")
    program = folder / Path(names[0]).stem
    sources = [*(HERE / name for name in names), *sorted(link.glob("*.c"))]
    subprocess.run(["gcc", *FLAGS, f"-I{link}", *sources, "-o", program], check=True)
    return program


class Harness:
    """Asks harness.c, line by line."""

    def __init__(self, program: Path) -> None:
        self._process = subprocess.Popen(
            [program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        )

    def _ask(self, line: str) -> str:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        assert answer.endswith("\n"), f"the harness ended: {self._process.wait(10)}"
        return answer[:-1]

    def encode(self, kind: int, sequence: int, payload: bytes) -> bytes:
        return bytes.fromhex(self._ask(f"e {kind} {sequence} {payload.hex() or '-'}"))

    def decode(self, line: bytes) -> tuple[list[tuple[int, int, int, bytes]], int]:
        """Version, type, sequence and payload of each frame, and how many pieces were none."""
        *frames, damaged = self._ask(f"d {line.hex() or '-'}").split(";")
        found = []
        for frame in frames:
            version, kind, sequence, payload = frame.split(" ")
            found.append((int(version), int(kind), int(sequence), bytes.fromhex(payload)))
        return found, int(damaged)

    def adpcm(self, start: tuple[int, int], samples: bytes) -> tuple[bytes, tuple[int, int]]:
        codes, predictor, index = self._ask(f"a {start[0]} {start[1]} {samples.hex()}").split(" ")
        return bytes.fromhex(codes), (int(predictor), int(index))

    def close(self) -> int:
        """Its exit code, after the end of what it is asked."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        return self._process.wait(10)


@pytest.fixture(scope="session")
def harness(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Harness]:
    opened = Harness(compile_c(tmp_path_factory.mktemp("harness"), "harness.c"))
    yield opened
    assert opened.close() == 0  # or a sanitizer had a word to say


@pytest.fixture(scope="session")
def vectors() -> dict[str, Any]:
    """What make_vectors.py made."""
    return json.loads((HERE / "vectors.json").read_text(encoding="utf-8"))
