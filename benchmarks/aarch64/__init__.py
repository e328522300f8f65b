"""An emulated Raspberry Pi: the same answers as elsewhere, and instructions counted exactly.

    make bench-aarch64

Debian for arm64 with the wheels that a Raspberry Pi gets and this project's own, under qemu-user as
Cortex-A53, A72 and A76. Nothing here is timed: an emulator's time says nothing of a device's.
"""
