"""The cross compiler, and programs for a board: found, compiled, linked, measured."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from edge_asc.errors import FirmwareError
from edge_asc.firmware_bridge.boards.board import Board
from edge_asc.firmware_bridge.codegen.host import SANITIZERS, STRICT

CSOURCE = Path(__file__).parent / "csource"
STACK_BYTES = 16 * 1024
"""What a program keeps free for its stack, unless told otherwise"""
COMPILE_LIMIT_S = 300

PACKAGES = {
    "arm-none-eabi-gcc": "gcc-arm-none-eabi",
    "arm-none-eabi-size": "binutils-arm-none-eabi",
    "nano.specs": "libnewlib-arm-none-eabi",
    "qemu-system-arm": "qemu-system-arm",
    "gcc": "gcc",
}
"""Tool -> the Debian package that has it"""

_FLASH_SECTIONS = (".text", ".rodata", ".ARM.exidx", ".data")
_RAM_SECTIONS = (".data", ".bss")
_OVERFLOW = re.compile(r"region `(FLASH|RAM|CONSTANTS)' overflowed by (\d+) bytes?")
_KERNEL_DEFINES: Mapping[str, tuple[str, ...]] = {"portable": (), "dsp": ("ASC_KERNELS_DSP",)}
KERNELS = tuple(_KERNEL_DEFINES)


@dataclass(frozen=True, slots=True)
class Footprint:
    """Memory that a linked program takes, without its stack."""

    flash_bytes: int
    """Code, constants and the first values of variables"""
    ram_bytes: int
    """Variables"""


@dataclass(frozen=True, slots=True)
class Program:
    """A linked program."""

    elf: Path
    footprint: Footprint


def missing_tools(*tools: str) -> list[str]:
    """Those of `tools` (all that boards need, if none is named) that are not on this machine."""
    wanted = tools or tuple(tool for tool in PACKAGES if tool != "gcc")
    return [tool for tool in wanted if not _is_here(tool)]


def require(*tools: str) -> None:
    """Raises FirmwareError that says what to install when one of `tools` is missing."""
    missing = missing_tools(*tools)
    if missing:
        packages = " ".join(dict.fromkeys(PACKAGES[tool] for tool in missing))
        raise FirmwareError(
            f"{', '.join(missing)} not found: needed to build for microcontrollers and to emulate"
            f" them; type: sudo apt-get install --no-install-recommends {packages},"
            " or in a checkout: make firmware-tools"
        )


def build(
    board: Board,
    sources: Sequence[Path],
    folder: Path,
    *,
    include: Sequence[Path] = (),
    defines: Sequence[str] = (),
    kernels: str = "portable",
    stack_bytes: int = STACK_BYTES,
    limited: bool = False,
) -> Program:
    """Compile `sources` and the start-up code for `board`; objects and the program go to `folder`.

    A program with a UART names csource/uart.c, too.
    `limited`: into the memory of the board's part, not of the emulated machine.

    Raises:
        FirmwareError: no toolchain, C that does not compile, kernels that the core cannot run, or
            a program too large, with its bytes and those allowed.
    """
    require("arm-none-eabi-gcc", "arm-none-eabi-size", "nano.specs")
    script, elf = folder / f"{board.name}.ld", folder / f"{board.name}.elf"
    script.write_text(linker_script(board, stack_bytes, limited=limited))
    own = [CSOURCE / name for name in ("startup.c", "port_board.c")]
    values = [
        *defines,
        f"ASC_BOARD_CLOCK_HZ={board.clock_hz}u",
        f"ASC_BOARD_UART={board.uart:#x}u",
        f"ASC_BOARD_UART_RECEIVE_INTERRUPT={board.uart_receive_interrupt}u",
        *_kernel_defines(board, kernels),
    ]
    command = ["arm-none-eabi-gcc", *board.flags, "-mthumb", *_common(values, [CSOURCE, *include])]
    objects = [_compile(command, source, folder) for source in (*own, *sources)]
    linked = _run(
        [
            *("arm-none-eabi-gcc", *board.flags, "-mthumb", "--specs=nano.specs", "-nostartfiles"),
            *("-Wl,--gc-sections", "-Wl,--no-warn-rwx-segments", "-T", str(script)),
            *(*map(str, objects), "-o", str(elf)),
        ]
    )
    if linked.returncode != 0:
        _refuse_overflow(board, script, linked.stderr, stack_bytes)
        raise FirmwareError(f"linking for {board.core} failed:\n{_tail(linked.stderr)}")
    return Program(elf, footprint(elf))


def build_for_host(
    sources: Sequence[Path],
    folder: Path,
    *,
    include: Sequence[Path] = (),
    defines: Sequence[str] = (),
) -> Path:
    """Compile and link `sources` for this computer, checked for bad addresses and undefined sums.

    Raises FirmwareError: no gcc, or C that does not compile.
    """
    require("gcc")
    command = ["gcc", "-g", *SANITIZERS, *_common(defines, [CSOURCE, *include])]
    objects = [_compile(command, source, folder) for source in (CSOURCE / "port_host.c", *sources)]
    program = folder / "host"
    linked = _run(["gcc", *SANITIZERS, *map(str, objects), "-o", str(program)])
    if linked.returncode != 0:
        raise FirmwareError(f"linking for this computer failed:\n{_tail(linked.stderr)}")
    return program


def linker_script(board: Board, stack_bytes: int, *, limited: bool = False) -> str:
    """Where everything lies; `limited` to the memory of the board's part."""
    flash, ram, constants = board.flash, board.ram, board.constants
    values = {
        "FLASH_ORIGIN": f"{flash.origin:#x}",
        "FLASH_BYTES": str(board.part.flash_bytes if limited else flash.size_bytes),
        "RAM_ORIGIN": f"{ram.origin:#x}",
        "RAM_BYTES": str(board.part.ram_bytes if limited else ram.size_bytes),
        "STACK_BYTES": str(stack_bytes),
        "CONSTANTS_REGION": "",
        "CONSTANTS_ALIAS": 'REGION_ALIAS("CONSTANTS", FLASH)',
    }
    if constants is not None and not limited:
        values["CONSTANTS_REGION"] = (
            f"CONSTANTS (r) : ORIGIN = {constants.origin:#x}, LENGTH = {constants.size_bytes}"
        )
        values["CONSTANTS_ALIAS"] = ""
    text = (CSOURCE / "board.ld.in").read_text()
    for name, value in values.items():
        text = text.replace(f"@{name}@", value)
    return text


