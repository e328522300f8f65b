"""`edge-asc firmware check`."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from edge_asc.cli import main
from edge_asc.firmware_bridge.boards.vectors import Vectors
from tests.firmware_bridge.boards.conftest import seal

needs_boards = pytest.mark.usefixtures("boards_are_here")


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["firmware", "check", *map(str, arguments)])


@needs_boards
def test_a_table_on_stdout_and_progress_on_stderr(package: Path) -> None:
    result = run(package, "--cpu", "m4", "--cpu", "host")
    assert result.exit_code == 0, result.stderr
    assert result.stdout.splitlines()[0].split() == ["Cortex-M4,", "portable", "host,", "portable"]
    assert "self-test" in result.stdout
    assert result.stderr.splitlines() == [
        "checking on Cortex-M4 (mps2-an386)",
        "checking on host",
    ]


@needs_boards
def test_every_board_that_can_run_the_kernels(package: Path) -> None:
    result = run(package, "--kernels", "dsp", "--format", "json")
    boards = json.loads(result.stdout)["boards"]
    assert [(board["board"], board["kernels"]) for board in boards] == [
        ("m4", "dsp"),
        ("m7", "dsp"),
        ("m55", "dsp"),
    ]


@needs_boards
def test_the_package_says_which_kernels_and_which_front_end(package: Path) -> None:
    seal(package, kernels="dsp", front_end="float")
    result = run(package)
    assert "Cortex-M7, dsp, float" in result.stdout.splitlines()[0]
    assert "Cortex-M3" not in result.stdout
    assert "floating point" not in result.stderr
    result = run(package, "--cpu", "m3", "--kernels", "portable")
    assert "Cortex-M3 has no floating point unit" in result.stderr
    assert "--front-end fixed" in result.stderr


@needs_boards
def test_wrong_answers_fail_after_the_table(
    package: Path, vectors: Vectors, tmp_path: Path
) -> None:
    vectors.logits[3] ^= 1  # type: ignore[index]
    vectors.write(tmp_path / "windows.npz")
    options = ("--vectors", tmp_path / "windows.npz", "--format", "markdown")
    result = run(package, "--cpu", "m7", *options)
    assert result.exit_code == 1
    assert "| windows of features, identical | 19 of 20 |" in result.stdout
    assert "Cortex-M7: 1 of 20 windows of features gave other bytes" in result.stderr


@needs_boards
def test_a_part_that_is_too_small(package: Path) -> None:
    result = run(package, "--cpu", "m3", "--ram-kb", 16)
    assert result.exit_code == 1
    assert "too large for Cortex-M3 (the part that was named)" in result.stderr
    assert "(with 16384 of stack), 16384 are allowed" in result.stderr


def test_a_missing_toolchain(package: Path, only_tools) -> None:
    only_tools()
    result = run(package, "--cpu", "m4")
    assert result.exit_code == 1
    assert "apt-get install --no-install-recommends gcc-arm-none-eabi" in result.stderr


def test_an_unknown_board_and_no_package(package: Path, tmp_path: Path) -> None:
    assert "must be one of m3, m4, m7, m55, host" in run(package, "--cpu", "m33").stderr
    assert "is no exported package" in run(tmp_path / "none", "--cpu", "m4").stderr


@needs_boards
def test_figures_are_kept_in_the_manifest(package: Path) -> None:
    before = json.loads((package / "manifest.json").read_text())
    assert run(package, "--cpu", "m4").exit_code == 0
    assert json.loads((package / "manifest.json").read_text()) == before
    assert run(package, "--cpu", "m4", "--cpu", "host", "--keep").exit_code == 0
    result = run(package, "--cpu", "m4", "--kernels", "dsp", "--keep", "--format", "json")
    (board,) = json.loads(result.stdout)["boards"]
    kept = json.loads((package / "manifest.json").read_text())
    measured = kept.pop("measured")
    assert kept == before
    assert list(measured) == ["m4, portable", "m4, dsp"]
    assert measured["m4, dsp"] == board["cost"]
    assert measured["m4, portable"]["flash_bytes"] > 0


@needs_boards
def test_figures_of_a_package_that_errs_are_not_kept(
    package: Path, vectors: Vectors, tmp_path: Path
) -> None:
    before = (package / "manifest.json").read_bytes()
    assert vectors.logits is not None
    replace(vectors, logits=vectors.logits + np.int8(1)).write(tmp_path / "wrong.npz")
    arguments = ("--cpu", "m4", "--vectors", tmp_path / "wrong.npz", "--keep")
    assert run(package, *arguments).exit_code == 1
    assert (package / "manifest.json").read_bytes() == before
