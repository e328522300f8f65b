"""Build files of an exported package: for make, CMake, Arduino, PlatformIO and Zephyr."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from string import Template

EXAMPLE = "example.c"

_ROUNDED = "-ffp-contract=off"
"""No fused operations, so that features are the same everywhere; -std=c99 says it, too"""


@dataclass(frozen=True, slots=True)
class Build:
    """What every build system must know of a package."""

    model: str
    """Its name, as in the manifest; one line"""
    version: str
    """Of edge-asc"""
    sources: Sequence[str]
    """Files to compile, the self-test besides"""
    definitions: Sequence[str]
    """Such as ASC_KERNELS_DSP"""
    hears: bool
    """Whether it takes sound; else it holds a network alone"""


def layout_files(build: Build) -> dict[str, str]:
    """The files, as text by their paths in the package."""
    words = {
        "model": build.model,
        "version": build.version,
        "sources": " ".join(build.sources),
        "cmake_sources": "\n".join(f"    {name}" for name in build.sources),
        "zephyr_sources": "\n".join(f"    ../{name}" for name in build.sources),
        "flags": " ".join(f"-D{name}" for name in build.definitions),
        "cmake_definitions": " ".join(build.definitions),
        "json_flags": ", ".join(
            f'"{flag}"' for flag in (_ROUNDED, *(f"-D{name}" for name in build.definitions))
        ),
        "rounded": _ROUNDED,
        "header": "asc.h" if build.hears else "asc_model.h",
    }
    files = {path: Template(text).substitute(words) for path, text in _FILES.items()}
    return {path: _without_trailing_spaces(text) for path, text in files.items()}


def _without_trailing_spaces(text: str) -> str:
    return "\n".join(line.rstrip() for line in text.split("\n"))


_FILES = {
    "asc.mk": """\
# include path/to/asc.mk, then link with $$(ASC_OBJECTS). CC and CFLAGS: as for all your firmware.
ASC_FOLDER := $$(dir $$(lastword $$(MAKEFILE_LIST)))
ASC_SOURCES := $sources
ASC_OBJECTS := $$(addprefix $$(ASC_FOLDER),$$(ASC_SOURCES:.c=.o))
ASC_CFLAGS := -std=c99 -O2 -ffunction-sections -fdata-sections $flags -I$$(ASC_FOLDER)

$$(ASC_OBJECTS): %.o: %.c
	$$(CC) $$(CFLAGS) $$(ASC_CFLAGS) -c -o $$@ $$<
""",
    "CMakeLists.txt": """\
# add_subdirectory(path/to/package), then target_link_libraries(your_firmware PRIVATE asc).
cmake_minimum_required(VERSION 3.13)
project(asc C)

add_library(asc STATIC
$cmake_sources
)
# Without extensions nothing is contracted to fused operations: features are the same everywhere.
set_target_properties(asc PROPERTIES C_STANDARD 99 C_STANDARD_REQUIRED ON C_EXTENSIONS OFF)
target_include_directories(asc PUBLIC $${CMAKE_CURRENT_SOURCE_DIR})
target_compile_definitions(asc PUBLIC $cmake_definitions)
""",
    "library.properties": """\
name=edge-asc-model
version=$version
author=edge-asc contributors
maintainer=edge-asc contributors
sentence=The acoustic scene model $model.
paragraph=Tells what kind of place a microphone hears, on the device.
category=Signal Input/Output
architectures=*
includes=$header
""",
    "library.json": """\
{
  "name": "edge-asc-model",
  "version": "$version",
  "description": "The acoustic scene model $model",
  "frameworks": "*",
  "platforms": "*",
  "build": {
    "srcDir": ".",
    "includeDir": ".",
    "srcFilter": ["+<*.c>", "-<example.c>"],
    "flags": [$json_flags]
  }
}
""",
    "zephyr/module.yml": """\
name: edge-asc-model
build:
  cmake: zephyr
  kconfig: zephyr/Kconfig
""",
    "zephyr/Kconfig": """\
config EDGE_ASC_MODEL
    bool "The acoustic scene model $model"
    help
      Tells what kind of place a microphone hears, on the device.
""",
    "zephyr/CMakeLists.txt": """\
if(CONFIG_EDGE_ASC_MODEL)
  zephyr_include_directories(..)
  zephyr_library()
  zephyr_library_sources(
$zephyr_sources
  )
  zephyr_library_compile_options($rounded)
  zephyr_compile_definitions($cmake_definitions)
endif()
""",
}

LISTENING_EXAMPLE = """\
/* Say which scene a microphone hears, once a second after the first window. */
#include <stdio.h>

#include "asc.h"

/* Yours: waits for sound and returns how many samples it put there, at most `room`. */
size_t microphone_read(int16_t *samples, size_t room);

static asc_t classifier;

int main(void) {
    int16_t samples[256];
    asc_result_t result;
    asc_init(&classifier);
    for (;;) {
        if (asc_process(&classifier, samples, microphone_read(samples, 256)) > 0) {
            asc_result(&classifier, &result);
            puts(asc_scene_names[result.scene]);
        }
    }
}
"""

NETWORK_EXAMPLE = """\
/* Run the network once: inputs into the arena, run, outputs from the arena. */
#include "asc_model.h"

static union {
    uint32_t alignment;
    int8_t bytes[ASC_NETWORK_ARENA_BYTES];
} arena;

int main(void) {
    /* Fill arena.bytes + ASC_NETWORK_..._OFFSET of each input: asc_model.h names them. */
    asc_network_run(arena.bytes);
    return 0;
}
"""
