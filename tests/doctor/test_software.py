"""Versions of Python, interpreter and numpy; the configuration."""

from __future__ import annotations

import importlib.metadata
from pathlib import Path
from typing import Any

import pytest

from edge_asc.doctor import software
from edge_asc.doctor.finding import Finding, Subject
from edge_asc.errors import ProbeError


def answers(monkeypatch: pytest.MonkeyPatch, reply: dict[str, Any] | ProbeError) -> None:
    def run_probe(name: str, **_: object) -> dict[str, Any]:
        assert name == "interpreter"
        if isinstance(reply, ProbeError):
            raise reply
        return reply

    monkeypatch.setattr(software, "run_probe", run_probe)


def installed(monkeypatch: pytest.MonkeyPatch, **versions: str) -> None:
    def version(package: str) -> str:
        try:
            return versions[package.replace("-", "_")]
        except KeyError:
            raise importlib.metadata.PackageNotFoundError(package) from None

    monkeypatch.setattr(importlib.metadata, "version", version)


def interpreter() -> Finding:
    (finding,) = software.check_interpreter(Subject())
    return finding


@pytest.mark.parametrize(
    ("runtime", "numpy", "state", "advice"),
    [
        ("ai-edge-litert 2.1.0", "2.4.6", "ok", ""),
        ("ai-edge-litert 2.10.1", "2.4.6", "ok", ""),
        ("ai-edge-litert 1.4.0", "1.26.4", "warning", "pip install 'ai-edge-litert>=2.1,<3'"),
        ("ai-edge-litert 3.0.0", "2.4.6", "warning", "pip install 'ai-edge-litert>=2.1,<3'"),
        ("tflite-runtime 2.14.0", "1.26.4", "ok", ""),
        ("tflite-runtime 2.14.0", "2.4.6", "problem", "pip install 'numpy<2'"),
    ],
)
def test_pairs_of_wheels(
    monkeypatch: pytest.MonkeyPatch, runtime: str, numpy: str, state: str, advice: str
) -> None:
    answers(monkeypatch, {"runtime": runtime, "numpy": numpy})
    finding = interpreter()
    assert (finding.state, finding.found) == (state, f"{runtime} with numpy {numpy}")
    assert advice in finding.advice
    assert bool(finding.advice) == bool(advice)


def test_no_interpreter(monkeypatch: pytest.MonkeyPatch) -> None:
    installed(monkeypatch, numpy="2.4.6")
    answers(monkeypatch, ProbeError("none could be loaded", ""))
    finding = interpreter()
    assert finding == Finding(
        "interpreter", "problem", "none could be loaded (installed: numpy 2.4.6)", ""
    )


def test_one_that_crashes(monkeypatch: pytest.MonkeyPatch) -> None:
    installed(monkeypatch, ai_edge_litert="2.3.0")
    answers(monkeypatch, ProbeError("died of SIGILL", "its kernels do not fit"))
    finding = interpreter()
    assert finding.found == "died of SIGILL (installed: ai-edge-litert 2.3.0)"
    assert finding.advice == "its kernels do not fit"


def test_tflite_runtime_beside_numpy_2(monkeypatch: pytest.MonkeyPatch) -> None:
    installed(monkeypatch, tflite_runtime="2.14.0", numpy="2.4.6")
    answers(monkeypatch, ProbeError("_ARRAY_API not found", ""))
    assert interpreter().advice == "tflite-runtime needs numpy 1: pip install 'numpy<2'"


def test_python(monkeypatch: pytest.MonkeyPatch) -> None:
    (finding,) = software.check_python(Subject())
    assert finding.state == "ok"
    monkeypatch.setattr(software, "NEWEST_PYTHON", (3, 9))
    (finding,) = software.check_python(Subject())
    assert finding.state == "warning"
    assert "tried with Python up to 3.9" in finding.advice


def test_the_configuration() -> None:
    def check(subject: Subject) -> tuple[str, str]:
        (finding,) = software.check_configuration(subject)
        return finding.state, finding.found

    assert check(Subject()) == ("ok", "no file: defaults")
    assert check(Subject(config=Path("/etc/x.toml"))) == ("ok", "/etc/x.toml")
    assert check(Subject(config_error="x.toml, line 3: no")) == ("problem", "x.toml, line 3: no")
