"""Compiled networks on this computer: what their C gives, under a compiler's sanitizers."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np

from edge_asc.errors import FirmwareError
from edge_asc.firmware_bridge.codegen.compiler import CompiledNetwork, Place, write_model
from edge_asc.firmware_bridge.codegen.oracle import Int8

CSOURCE = Path(__file__).parents[1] / "csource"
"""C that is the same for every model"""

STRICT = ("-std=c99", "-Wall", "-Wextra", "-Wconversion", "-pedantic", "-Werror")
SANITIZERS = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all")
SANITIZED = ("-O1", "-g", *SANITIZERS)

_RUN_TIMEOUT_S = 600

_MAIN = """\
#include "asc_model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Vectors of inputs from stdin through the network that is named, outputs to stdout. The arena is
 * a block of the heap of its exact size, so that a sanitizer sees every step beyond it.
 */
{functions}
int main(int argc, char **argv) {{
    if (argc != 2) {{
        return 2;
    }}
{choices}
    return 2;
}}
"""

_FUNCTION = """\
static int {name}(void) {{
    int8_t *arena = malloc({arena_bytes});
    if (arena == NULL) {{
        return 3;
    }}
    for (;;) {{
        memset(arena, 85, {arena_bytes});
{reads}
        asc_{name}_run(arena);
{writes}
    }}
}}
"""


class HostModel:
    """Compiled networks as a program of this computer."""

    def __init__(
        self, networks: Sequence[CompiledNetwork], folder: Path, flags: Sequence[str] = SANITIZED
    ) -> None:
        """Write and compile it in `folder`. Raises FirmwareError without gcc, or if that fails."""
        self._networks = {network.name: network for network in networks}
        self._program = folder / "networks"
        folder.mkdir(parents=True, exist_ok=True)
        texts = write_model(networks) | {"main.c": _main(networks)}
        for name, text in texts.items():
            (folder / name).write_text(text)
        kernels = folder / "asc_kernels.o"
        kernels.write_bytes(_compiled_kernels(tuple(flags)))
        compile_c(
            [folder / "main.c", folder / "asc_model.c", kernels],
            self._program,
            [f"-I{folder}", f"-I{CSOURCE}", *flags],
        )

    def run(self, name: str, vectors: Sequence[Sequence[Int8]]) -> list[list[Int8]]:
        """Outputs for each vector of inputs, both in the network's order.

        Raises FirmwareError if the program ends badly, with what it or a sanitizer says.
        """
        outputs = self._networks[name].outputs
        done = subprocess.run(
            [self._program, name],
            input=b"".join(value.tobytes() for vector in vectors for value in vector),
            capture_output=True,
            timeout=_RUN_TIMEOUT_S,
            check=False,
        )
        size = sum(place.num_bytes for place in outputs)
        if done.returncode != 0 or len(done.stdout) != size * len(vectors):
            said = done.stderr.decode(errors="replace")[-2000:]
            raise FirmwareError(
                f"network {name!r} as C ended with {done.returncode} after {len(done.stdout)} of"
                f" {size * len(vectors)} bytes: {said}"
            )
        rows = np.frombuffer(done.stdout, np.int8).reshape(len(vectors), size)
        return [_split(row, outputs) for row in rows]


def _split(row: Int8, outputs: Sequence[Place]) -> list[Int8]:
    ends = np.cumsum([place.num_bytes for place in outputs])[:-1]
    parts = zip(np.split(row, ends), outputs, strict=True)
    return [part.reshape(place.shape) for part, place in parts]


@cache
def _compiled_kernels(flags: tuple[str, ...]) -> bytes:
    """The kernels' object file, which is the same for every model."""
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder) / "asc_kernels.o"
        compile_c([CSOURCE / "asc_kernels.c"], made, [*flags, "-c"])
        return made.read_bytes()


def compile_c(sources: Sequence[Path], program: Path, flags: Sequence[str]) -> None:
    """Compile with gcc, warnings as errors. Raises FirmwareError."""
    compiler = shutil.which("gcc")
    if compiler is None:
        raise FirmwareError("gcc is needed to try C on this computer: apt-get install gcc")
    command = [compiler, *STRICT, *flags, *map(str, sources), "-o", str(program)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise FirmwareError(f"gcc failed: {done.stderr[-3000:]}")


def _main(networks: Sequence[CompiledNetwork]) -> str:
    choices = "\n".join(
        f'    if (strcmp(argv[1], "{network.name}") == 0) {{\n'
        f"        return {network.name}();\n"
        "    }"
        for network in networks
    )
    return _MAIN.format(functions="\n".join(map(_function, networks)), choices=choices)


def _function(network: CompiledNetwork) -> str:
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
    return _FUNCTION.format(
        name=network.name, arena_bytes=network.arena_bytes, reads=reads, writes=writes
    )
