"""`edge-asc export`: what it writes and prints, and what a failure leaves behind."""

from __future__ import annotations

import json
import re
import sys
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from edge_asc.errors import ExportError
from edge_asc.export import command, pipeline
from edge_asc.export.command import ExtraFiles, export_command, read_metrics
from edge_asc.export.conversion import Converted, convert_network
from edge_asc.export.onnx import OnnxNetwork
from edge_asc.export.pipeline import Export, ExportOptions
from edge_asc.export.precision import LADDER
from edge_asc.export.tflite import CONVERTER_VARIABLE, ConversionError
from edge_asc.interpreter import Network
from edge_asc.manifest import Manifest
from edge_asc.model_file import ModelFile

PARTS = ("whole", "encoder", "head")


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where temporary folders go during the test."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


@pytest.fixture
def export_again(
    bounded_run: Path, exported_bounded: Path, converted_before: Callable[[Path], None]
) -> Callable[..., None]:
    """Export the bounded run anew, with what the converter gave before."""
    converted_before(exported_bounded)
    checkpoint = bounded_run / "checkpoint.safetensors"
    return lambda out, *arguments: export_command(checkpoint, out, *arguments)


@pytest.mark.converter
def test_every_file_that_can_be_asked_for(exported_bounded: Path) -> None:
    found = {path.name for path in exported_bounded.iterdir() if path.is_file()}
    parts = {f"bands.{part}.{form}" for part in PARTS for form in ("onnx", "tflite")}
    assert found == {"bands.tflite", "bands.json", "stdout.txt"} | parts
    assert {path.stat().st_mode & 0o777 for path in exported_bounded.glob("bands.*")} == {0o644}


@pytest.mark.converter
def test_tflite_files_are_the_networks_without_appended_parts(exported_bounded: Path) -> None:
    model = ModelFile.read(exported_bounded / "bands.tflite")
    for part in PARTS:
        path = exported_bounded / f"bands.{part}.tflite"
        assert path.read_bytes() == getattr(model, part)
        assert not zipfile.is_zipfile(path)
        Network(path.read_bytes())  # loads
    assert zipfile.is_zipfile(exported_bounded / "bands.tflite")


@pytest.mark.converter
def test_onnx_files_are_those_that_were_converted(exported_bounded: Path) -> None:
    for part in PARTS:
        path = exported_bounded / f"bands.{part}.onnx"
        assert path.read_bytes() == (exported_bounded / "work" / f"{part}.onnx").read_bytes()
        OnnxNetwork(path)  # loads


@pytest.mark.converter
def test_the_json_file_is_the_manifest(exported_bounded: Path) -> None:
    text = (exported_bounded / "bands.json").read_text(encoding="utf-8")
    manifest = ModelFile.read(exported_bounded / "bands.tflite").manifest
    assert Manifest.from_json(text.encode(), "bands.json") == manifest
    assert json.loads(text)["schema_version"] == 4
    with zipfile.ZipFile(exported_bounded / "bands.tflite") as parts:
        assert parts.read("manifest.json").decode() == text


@pytest.mark.converter
def test_stdout_has_the_report_then_every_file_with_its_size(exported_bounded: Path) -> None:
    lines = (exported_bounded / "stdout.txt").read_text(encoding="utf-8").splitlines()
    assert lines[0].startswith("parity on 30 windows of 10 groups: the training run's test clips")
    model = exported_bounded / "bands.tflite"
    begin = lines.index(f"{model}: int8, {model.stat().st_size / 1000:.0f} kB")
    for place, part in enumerate(PARTS, begin + 1):
        use = ModelFile.read(model).manifest.footprint["bytes"][part]
        weights, total = use["weights"] / 1000, use["total"] / 1000
        wanted = rf"  {part} +weights {weights:.1f}, biases .*, total {total:.1f} kB"
        assert re.fullmatch(wanted, lines[place])
    written = [line.rpartition(": ") for line in lines[-7:]]
    sizes = {Path(path): size for path, _, size in written}
    assert {path.suffix for path in sizes} == {".onnx", ".tflite", ".json"}
    for path, size in sizes.items():
        assert size == f"{path.stat().st_size / 1000:.0f} kB"


