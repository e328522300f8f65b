"""Marks become named counts; Linux's word on a processor is as on a Raspberry Pi."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from edge_asc.benchmarks.aarch64.boards import CPUS, cpu_named
from edge_asc.benchmarks.aarch64.emulator import Count, regions
from edge_asc.benchmarks.aarch64.sounds import noise
from edge_asc.benchmarks.aarch64.system import (
    HERE,
    PINS,
    EmulationError,
    check_tools,
    sysroot,
)


def test_every_second_mark_ends_a_region() -> None:
    lines = ["999 0 0 0", "10 1 2 0", "5 0 0 0", "20 3 4 7"]
    assert regions(["a", "b"], lines) == {"a": Count(10, 1, 2, 0), "b": Count(20, 3, 4, 7)}


def test_a_region_that_was_counted_twice_gives_its_second_count() -> None:
    assert regions(["a", "a"], ["0 0 0 0", "1000 0 0 0", "0 0 0 0", "1009 0 0 0"]) == {
        "a": Count(1009, 0, 0, 0)
    }


def test_an_unsteady_region_is_refused() -> None:
    with pytest.raises(EmulationError, match="a took 1000 instructions and then 1011"):
        regions(["a", "a"], ["0 0 0 0", "1000 0 0 0", "0 0 0 0", "1011 0 0 0"])


def test_marks_of_something_else_are_noticed() -> None:
    with pytest.raises(EmulationError, match="something else called getppid"):
        regions(["a"], ["0 0 0 0", "1 0 0 0", "2 0 0 0"])


def test_cpuinfo_is_that_of_a_raspberry_pi() -> None:
    parts = {"cortex-a53": "0xd03", "cortex-a72": "0xd08", "cortex-a76": "0xd0b"}  # Arm's manuals
    for cpu in CPUS:
        text = cpu.cpuinfo()
        assert text.count("processor\t:") == 4
        assert text.count(f"CPU part\t: {parts[cpu.name]}\n") == 4
        assert ("asimddp" in text) == (cpu.name == "cortex-a76")


def test_a_sysroot_has_its_own_cpuinfo_and_shares_the_rest(tmp_path: Path) -> None:
    root = tmp_path / "debian"
    (root / "usr").mkdir(parents=True)
    text = cpu_named("cortex-a53").cpuinfo()
    made = sysroot(root, text, tmp_path / "made")
    assert (made / "proc/cpuinfo").read_text() == text
    assert (made / "usr").resolve() == root / "usr"
    assert not (made / "etc").exists()


def test_a_missing_program_is_named_by_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(EmulationError, match=r"apt-get install .* gcc mmdebstrap qemu-user"):
        check_tools(("qemu-aarch64", "qemu-arm", "mmdebstrap", "gcc"))


def test_every_version_is_pinned() -> None:
    lines = [line for line in PINS.read_text().splitlines() if not line.startswith("#")]
    assert all("==" in line for line in lines)
    assert {"ai-edge-litert", "numpy", "soxr"} <= {line.split("==")[0] for line in lines}


def test_the_noise_is_the_same_everywhere() -> None:
    samples = noise()
    assert samples.shape == (441_000,)
    assert samples.dtype == np.float32
    # PCG64 with seed 1, as numpy documents it to stay.
    np.testing.assert_allclose(samples[:3], [0.034558418, 0.08216181, 0.033043706], rtol=1e-6)


def test_the_plugin_compiles_without_a_warning(tmp_path: Path) -> None:
    if shutil.which("gcc") is None:
        pytest.skip("needs gcc")
    warnings = ["-Wall", "-Wextra", "-Werror"]
    target = str(tmp_path / "instructions.so")
    subprocess.run(
        ["gcc", *warnings, "-O2", "-fPIC", "-shared", "-o", target, str(HERE / "instructions.c")],
        check=True,
    )


def test_the_guest_answers_natively(tmp_path: Path) -> None:
    sounds, out = tmp_path / "sounds.npy", tmp_path / "out.npz"
    np.save(sounds, noise()[None])
    command = [sys.executable, "-m", "edge_asc.benchmarks.aarch64.guest"]
    done = subprocess.run(
        [*command, "--count=1", "--answer=1", str(sounds), str(out)],
        capture_output=True,
        check=True,
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
    )
    told = json.loads(done.stdout)
    assert told["regions"][:3] == ["import numpy", "import", "load"]
    assert told["regions"][3:] == [
        name
        for name in ("features", "encoder", "head", "network", "window", "hop", "hop from 48 kHz")
        for _ in range(2)
    ]
    arrays = np.load(out)
    for name in ("log_mel", "log_mel_by_fft", "standardized"):
        assert arrays[name].shape == (1, 500, 64)
    assert arrays["steps"].shape == (4, 20, 1024)
    # Cells are encoded one by one and the head is the same: exactly the whole window's logits.
    np.testing.assert_array_equal(arrays["streamed"], arrays["whole"])
