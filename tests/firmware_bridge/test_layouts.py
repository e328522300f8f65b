"""Build files name the sources and definitions that they are given, and build."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from edge_asc.firmware_bridge.exporter import Options, export_package
from edge_asc.firmware_bridge.layouts import Build, layout_files
from edge_asc.model_file import default_model_path

PLAIN = Build("default", "1.2.3", ("asc.c", "asc_model.c"), (), hears=True)
NAMING = {
    "asc.mk": r"^ASC_SOURCES := asc\.c asc_model\.c$",
    "CMakeLists.txt": r"^    asc\.c\n    asc_model\.c$",
    "zephyr/CMakeLists.txt": r"^    \.\./asc\.c\n    \.\./asc_model\.c$",
}


@pytest.mark.parametrize("path", NAMING)
def test_sources_are_named(path: str) -> None:
    assert re.search(NAMING[path], layout_files(PLAIN)[path], re.MULTILINE)


@pytest.mark.parametrize(
    "path", ["asc.mk", "CMakeLists.txt", "zephyr/CMakeLists.txt", "library.json"]
)
def test_definitions_are_given_to_the_compiler(path: str) -> None:
    assert "ASC_KERNELS_DSP" not in layout_files(PLAIN)[path]
    with_dsp = replace(PLAIN, definitions=("ASC_KERNELS_DSP",))
    assert layout_files(with_dsp)[path].count("ASC_KERNELS_DSP") == 1


@pytest.mark.parametrize("definitions", [(), ("ASC_KERNELS_DSP",)])
def test_platformio_reads_the_library(definitions: tuple[str, ...]) -> None:
    library = json.loads(layout_files(replace(PLAIN, definitions=definitions))["library.json"])
    assert (library["name"], library["version"]) == ("edge-asc-model", "1.2.3")
    assert library["build"]["flags"] == [
        "-ffp-contract=off",
        *(f"-D{name}" for name in definitions),
    ]


def test_a_network_alone_has_another_header() -> None:
    words = layout_files(replace(PLAIN, hears=False))["library.properties"].splitlines()
    assert "includes=asc_model.h" in words
    assert "version=1.2.3" in words


def test_no_line_ends_in_a_space() -> None:
    lines = [line for text in layout_files(PLAIN).values() for line in text.split("\n")]
    assert [line for line in lines if line != line.rstrip()] == []


@pytest.mark.skipif(shutil.which("cmake") is None, reason="needs cmake")
def test_cmake_builds_the_shipped_model(tmp_path: Path) -> None:
    export_package(default_model_path(), tmp_path / "package", Options())
    (tmp_path / "main.c").write_text(
        '#include "asc_selftest.h"\n#include <stdlib.h>\n'
        "int main(void) { return asc_selftest(malloc(ASC_SELFTEST_MEMORY_BYTES)); }\n"
    )
    (tmp_path / "CMakeLists.txt").write_text(
        "cmake_minimum_required(VERSION 3.13)\nproject(firmware C)\nadd_subdirectory(package)\n"
        "add_executable(firmware main.c)\ntarget_link_libraries(firmware PRIVATE asc)\n"
    )
    build = tmp_path / "build"
    for arguments in ([f"-S{tmp_path}", f"-B{build}"], ["--build", str(build)]):
        done = subprocess.run(["cmake", *arguments], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
    assert subprocess.run([build / "firmware"], check=False).returncode == 0