@pytest.fixture
def coarse_logits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Logits get a range so wide that int8 tells none of them apart."""

    def convert_badly(*arguments: object) -> Converted:
        converted = convert_network(*arguments)  # type: ignore[arg-type]
        ranges = dict(converted.ranges) | {"logits": (-1e4, 1e4)}
        return replace(converted, ranges=ranges)

    monkeypatch.setattr(pipeline, "convert_network", convert_badly)


@pytest.mark.converter
@pytest.mark.usefixtures("coarse_logits")
def test_what_a_rung_costs_is_said_and_kept(
    export_again: Callable[..., None],
    tmp_path: Path,
    temporary: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = tmp_path / "model.tflite"
    export_again(out, ExportOptions(max_drop_points=5.0))
    said = capsys.readouterr()
    rung = LADDER[2]
    quantization = ModelFile.read(out).manifest.quantization
    assert quantization == rung.quantization == "int8, head in float32"
    assert f"{out}: {quantization}, " in said.out
    assert "  not taken: TFLite int8, ai-edge-litert" in said.out
    assert "  not taken: TFLite int8, encoder in int16, ai-edge-litert" in said.out
    costs = re.escape(f"  {quantization} costs: {rung.costs}; networks of ")
    (sizes,) = re.findall(rf"^{costs}(\d+) kB, int8 (\d+) kB$", said.out, re.MULTILINE)
    assert int(sizes[0]) > 2 * int(sizes[1])
    assert said.err.count(" is refused: ") == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model.tflite", "temporary"]
    assert list(temporary.iterdir()) == []


@pytest.mark.converter
@pytest.mark.usefixtures("coarse_logits")
def test_a_refused_export_writes_nothing(
    export_again: Callable[..., None], tmp_path: Path, temporary: Path
) -> None:
    every = ExtraFiles(onnx=True, tflite=True, json=True)
    with pytest.raises(
        ExportError, match=r"^refused: TFLite int8, ai-edge.* in \d\d of 30 windows"
    ):
        export_again(tmp_path / "model.tflite", ExportOptions(), None, every)
    assert list(tmp_path.iterdir()) == [temporary]
    assert list(temporary.iterdir()) == []


@pytest.mark.converter
def test_a_file_that_cannot_be_written_leaves_the_one_that_was_there(
    export_again: Callable[..., None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, old = tmp_path / "model.tflite", tmp_path / "model.json"
    old.write_text("as it was")
    write = Path.write_bytes

    def until_the_disk_is_full(path: Path, data: bytes) -> int:
        if path.suffix == ".json":
            write(path, data[:100])
            raise OSError(28, "No space left on device")
        return write(path, data)

    monkeypatch.setattr(Path, "write_bytes", until_the_disk_is_full)
    with pytest.raises(OSError, match="No space left"):
        export_again(out, ExportOptions(), tmp_path / "work", ExtraFiles(json=True))
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "model.json",
        "model.tflite",
        "work",
    ]
    assert old.read_text() == "as it was"
    ModelFile.read(out)


def leave_a_file(failure: BaseException) -> Callable[..., Export]:
    """An export that writes something to its folder and fails."""

    def export_model(checkpoint: Path, options: object, folder: Path, say: object) -> Export:
        (folder / "whole.log").write_text("what the converter said")
        raise failure

    return export_model


@pytest.mark.parametrize("failure", [ExportError("refused"), OSError("disk"), KeyboardInterrupt()])
def test_a_failure_that_names_no_files_leaves_none(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, temporary: Path, failure: BaseException
) -> None:
    monkeypatch.setattr(command, "export_model", leave_a_file(failure))
    with pytest.raises(type(failure)):
        export_command(tmp_path / "c", tmp_path / "m.tflite", ExportOptions())
    assert list(temporary.iterdir()) == []


def test_a_working_folder_is_kept_whatever_happens(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, temporary: Path
) -> None:
    monkeypatch.setattr(command, "export_model", leave_a_file(ExportError("refused")))
    work = tmp_path / "new" / "work"
    with pytest.raises(ExportError, match="refused"):
        export_command(tmp_path / "c", tmp_path / "m.tflite", ExportOptions(), work)
    assert [path.name for path in work.iterdir()] == ["whole.log"]
    assert list(temporary.iterdir()) == []


def test_a_failed_conversion_keeps_the_files_that_its_text_names(
    bounded_run: Path, tmp_path: Path, temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    converter = tmp_path / "python"
    answer = f"{sys.executable} -c 'print(\"1.29.24 tensorflow\")'"
    converter.write_text(f'#!/bin/sh\n[ "$1" = -c ] && exec {answer}\necho it broke\nexit 3\n')
    converter.chmod(0o755)
    monkeypatch.setenv(CONVERTER_VARIABLE, str(converter))
    out = tmp_path / "model.tflite"
    with pytest.raises(ConversionError, match=r"exit code 3.*\nit broke") as caught:
        export_command(bounded_run / "checkpoint.safetensors", out, ExportOptions())
    (folder,) = temporary.iterdir()
    assert caught.value.log.parent == caught.value.onnx_path.parent == folder
    for path in (caught.value.log, caught.value.onnx_path):
        assert str(path) in str(caught.value)
        assert path.is_file()
    assert not out.exists()


@pytest.mark.parametrize("content", ["no JSON", "[1, 2]"])
def test_an_evaluation_that_is_none_is_refused(tmp_path: Path, content: str) -> None:
    metrics = tmp_path / "metrics.json"
    metrics.write_text(content)
    with pytest.raises(ExportError, match=r"metrics\.json (is not JSON|holds no table)"):
        read_metrics(metrics)
    metrics.write_text('{"test": {}}')
    assert read_metrics(metrics) == {"test": {}}
