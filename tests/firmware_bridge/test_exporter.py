"""A package is whole, says what it is, and is what its manifest says; nothing else is replaced."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from edge_asc.errors import FirmwareError
from edge_asc.firmware_bridge.exporter import Options, export_package
from edge_asc.model_file import ModelFile, default_model_path
from tests.firmware_bridge.host_compiler import build_and_run, needs_gcc

SELF_TEST = """
#include "asc_selftest.h"
static union { uint32_t alignment; int8_t bytes[ASC_SELFTEST_MEMORY_BYTES]; } memory;
int main(void) { return asc_selftest(&memory); }
"""


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("exported") / "package"
    export_package(default_model_path(), folder, Options())
    return folder


def head_of(folder: Path) -> Path:
    """The shipped model's head as a .tflite file of its own."""
    head = ModelFile.read(default_model_path()).head
    assert head is not None
    path = folder / "my head.tflite"
    path.write_bytes(head)
    return path


def contents(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_the_manifest_names_every_file_with_its_hash(package: Path) -> None:
    manifest = json.loads((package / "manifest.json").read_text())
    found = contents(package)
    del found["manifest.json"]
    assert manifest["files"] == {
        name: hashlib.sha256(data).hexdigest() for name, data in found.items()
    }


def test_the_manifest_says_what_the_model_is(package: Path) -> None:
    manifest = json.loads((package / "manifest.json").read_text())
    model = ModelFile.read(default_model_path())
    assert (
        manifest["source_sha256"] == hashlib.sha256(default_model_path().read_bytes()).hexdigest()
    )
    assert manifest["scenes"] == list(model.manifest.scenes)
    assert manifest["sample_rate_hz"] == 44_100
    encoder, head = manifest["networks"]
    assert (encoder["name"], head["name"]) == ("encoder", "head")
    assert model.head is not None
    assert head["tflite_sha256"] == hashlib.sha256(model.head).hexdigest()
    # The convolutions of training/models/complexity.py on one second, with the padding's zeros.
    assert encoder["multiply_adds"] == 3_376_256
    assert encoder["operators"]["CONV_2D"] == 7


def test_the_same_model_gives_the_same_package(package: Path, tmp_path: Path) -> None:
    export_package(default_model_path(), tmp_path / "again", Options())
    assert contents(tmp_path / "again") == contents(package)


@needs_gcc
def test_the_self_test_passes_and_the_example_compiles(package: Path, tmp_path: Path) -> None:
    assert build_and_run(package, SELF_TEST, tmp_path) == 0
    microphone = """
    #include "asc.h"
    #include <stdlib.h>
    size_t microphone_read(int16_t *samples, size_t room) {
        (void)samples;
        exit((int)room - 253);
    }
    """
    text = (package / "example.c").read_text()
    declaration = "size_t microphone_read(int16_t *samples, size_t room);"
    assert declaration in text
    assert build_and_run(package, microphone + text, tmp_path) == 3


@needs_gcc
def test_the_arithmetic_of_tflite_micro_has_a_self_test_too(tmp_path: Path) -> None:
    pytest.importorskip("tflite_micro", reason="needs tflite-micro")
    folder = tmp_path / "package"
    manifest = export_package(default_model_path(), folder, Options("tflm", front_end="fixed"))
    assert manifest["oracle"].startswith("tflite-micro ")
    assert manifest["front_end"] == "fixed"
    assert build_and_run(folder, SELF_TEST, tmp_path) == 0


@needs_gcc
def test_a_plain_tflite_file_becomes_a_function(tmp_path: Path) -> None:
    manifest = export_package(head_of(tmp_path), tmp_path / "package", Options())
    assert manifest["model"] == {"name": "my head"}
    assert [network["name"] for network in manifest["networks"]] == ["network"]
    assert "asc.h" not in manifest["files"]
    assert build_and_run(tmp_path / "package", SELF_TEST, tmp_path) == 0
    example = (tmp_path / "package" / "example.c").read_text()
    assert build_and_run(tmp_path / "package", example, tmp_path) == 0


def test_a_package_may_be_replaced(tmp_path: Path) -> None:
    source, folder = head_of(tmp_path), tmp_path / "package"
    export_package(source, folder, Options())
    (folder / "left over.c").write_text("old")
    manifest = export_package(source, folder, Options(kernels="dsp"))
    assert manifest["kernels"] == "dsp"
    assert set(contents(folder)) == {*manifest["files"], "manifest.json"}
    assert [path.name for path in tmp_path.iterdir()].count("package") == 1
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize("is_file", [False, True])
def test_what_is_no_package_is_not_replaced(tmp_path: Path, is_file: bool) -> None:
    folder = tmp_path / "notes"
    if is_file:
        folder.write_text("mine")
    else:
        folder.mkdir()
        (folder / "notes.txt").write_text("mine")
    with pytest.raises(FirmwareError, match=r"notes is (no folder|there and holds no package)"):
        export_package(default_model_path(), folder, Options())
    kept = folder if is_file else folder / "notes.txt"
    assert kept.read_text() == "mine"
    assert list(tmp_path.iterdir()) == [folder]


@pytest.mark.parametrize("data", [b"", b"sound and nothing else"])
def test_other_files_are_refused(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "model.bin"
    path.write_bytes(data)
    with pytest.raises(FirmwareError, match="neither a model file nor"):
        export_package(path, tmp_path / "package", Options())
    assert not (tmp_path / "package").exists()


def test_a_microphone_of_another_rate_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FirmwareError, match=r"16000|16,000"):
        export_package(
            default_model_path(), tmp_path / "package", Options(microphone_rate_hz=16_000)
        )
    assert not (tmp_path / "package").exists()
