import re
from pathlib import Path

import pytest

from edge_asc.errors import FirmwareError
from edge_asc.firmware_bridge.boards import toolchain
from edge_asc.firmware_bridge.boards.board import board_named

PROGRAMS = Path(__file__).parent / "programs"


def test_a_missing_toolchain_says_what_to_install(only_tools, tmp_path):
    only_tools()
    with pytest.raises(FirmwareError) as caught:
        toolchain.build(board_named("m4"), [PROGRAMS / "ends.c"], tmp_path)
    assert str(caught.value) == (
        "arm-none-eabi-gcc, arm-none-eabi-size, nano.specs not found: needed to build for"
        " microcontrollers and to emulate them; type: sudo apt-get install --no-install-recommends"
        " gcc-arm-none-eabi binutils-arm-none-eabi libnewlib-arm-none-eabi, or in a checkout:"
        " make firmware-tools"
    )


@pytest.mark.usefixtures("boards_are_here")
def test_what_is_here_is_not_missing(only_tools):
    only_tools("arm-none-eabi-gcc", "arm-none-eabi-size")
    assert toolchain.missing_tools() == ["qemu-system-arm"]


@pytest.mark.usefixtures("boards_are_here")
def test_flash_and_ram_are_counted_by_sections(tmp_path):
    source = tmp_path / "sized.c"
    program = "int main(void) { return table[changed] + (int)zeros[changed]; }\n"
    tables = (
        "static const int table[1000] = {1};\n"
        "static volatile int changed = 3;\n"
        "static volatile char zeros[5000];\n"
    )
    sizes = []
    for text in (tables, tables.replace("1000", "2000").replace("5000", "9000")):
        source.write_text(text + program)
        sizes.append(toolchain.build(board_named("m4"), [source], tmp_path).footprint)
    assert sizes[1].flash_bytes - sizes[0].flash_bytes == 1000 * 4
    assert sizes[1].ram_bytes - sizes[0].ram_bytes == 4000
    assert 9004 <= sizes[1].ram_bytes < 9032  # with the clock's counter, and alignment


@pytest.mark.usefixtures("boards_are_here")
@pytest.mark.parametrize("name", ["m3", "m55"])
def test_a_program_too_large_for_the_part_is_refused_with_its_bytes(tmp_path, name):
    source = tmp_path / "large.c"
    source.write_text(
        "static const int table[9000] = {1};\nstatic volatile char zeros[30000];\n"
        "static volatile int at;\nint main(void) { return table[at] + (int)zeros[at]; }\n"
    )
    fits = toolchain.build(board_named(name), [source], tmp_path).footprint
    small = board_named(name).with_part(flash_bytes=36_000, ram_bytes=30_000)
    with pytest.raises(FirmwareError) as caught:
        toolchain.build(small, [source], tmp_path, stack_bytes=2048, limited=True)
    found = re.search(
        r"needs (\d+) bytes of flash, 36000 are allowed; and (\d+) bytes of RAM \(with 2048 of"
        r" stack\), 30000 are allowed; choose a larger part",
        str(caught.value),
    )
    assert found is not None
    # The linker aligns what begins a region.
    assert 0 <= int(found[1]) - fits.flash_bytes < 8
    assert 0 <= int(found[2]) - fits.ram_bytes - 2048 < 8
    assert "--flash-kb" in str(caught.value)


@pytest.mark.usefixtures("boards_are_here")
def test_kernels_that_a_core_cannot_run_are_refused(tmp_path):
    with pytest.raises(FirmwareError, match="Cortex-M3 has no DSP instructions"):
        toolchain.build(board_named("m3"), [PROGRAMS / "ends.c"], tmp_path, kernels="dsp")
    with pytest.raises(FirmwareError, match="must be one of portable, dsp, got 'fast'"):
        toolchain.build(board_named("m3"), [PROGRAMS / "ends.c"], tmp_path, kernels="fast")


@pytest.mark.usefixtures("boards_are_here")
@pytest.mark.parametrize(
    ("kernels", "expected"), [("portable", "#ifdef"), ("dsp", "#ifndef")], ids=["portable", "dsp"]
)
def test_kernels_are_chosen_by_a_define(tmp_path, kernels, expected):
    source = tmp_path / "kernels.c"
    source.write_text(
        f"{expected} ASC_KERNELS_DSP\n#error other\n#endif\nint main(void) {{ return 0; }}\n"
    )
    toolchain.build(board_named("m4"), [source], tmp_path, kernels=kernels)


@pytest.mark.usefixtures("boards_are_here")
def test_c_that_warns_is_refused_with_the_compilers_words(tmp_path):
    source = tmp_path / "careless.c"
    source.write_text("int main(void) { signed char a = 1; long b = 300; a = b; return a; }\n")
    with pytest.raises(
        FirmwareError, match=r"careless\.c does not compile(?s:.*)-Wconversion|conversion"
    ):
        toolchain.build(board_named("m7"), [source], tmp_path)


@pytest.mark.usefixtures("boards_are_here")
def test_what_does_not_link_is_told(tmp_path):
    source = tmp_path / "lonely.c"
    source.write_text("int elsewhere(void);\nint main(void) { return elsewhere(); }\n")
    with pytest.raises(FirmwareError, match=r"linking for Cortex-M4 failed(?s:.*)elsewhere"):
        toolchain.build(board_named("m4"), [source], tmp_path)
