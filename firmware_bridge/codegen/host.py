"""Compiled networks on this computer: what their C gives, under a compiler's sanitizers."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from edge_asc.errors import FirmwareError
from edge_asc.firmware_bridge.codegen.compiler import CompiledNetwork, write_model
from edge_asc.firmware_bridge.codegen.oracle import Int8

CSOURCE = Path(__file__).parents[1] / "csource"
"""C that is the same for every model"""

STRICT = ("-std=c99", "-Wall", "-Wextra", "-Wconversion", "-pedantic", "-Werror")
SANITIZED = ("-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")

_RUN_TIMEOUT_S = 600

_MAIN = """\
#include "asc_model.h"

#include <stdio.h>
#include <stdlib.h>

/* Vectors of inputs from stdin, outputs to stdout. The arena is a block of the heap of its exact
 * size, so that a sanitizer sees every step beyond it.
 */
int main(void)
{{
    int8_t *arena = malloc({arena_bytes});
    if (arena == NULL) {{
        return 2;
    }}
    for (;;) {{
{reads}
        asc_{name}_run(arena);
{writes}
    }}
}}
"""


class HostNetwork:
    """One compiled network as a program of this computer."""

    def __init__(
        self, network: CompiledNetwork, folder: Path, flags: Sequence[str] = SANITIZED
    ) -> None:
        """Write and compile it in `folder`. Raises FirmwareError without gcc, or if that fails."""
        self._network = network
        self._program = folder / f"{network.name}_{network.arithmetic}"
        folder.mkdir(parents=True, exist_ok=True)
        texts = write_model([network]) | {"main.c": _main(network)}
        for name, text in texts.items():
            (folder / name).write_text(text)
        compile_c(
            [folder / "main.c", folder / "asc_model.c", CSOURCE / "asc_kernels.c"],
            self._program,
            [f"-I{folder}", f"-I{CSOURCE}", *flags],
        )

    def run(self, vectors: Sequence[Sequence[Int8]]) -> list[list[Int8]]:
        """Outputs for each vector of inputs, both in the network's order.

        Raises FirmwareError if the program ends badly, with what it or a sanitizer says.
        """
        sent = b"".join(value.tobytes() for vector in vectors for value in vector)
        done = subprocess.run(
            [self._program], input=sent, capture_output=True, timeout=_RUN_TIMEOUT_S, check=False
        )
        size = sum(place.num_bytes for place in self._network.outputs)
        if done.returncode != 0 or len(done.stdout) != size * len(vectors):
            said = done.stderr.decode(errors="replace")[-2000:]
            raise FirmwareError(
                f"network {self._network.name!r} as C ended with {done.returncode} after"
                f" {len(done.stdout)} of {size * len(vectors)} bytes: {said}"
            )
        return [self._split(row) for row in np.frombuffer(done.stdout, np.int8).reshape(-1, size)]

    def _split(self, row: Int8) -> list[Int8]:
        ends = np.cumsum([place.num_bytes for place in self._network.outputs])[:-1]
        return [
            part.reshape(place.shape)
            for part, place in zip(np.split(row, ends), self._network.outputs, strict=True)
        ]


def compile_c(sources: Sequence[Path], program: Path, flags: Sequence[str]) -> None:
    """Compile with gcc, warnings as errors. Raises FirmwareError."""
    compiler = shutil.which("gcc")
    if compiler is None:
        raise FirmwareError("gcc is needed to try C on this computer: apt-get install gcc")
    command = [compiler, *STRICT, *flags, *map(str, sources), "-o", str(program)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise FirmwareError(f"gcc failed: {done.stderr[-3000:]}")


def _main(network: CompiledNetwork) -> str:
    reads = "\n".join(
        f"        if (fread(arena + {place.offset}, 1, {place.num_bytes}, stdin)"
        f" != {place.num_bytes}) {{\n"
        "            free(arena);\n"
        "            return 0;\n"
        "        }"
        for place in network.inputs
    )
    writes = "\n".join(
        f"        fwrite(arena + {place.offset}, 1, {place.num_bytes}, stdout);"
        for place in network.outputs
    )
    return _MAIN.format(
        name=network.name, arena_bytes=network.arena_bytes, reads=reads, writes=writes
    )
