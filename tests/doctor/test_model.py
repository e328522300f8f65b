"""The model that will be used, and what to do if it cannot be."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge_asc.doctor import model
from edge_asc.doctor.finding import Finding, Subject
from edge_asc.errors import ProbeError
from edge_asc.model_file import ModelFile, default_model_path
from edge_asc.signature import make_keys, sign


def check(subject: Subject) -> list[Finding]:
    return list(model.check_model(subject))


@pytest.fixture
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("EDGE_ASC_MODEL_DIR", str(tmp_path))
    return tmp_path


def test_the_shipped_model_runs_on_this_machine() -> None:
    path = default_model_path()
    manifest = ModelFile.read(path).manifest
    finding, demonstration = check(Subject())
    assert finding.state == "ok"
    assert finding.found == (
        f"{path}: {manifest.name} ({manifest.quantization}), not signed,"
        f" golden windows: {manifest.golden['windows']}, computed right"
    )
    assert manifest.demonstration
    assert demonstration.state == "warning"


def test_the_installed_model_is_the_one_in_use(models: Path) -> None:
    (models / "model.tflite").write_bytes(b"no model")
    (finding,) = check(Subject())
    assert finding.state == "problem"
    assert finding.found.startswith(f"{models / 'model.tflite'}: ")
    assert finding.advice.endswith("edge-asc update --back")


def test_a_signed_model(models: Path, tmp_path: Path) -> None:
    public = make_keys(tmp_path / "key")
    signed = sign(default_model_path().read_bytes(), "m", tmp_path / "key")[0]
    path = tmp_path / "signed.tflite"
    path.write_bytes(signed)
    untrusted = check(Subject(model=path))[0]
    assert f"signed by a key {public.key_id}" in untrusted.found
    trusted = check(Subject(model=path, trust=tmp_path / "key.pub"))[0]
    assert f"signed by the trusted key {public.key_id}" in trusted.found
    refused = check(Subject(trust=tmp_path / "key.pub"))[0]
    assert refused.state == "problem"
    assert "is not signed" in refused.found


@pytest.mark.parametrize("advice", ["", "try another version"])
def test_a_model_that_kills_the_interpreter(monkeypatch: pytest.MonkeyPatch, advice: str) -> None:
    def run_probe(name: str, **_: object) -> None:
        raise ProbeError("died of SIGILL", advice)

    monkeypatch.setattr(model, "run_probe", run_probe)
    (finding,) = check(Subject(model=Path("x.tflite")))
    assert (finding.state, finding.found) == ("problem", "x.tflite: died of SIGILL")
    assert finding.advice == "; ".join(filter(None, (advice, "name another with --model")))
    (finding,) = check(Subject())
    assert "install edge-asc again" in finding.advice
