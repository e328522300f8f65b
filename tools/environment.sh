#!/usr/bin/env bash
# Make a virtual environment and say what goes into it.
#
#   tools/environment.sh demo    .venv/demo: the runtime alone, as `pip install edge-asc` gives it
#   tools/environment.sh dev     .venv/dev: everything, at the versions of constraints.txt
#   tools/environment.sh converter
#                                .venv/converter: onnx2tf for Python 3.12 alone, at the versions of
#                                constraints-converter.txt; see docs/toolchains.md
#   tools/environment.sh peers   .venv/peers: what `edge-asc bench peers` compares with, beside numpy 2, at the versions of
#                                constraints-peers.txt; see docs/peers.md
#   tools/environment.sh emulator
#                                no environment, but the system packages of an emulated Raspberry Pi: QEMU, mmdebstrap
#                                and a C compiler; see docs/aarch64.md
#   tools/environment.sh firmware
#                                no environment, but the system packages of microcontrollers: Arm's cross compiler with its
#                                C library, QEMU for whole boards and a C compiler; see docs/firmware.md
#
# Missing system packages are installed with apt-get by root or by sudo without a password; anyone else
# is shown the command.
set -euo pipefail
cd "$(dirname "$0")/.."

say() { printf 'edge-asc: %s\n' "$*" >&2; }
die() { say "$@"; exit 1; }

# A Python of at least 3.10 and at most 3.14, of these names; it is run, because a version manager's name may not work.
find_python() {
    local name
    for name in "$@"; do
        if "$name" -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 14))' 2>/dev/null; then
            command -v "$name"
            return
        fi
    done
    return 1
}

# Returns 1, with the command to type, when nobody may install.
apt_install() {
    local become=()
    if [ "$(id -u)" -ne 0 ]; then become=(sudo -n); fi
    if ! command -v apt-get >/dev/null; then
        say "needs the system packages $*; install them with this system's package manager"
        return 1
    fi
    if ! "${become[@]}" true 2>/dev/null; then
        say "needs system packages; please type: sudo apt-get install --no-install-recommends $*"
        return 1
    fi
    say "installing the system packages $* with apt-get"
    "${become[@]}" apt-get update -qq >/dev/null
    "${become[@]}" env DEBIAN_FRONTEND=noninteractive \
        apt-get install -y -qq --no-install-recommends "$@" >/dev/null
}

can_make_venv() { "$1" -c 'import ensurepip, venv' 2>/dev/null; }

has_portaudio() {
    "$1" -c 'import sys; from ctypes.util import find_library; sys.exit(not find_library("portaudio"))'
}

