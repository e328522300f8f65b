"""The model that will be used."""

from __future__ import annotations

from collections.abc import Iterator

from edge_asc.doctor.finding import Finding, Subject
from edge_asc.doctor.probe import run_probe
from edge_asc.errors import ProbeError
from edge_asc.model_file import default_model_path
from edge_asc.update import model_in_use

_TIMEOUT_S = 120.0


def check_model(subject: Subject) -> Iterator[Finding]:
    """Whether this machine reads the model, and computes its golden windows right."""
    path = subject.model or model_in_use()
    trust = None if subject.trust is None else str(subject.trust)
    try:
        answer = run_probe("model", timeout_s=_TIMEOUT_S, path=str(path), trust=trust)
    except ProbeError as error:
        if subject.model is not None:
            way_out = "name another with --model"
        elif path == default_model_path():
            way_out = "install edge-asc again, or name another model with --model"
        else:
            way_out = "until then the previous one is used: edge-asc update --back"
        advice = f"{error.advice}; {way_out}" if error.advice else way_out
        yield Finding("model", "problem", f"{path}: {error}", advice)
        return
    signed_by = answer["signed_by"]
    signature = "not signed"
    if signed_by is not None:
        signature = f"signed by {'the trusted' if trust else 'a'} key {signed_by}"
    yield Finding(
        "model",
        "ok",
        f"{path}: {answer['name']} ({answer['quantization']}), {signature},"
        f" golden windows: {answer['golden_windows']}, computed right",
    )
    if answer["demonstration"]:
        advice = "train or install one for your place"
        yield Finding(
            "model", "warning", "it is a demonstration: not fit to decide anything", advice
        )
