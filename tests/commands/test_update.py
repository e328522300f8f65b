"""`edge-asc update`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from edge_asc.model_file import ModelFile


@pytest.fixture
def other_path(model_path: Path, tmp_path: Path) -> Path:
    """Another model file."""
    path = tmp_path / "other.tflite"
    model = ModelFile.read(model_path)
    replace(model, manifest=replace(model.manifest, name="other")).write(path)
    return path


def test_update_and_back(edge_asc: Any, model_path: Path, other_path: Path, models: Path) -> None:
    installed, previous = models / "model.tflite", models / "previous.tflite"
    done = edge_asc("update", model_path)
    assert (done.exit_code, done.stdout) == (0, "")
    assert done.stderr == f"installed model level as {installed}\n"
    assert installed.read_bytes() == model_path.read_bytes()
    assert edge_asc("update", other_path).stderr.startswith("installed model other")
    assert previous.read_bytes() == model_path.read_bytes()
    assert "is installed already" in edge_asc("update", other_path).stderr
    done = edge_asc("update", "--back")
    assert done.exit_code == 0
    assert done.stderr == f"went back to model level, now {installed}\n"
    assert installed.read_bytes() == model_path.read_bytes()


def test_trust(edge_asc: Any, model_path: Path, signed_path: Path, models: Path, key: Path) -> None:
    done = edge_asc("update", model_path, "--trust", f"{key}.pub")
    assert done.exit_code == 1
    assert f"edge-asc: error: {model_path} is not signed" in done.stderr
    assert not models.exists()
    assert edge_asc("update", signed_path, "--trust", f"{key}.pub").exit_code == 0
    assert (models / "model.tflite").read_bytes() == signed_path.read_bytes()


def test_a_model_that_is_computed_wrong_is_not_installed(
    edge_asc: Any, model_path: Path, other_path: Path, models: Path
) -> None:
    edge_asc("update", model_path)
    model = ModelFile.read(other_path)
    replace(model, golden={**model.golden, "logits": model.golden["logits"] + 1}).write(other_path)
    done = edge_asc("update", other_path)
    assert done.exit_code == 1
    assert "edge-asc: error: model other computes wrong results with ai-edge-litert" in done.stderr
    assert (models / "model.tflite").read_bytes() == model_path.read_bytes()


def test_nothing_to_go_back_from(edge_asc: Any, model_path: Path, models: Path) -> None:
    done = edge_asc("update", "--back")
    assert done.exit_code == 1
    assert f"error: no model is installed in {models}: nothing to go back from" in done.stderr


def test_usage(
    edge_asc: Any, model_path: Path, models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert edge_asc("update").exit_code == 2
    assert edge_asc("update", model_path, "--back").exit_code == 2
    monkeypatch.setattr("edge_asc.update.model_folder", lambda: None)
    done = edge_asc("update", model_path)
    assert "no home folder: name one for models in EDGE_ASC_MODEL_DIR" in done.stderr
