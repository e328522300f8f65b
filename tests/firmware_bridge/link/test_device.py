"""The device's end in C: checks.c, and what compilers say of its sources."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from edge_asc.firmware_bridge.codegen.host import STRICT
from edge_asc.firmware_bridge.link import C_SOURCES, VERSION
from tests.firmware_bridge.link.conftest import compile_c

COMPILERS = {
    "gcc": ("gcc", "-O2"),
    "m3": ("arm-none-eabi-gcc", "-mcpu=cortex-m3", "-mthumb", "-O2"),
    "m55": ("arm-none-eabi-gcc", "-mcpu=cortex-m55", "-mfloat-abi=hard", "-mthumb", "-Os"),
}


def test_what_the_device_does_step_by_step(tmp_path: Path) -> None:
    program = compile_c(tmp_path, "checks.c")
    done = subprocess.run([program], capture_output=True, text=True)
    assert (done.stdout, done.stderr, done.returncode) == ("10 checks hold\n", "", 0)


@pytest.mark.parametrize("compiler", COMPILERS)
def test_compilers_have_nothing_to_say(compiler: str, tmp_path: Path) -> None:
    command = COMPILERS[compiler]
    if shutil.which(command[0]) is None:
        pytest.skip(f"needs {command[0]}")
    for source in sorted(C_SOURCES.glob("*.c")):
        objects = ("-c", source, "-o", tmp_path / "part.o")
        done = subprocess.run([*command, *STRICT, *objects], capture_output=True, text=True)
        assert (done.stderr, done.returncode) == ("", 0)


def test_arduino_takes_the_headers_as_cpp(tmp_path: Path) -> None:
    if shutil.which("g++") is None:
        pytest.skip("needs g++")
    sketch = tmp_path / "sketch.cpp"
    sketch.write_text('#include "asc_link.h"\nasc_link_t one;\nint main() { return one.wanted; }\n')
    flags = ("-std=c++11", "-Wall", "-Wextra", "-pedantic", "-Werror", f"-I{C_SOURCES}")
    subprocess.run(["g++", *flags, "-c", sketch, "-o", tmp_path / "sketch.o"], check=True)


def test_no_state_of_its_own_and_no_memory_from_others(tmp_path: Path) -> None:
    """Reentrant: nothing but code and constants; of the library only memcpy and memset."""
    if shutil.which("nm") is None or shutil.which("gcc") is None:
        pytest.skip("needs gcc and nm")
    undefined: set[str] = set()
    defined: set[str] = set()
    for source in sorted(C_SOURCES.glob("*.c")):
        part = tmp_path / f"{source.stem}.o"
        flags = ("-std=c99", "-O2", "-fno-pic", "-fno-stack-protector")
        subprocess.run(["gcc", *flags, "-c", source, "-o", part], check=True)
        told = subprocess.run(["nm", part], capture_output=True, text=True, check=True).stdout
        for *_, kind, name in map(str.split, told.splitlines()):
            assert kind in "tTrRU", f"{source.name} has {name} of kind {kind}"
            (undefined if kind == "U" else defined).add(name)
    assert undefined - defined <= {"memcpy", "memset"}


def test_both_ends_speak_the_same_version() -> None:
    header = (C_SOURCES / "asc_frame.h").read_text()
    assert f"#define ASC_LINK_VERSION {VERSION}u\n" in header


def test_the_hash_of_a_model_needs_no_package_of_the_link() -> None:
    """It is written into every package of firmware."""
    program = (
        "import sys; sys.modules['cobs'] = sys.modules['serial'] = None;"
        "from edge_asc.firmware_bridge.link.controls import model_hash"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
