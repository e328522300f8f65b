"""Python, the interpreter of networks, the configuration."""

from __future__ import annotations

import importlib.metadata
import platform
import re
import sys
from collections.abc import Iterator

from edge_asc import __version__
from edge_asc.doctor.finding import Finding, Subject
from edge_asc.doctor.probe import run_probe
from edge_asc.errors import ProbeError

NEWEST_PYTHON = (3, 14)
"""Tried with this one at most; the oldest is in the package's metadata, pip refuses older ones."""

TRIED_LITERT = ((2, 1), (3, 0))
"""From, and below: as setup.cfg has it."""

_TIMEOUT_S = 60.0
"""A Raspberry Pi Zero takes 3 s to import numpy and the interpreter, more with a slow card."""


def check_python(_: Subject) -> Iterator[Finding]:
    """Python's version."""
    found = f"{platform.python_version()}, edge-asc {__version__}, {sys.prefix}"
    if sys.version_info[:2] <= NEWEST_PYTHON:
        yield Finding("python", "ok", found)
    else:
        newest = ".".join(map(str, NEWEST_PYTHON))
        advice = f"edge-asc is tried with Python up to {newest}; use that if anything fails"
        yield Finding("python", "warning", found, advice)


def check_configuration(subject: Subject) -> Iterator[Finding]:
    """Whether the configuration file can be used."""
    name = "configuration"
    if subject.config_error:
        advice = "what follows is checked with the defaults and the command line only"
        yield Finding(name, "problem", subject.config_error, advice)
    else:
        yield Finding(name, "ok", str(subject.config or "no file: defaults"))


def check_interpreter(_: Subject) -> Iterator[Finding]:
    """Which TFLite interpreter loads, and whether its wheel is one that was tried."""
    name = "interpreter"
    installed = _installed("ai-edge-litert", "tflite-runtime", "numpy")
    listed = ", ".join(f"{package} {version}" for package, version in installed.items())
    numpy_2 = _numbers(installed.get("numpy", "0")) >= (2,)
    try:
        answer = run_probe("interpreter", timeout_s=_TIMEOUT_S)
    except ProbeError as error:
        advice = error.advice
        if "tflite-runtime" in installed and numpy_2:
            advice = "tflite-runtime needs numpy 1: pip install 'numpy<2'"
        yield Finding(name, "problem", f"{error} (installed: {listed or 'none'})", advice)
        return
    runtime, numpy = answer["runtime"], answer["numpy"]
    found = f"{runtime} with numpy {numpy}"
    package, version = runtime.split()
    if package == "tflite-runtime" and _numbers(numpy) >= (2,):
        advice = "tflite-runtime may crash with it: pip install 'numpy<2'"
        yield Finding(name, "problem", found, advice)
        return
    oldest, too_new = TRIED_LITERT
    if package == "ai-edge-litert" and not oldest <= _numbers(version) < too_new:
        wanted = f"ai-edge-litert>={'.'.join(map(str, oldest))},<{too_new[0]}"
        yield Finding(
            name, "warning", found, f"not tried with this version: pip install '{wanted}'"
        )
        return
    yield Finding(name, "ok", found)


def _installed(*packages: str) -> dict[str, str]:
    """The versions of those of the packages that are installed."""
    found = {}
    for package in packages:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def _numbers(version: str) -> tuple[int, ...]:
    """(2, 1) of "2.1.0rc1"."""
    return tuple(int(number) for number in re.findall(r"\d+", version)[:2])
