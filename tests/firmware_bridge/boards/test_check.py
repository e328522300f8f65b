"""The whole check, with a package of a few lines whose answers Python computes, too."""

import dataclasses
import json

import pytest

from edge_asc.errors import FirmwareError
from edge_asc.firmware_bridge.boards.board import HOST, board_named
from edge_asc.firmware_bridge.boards.check import Agreement, BoardReport, Cost, check_package
from edge_asc.firmware_bridge.boards.tables import as_json, as_markdown, as_text
from edge_asc.firmware_bridge.boards.toolchain import missing_tools
from tests.firmware_bridge.boards.conftest import seal

needs_boards = pytest.mark.usefixtures("boards_are_here")
needs_gcc = pytest.mark.skipif(bool(missing_tools("gcc")), reason="needs gcc")


def costs(report: BoardReport) -> Cost:
    assert report.cost is not None
    return report.cost


def agreements(report: BoardReport) -> tuple[Agreement, Agreement]:
    assert report.features is not None
    assert report.sound is not None
    return report.features, report.sound


def change(package, name, old, new):
    """A package that was exported so: its manifest knows the change."""
    path = package / name
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    seal(package)


@needs_boards
@pytest.mark.parametrize("name", ["m3", "m4", "m7", "m55"])
def test_a_board_computes_what_python_does(package, vectors, name):
    (report,) = check_package(package, [name], vectors=vectors)
    assert report.failure is None
    assert agreements(report) == (Agreement(20, 20, 20, 0), Agreement(4, 4, 4, 0))
    cost = costs(report)
    # 60 products in an encoder cell and 30 in a head, a few instructions each
    assert 120 < cost.instructions["encoder"] < 1200
    assert 60 < cost.instructions["head"] < 600
    assert 100 < cost.stack_bytes < 400
    assert 500 < cost.flash_bytes < 4000
    assert cost.ram_bytes < 200


@needs_gcc
def test_this_computer_computes_what_python_does(package, vectors):
    (report,) = check_package(package, [HOST], vectors=vectors)
    assert report.failure is None
    assert agreements(report) == (Agreement(20, 20, 20, 0), Agreement(4, 4, 4, 0))
    assert report.cost is None


@needs_boards
@needs_gcc
def test_without_windows_noise_is_run_and_the_self_test_decides(package):
    reports = check_package(package, ["m4", HOST], kernels="portable")
    assert [report.features for report in reports] == [None, None]
    assert costs(reports[0]).instructions["encoder"] > 100


@needs_boards
def test_counts_are_the_same_in_every_run(package):
    first, second = (check_package(package, ["m4"])[0].cost for _ in range(2))
    assert first == second


@needs_boards
@pytest.mark.parametrize(
    ("vector", "old", "new", "byte"),
    [
        (0, "{127", "{126", "byte 0 must be 126, it is 127"),
        (1, "-23}", "-24}", "byte 4 must be -24, it is -23"),
    ],
)
def test_a_corrupt_golden_vector_is_named(package, vector, old, new, byte):
    """Each byte that is changed belongs to one vector; the first wrong one is told."""
    change(package, "selftest.c", old, new)
    words = rf"on Cortex-M4: golden vector {vector} of 2 \(network 'encoder'\) .* {byte}"
    with pytest.raises(FirmwareError, match=words):
        check_package(package, ["m4"])


@needs_gcc
def test_a_corrupt_golden_vector_is_named_on_this_computer(package):
    change(package, "selftest.c", "-23}", "-24}")
    with pytest.raises(FirmwareError, match="on this computer: golden vector 1 of 2"):
        check_package(package, [HOST])


def test_a_package_that_was_changed_is_refused_before_anything_is_built(package, only_tools):
    only_tools()
    with (package / "asc_model.c").open("a") as file:
        file.write("\n")
    with pytest.raises(FirmwareError, match="was changed since it was exported"):
        check_package(package, ["m4"])


@needs_boards
def test_a_model_too_large_is_refused(package):
    small = board_named("m4").with_part(ram_bytes=16_400)
    with pytest.raises(FirmwareError, match=r"too large for Cortex-M4 .* of stack\), 16400 are"):
        check_package(package, [small])


@needs_boards
def test_a_package_that_hangs_is_ended(package):
    change(package, "asc_model.c", "sum /= 2;", "while (arena_is_full(sum)) {\n}\n")
    change(
        package,
        "asc_model.c",
        "/* Sum of input",
        "static int arena_is_full(volatile int32_t sum) { return sum == sum; }\n/* Sum of input",
    )
    with pytest.raises(FirmwareError, match="Cortex-M7 did not end in 3 s"):
        check_package(package, ["m7"], limit_s=3.0)


@needs_gcc
def test_the_sanitizers_find_a_write_beyond_the_arena(package):
    change(package, "asc_model.c", "row < outputs;", "row < outputs + 30;")
    with pytest.raises(FirmwareError, match=r"failed on this computer(?s:.*)AddressSanitizer"):
        check_package(package, [HOST])


@needs_boards
def test_other_answers_are_told_not_passed(package, vectors):
    vectors.logits[7, 0] ^= 1
    vectors.sound_logits[:, :] = -vectors.sound_logits - 1
    (report,) = check_package(package, ["m4"], vectors=vectors)
    assert report.failure == (
        "Cortex-M4: 1 of 20 windows of features gave other bytes than they must, up to 1 steps off"
    )
    assert agreements(report)[1].same_scene < 4


@needs_boards
def test_windows_of_another_model_are_refused(package, vectors):

    others = dataclasses.replace(vectors, samples=vectors.samples[:, :-3])
    with pytest.raises(FirmwareError, match="the file of windows ends within a window"):
        check_package(package, ["m4"], vectors=others)


def test_an_unknown_board_is_refused(package):
    with pytest.raises(FirmwareError, match="a board must be one of"):
        check_package(package, ["m5"])


def test_dsp_kernels_are_not_for_this_computer(package):
    with pytest.raises(FirmwareError, match="portable kernels only, got 'dsp'"):
        check_package(package, [HOST], kernels="dsp")


@needs_boards
def test_a_missing_emulator_is_told_before_minutes_of_compiling(package, only_tools):
    only_tools("arm-none-eabi-gcc", "arm-none-eabi-size")
    with pytest.raises(FirmwareError, match=r"^qemu-system-arm not found"):
        check_package(package, ["m4"])


@needs_boards
@needs_gcc
def test_tables(package, vectors):
    reports = check_package(package, ["m4", HOST], vectors=vectors)
    text, markdown = as_text(reports), as_markdown(reports)
    assert text.splitlines()[0].split() == ["Cortex-M4,", "portable", "host,", "portable"]
    assert "| windows of features, identical | 20 of 20 | 20 of 20 |" in markdown
    assert markdown.splitlines()[1] == "| --- | ---: | ---: |"
    board, host = json.loads(as_json(reports))["boards"]
    assert board["features"]["identical"] == 20
    assert board["cost"]["flash_bytes"] == costs(reports[0]).flash_bytes
    assert board["cost"]["instructions"] == costs(reports[0]).instructions
    assert (host["cost"], host["failure"]) == (None, None)