# Without PortAudio the runtime works, but no microphone does; without venv nothing goes on.
system_packages() {
    local python=$1 packages=()
    can_make_venv "$python" || packages+=("$("$python" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')")
    has_portaudio "$python" || packages+=(libportaudio2)
    [ ${#packages[@]} -gt 0 ] || return 0
    if ! apt_install "${packages[@]}"; then
        can_make_venv "$python" || die "cannot go on without ${packages[0]}"
        say "going on without PortAudio: files can be played, microphones cannot be heard"
    fi
}

make_demo() {
    local python
    python=$(find_python "${PYTHON:-python3.11}" python3 python3.13 python3.12 python3.10 python3.14) ||
        die "needs Python 3.10 to 3.14, found $(python3 -V 2>&1); name one: make demo PYTHON=/path/to/python3.11"
    "$python" -c 'import sys; sys.exit(sys.maxsize < 2**32)' ||
        die "$python is 32-bit, for which LiteRT has no wheel: see '32-bit systems' in docs/install.md"
    system_packages "$python"
    say "making .venv/demo with $("$python" -V): edge-asc, LiteRT, numpy, soxr, soundfile, sounddevice, click"
    say "(40 MB to download, 170 MB on disk; no torch, no tensorflow)"
    [ -x .venv/demo/bin/python ] || "$python" -m venv .venv/demo
    rm -rf build
    .venv/demo/bin/python -m pip install --quiet --disable-pip-version-check .
}

make_dev() {
    local python
    python=$(find_python "${PYTHON:-python3.11}") || python=none
    "$python" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null ||
        die "the versions of constraints.txt need Python 3.11, found ${PYTHON:-no python3.11};" \
            "on Debian 12: sudo apt-get install python3.11-venv; else name one: make test PYTHON=/path/to/python3.11"
    system_packages "$python"
    say "making .venv/dev with $("$python" -V): torch, tensorflow, onnx2tf and the tools, at the versions of constraints.txt"
    say "(4 GB on disk with a CPU torch, more with the CUDA build that pip takes on x86-64; minutes)"
    [ -x .venv/dev/bin/python ] || "$python" -m venv .venv/dev
    .venv/dev/bin/python -m pip install --quiet --disable-pip-version-check \
        --constraint constraints.txt --editable '.[train,export,sign,web,metrics,live,mqtt,plot,serial,tflite-runtime,dev]'
    .venv/dev/bin/python tools/cpu_torchaudio.py
}

make_converter() {
    local python
    python=$(find_python "${PYTHON:-python3.12}") || python=none
    "$python" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 12))' 2>/dev/null ||
        die "the versions of constraints-converter.txt need Python 3.12, found ${PYTHON:-no python3.12};" \
            "name one: make converter CONVERTER_PYTHON=/path/to/python3.12"
    can_make_venv "$python" || apt_install python3.12-venv || die "cannot go on without python3.12-venv"
    say "making .venv/converter with $("$python" -V): onnx2tf and tensorflow, at the versions of constraints-converter.txt"
    say "(2.7 GB on disk, about a minute; no torch)"
    [ -x .venv/converter/bin/python ] || "$python" -m venv .venv/converter
    .venv/converter/bin/python -m pip install --quiet --quiet --disable-pip-version-check \
        --constraint constraints-converter.txt 'onnx2tf[tensorflow]'
}

make_peers() {
    local python
    python=$(find_python "${PYTHON:-python3.11}") || python=none
    "$python" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null ||
        die "the versions of constraints-peers.txt need Python 3.11, found ${PYTHON:-no python3.11}"
    say "making .venv/peers with $("$python" -V): torch, onnxruntime, librosa and LiteRT beside numpy 2"
    say "(1.6 GB on disk with a CPU torch, more with the CUDA build that pip takes on x86-64; a minute)"
    [ -x .venv/peers/bin/python ] || "$python" -m venv .venv/peers
    .venv/peers/bin/python -m pip install --quiet --disable-pip-version-check \
        --constraint constraints-peers.txt --editable '.[peers]'
}

install_emulator() {
    local packages=()
    command -v qemu-aarch64 >/dev/null && command -v qemu-arm >/dev/null || packages+=(qemu-user)
    command -v mmdebstrap >/dev/null || packages+=(mmdebstrap)
    command -v gcc >/dev/null || packages+=(gcc)
    [ -e /usr/include/stdio.h ] || packages+=(libc6-dev)
    [ ${#packages[@]} -eq 0 ] || apt_install "${packages[@]}" || die "cannot go on without ${packages[*]}"
}

install_firmware_tools() {
    local packages=()
    command -v arm-none-eabi-gcc >/dev/null || packages+=(gcc-arm-none-eabi)
    command -v arm-none-eabi-size >/dev/null || packages+=(binutils-arm-none-eabi)
    # The compiler answers with the bare name of what it does not find.
    if ! command -v arm-none-eabi-gcc >/dev/null ||
        [ "$(arm-none-eabi-gcc -print-file-name=nano.specs)" = nano.specs ]; then
        packages+=(libnewlib-arm-none-eabi)
    fi
    command -v qemu-system-arm >/dev/null || packages+=(qemu-system-arm)
    command -v gcc >/dev/null || packages+=(gcc)
    [ -e /usr/include/stdio.h ] || packages+=(libc6-dev)
    [ ${#packages[@]} -eq 0 ] || apt_install "${packages[@]}" || die "cannot go on without ${packages[*]}"
}

case "${1:-}" in
    demo) make_demo ;;
    dev) make_dev ;;
    converter) make_converter ;;
    peers) make_peers ;;
    emulator) install_emulator ;;
    firmware) install_firmware_tools ;;
    *) die "usage: tools/environment.sh demo|dev|converter|peers|emulator|firmware" ;;
esac
