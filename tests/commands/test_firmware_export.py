"""`edge-asc firmware export`, in this process: what it prints, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from edge_asc.export.flatbuffer import Graph
from edge_asc.model_file import ModelFile, default_model_path


def test_the_model_in_use_is_exported(edge_asc: Any, tmp_path: Path) -> None:
    folder = tmp_path / "package"
    done = edge_asc("firmware", "export", "--out", folder)
    assert done.exit_code == 0, done.stderr
    manifest = json.loads((folder / "manifest.json").read_text())
    assert done.stdout.splitlines()[0] == f"{folder}: default, {len(manifest['files'])} files"
    assert "  encoder  3.38 M multiply-adds" in done.stdout
    assert manifest["oracle"] in done.stdout
    assert f"next: edge-asc firmware check {folder}" in done.stdout


def test_options_reach_the_package(edge_asc: Any, tmp_path: Path) -> None:
    folder = tmp_path / "package"
    arguments = ("--kernels", "dsp", "--front-end", "fixed", "--microphone-rate", "44100")
    done = edge_asc("firmware", "export", default_model_path(), "--out", folder, *arguments)
    assert done.exit_code == 0, done.stderr
    manifest = json.loads((folder / "manifest.json").read_text())
    assert (manifest["kernels"], manifest["front_end"]) == ("dsp", "fixed")
    assert "-DASC_KERNELS_DSP" in (folder / "asc.mk").read_text()
    assert "#define ASC_FRONTEND_FIXED 1" in (folder / "asc_facts.h").read_text()


def test_a_model_in_float_is_refused_by_name(edge_asc: Any, tmp_path: Path) -> None:
    encoder = ModelFile.read(default_model_path()).encoder
    assert encoder is not None
    graph = Graph(encoder)
    graph.set_type(graph.inputs[0], "float32")
    (tmp_path / "float.tflite").write_bytes(graph.to_bytes())
    done = edge_asc("firmware", "export", tmp_path / "float.tflite", "--out", tmp_path / "package")
    assert done.exit_code == 1
    assert "float32" in done.stderr
    assert not (tmp_path / "package").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--out", "package", "--arith", "cmsis"), "--arith"),
        (("--out", "package", "--microphone-rate", "0"), "--microphone-rate"),
        ((), "--out"),
        (("missing.tflite", "--out", "package"), "missing.tflite"),
    ],
)
def test_wrong_usage(edge_asc: Any, arguments: tuple[str, ...], words: str) -> None:
    done = edge_asc("firmware", "export", *arguments)
    assert done.exit_code == 2
    assert words in done.stderr