def footprint(elf: Path) -> Footprint:
    """Flash and RAM of a linked program, by its sections."""
    told = _run(["arm-none-eabi-size", "-A", str(elf)])
    if told.returncode != 0:
        raise FirmwareError(f"{elf} cannot be measured: {_tail(told.stderr)}")
    sizes = {
        words[0]: int(words[1])
        for words in map(str.split, told.stdout.splitlines())
        if len(words) == 3 and words[0].startswith(".")
    }
    flash, ram = (
        sum(sizes.get(name, 0) for name in names) for names in (_FLASH_SECTIONS, _RAM_SECTIONS)
    )
    return Footprint(flash, ram)


def _is_here(tool: str) -> bool:
    if tool != "nano.specs":
        return shutil.which(tool) is not None
    if shutil.which("arm-none-eabi-gcc") is None:
        return False
    # gcc answers with the bare name of what it does not find.
    found = _run(["arm-none-eabi-gcc", "-print-file-name=nano.specs"]).stdout.strip()
    return found != "nano.specs"


def _kernel_defines(board: Board, kernels: str) -> tuple[str, ...]:
    if kernels not in _KERNEL_DEFINES:
        raise FirmwareError(f"kernels must be one of {', '.join(KERNELS)}, got {kernels!r}")
    if kernels == "dsp" and not board.has_dsp:
        raise FirmwareError(
            f"{board.core} has no DSP instructions, which the kernels 'dsp' need; use 'portable'"
        )
    return _KERNEL_DEFINES[kernels]


def _common(defines: Sequence[str], include: Sequence[Path]) -> list[str]:
    return [
        *STRICT,
        *("-O2", "-ffunction-sections", "-fdata-sections"),
        *(f"-D{define}" for define in defines),
        *(f"-I{path}" for path in include),
    ]


def _compile(command: Sequence[str], source: Path, folder: Path) -> Path:
    product = folder / f"{source.stem}.o"
    done = _run([*command, "-c", str(source), "-o", str(product)])
    if done.returncode != 0:
        raise FirmwareError(f"{source.name} does not compile ({command[0]}):\n{_tail(done.stderr)}")
    return product


def _refuse_overflow(board: Board, script: Path, said: str, stack_bytes: int) -> None:
    """Raises FirmwareError when the linker said that a region is too small."""
    over = {name: int(count) for name, count in _OVERFLOW.findall(said)}
    if not over:
        return
    text = script.read_text()
    lengths = dict(re.findall(r"^\s*(\w+) \(\w+\)\s*: ORIGIN = \w+, LENGTH = (\d+)", text, re.M))
    parts = []
    for region, count in over.items():
        allowed = int(lengths[region])
        kind = f"RAM (with {stack_bytes} of stack)" if region == "RAM" else region.lower()
        parts.append(f"{allowed + count} bytes of {kind}, {allowed} are allowed")
    raise FirmwareError(
        f"the program is too large for {board.core} ({board.part.example}): it needs"
        f" {'; and '.join(parts)}; choose a larger part (--flash-kb, --ram-kb) or a smaller model"
    )


def _run(command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=COMPILE_LIMIT_S)
    except subprocess.TimeoutExpired as error:
        raise FirmwareError(f"{command[0]} took more than {COMPILE_LIMIT_S} s: {error}") from error


def _tail(text: str, lines: int = 20) -> str:
    return "\n".join(text.strip().splitlines()[-lines:])
