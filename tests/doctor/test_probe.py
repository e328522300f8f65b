"""Probes in a process of their own: answers, errors, and how it is told that one died."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from edge_asc.doctor import probe
from edge_asc.doctor.probe import run_probe
from edge_asc.errors import EdgeAscError, ProbeError, SourceError
from edge_asc.interpreter import runtime_name
from edge_asc.model_file import default_model_path
from edge_asc.sources import Chunk, RawFormat
from edge_asc.sources.portaudio import InputDevice

TIMEOUT_S = 60.0


def stand_in(monkeypatch: pytest.MonkeyPatch, folder: Path, code: str) -> None:
    """Let `code` be what the probe imports as LiteRT."""
    package = folder / "ai_edge_litert"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "interpreter.py").write_text(code)
    monkeypatch.setenv("PYTHONPATH", str(folder))


def test_the_interpreter() -> None:
    answer = run_probe("interpreter", timeout_s=TIMEOUT_S)
    assert answer == {"runtime": runtime_name(), "numpy": np.__version__}


@pytest.mark.parametrize(
    ("number", "advice"),
    [
        (signal.SIGILL, "do not fit this processor"),
        (signal.SIGSEGV, "which some containers hide"),
        (signal.SIGKILL, "memory ran out"),
        (signal.SIGBUS, ""),
        (signal.SIGRTMIN + 1, ""),
    ],
)
def test_one_that_dies(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, number: int, advice: str
) -> None:
    code = (
        f"import os, sys\nprint('XNNPACK: oh')\nsys.stdout.flush()\nos.kill(os.getpid(), {number})"
    )
    stand_in(monkeypatch, tmp_path, code)
    with pytest.raises(ProbeError) as told:
        run_probe("interpreter", timeout_s=TIMEOUT_S)
    known = number in list(signal.Signals)
    name = signal.Signals(number).name if known else f"signal {number}"
    assert str(told.value) == f"died of {name}: XNNPACK: oh"
    assert advice in told.value.advice
    assert bool(told.value.advice) == bool(advice)


def test_one_that_hangs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Even if what it started lives on and holds its stderr."""
    child = f"subprocess.Popen([{sys.executable!r}, '-c', 'import time; time.sleep(20)'])"
    stand_in(monkeypatch, tmp_path, f"import subprocess, time\n{child}\ntime.sleep(20)")
    with pytest.raises(ProbeError, match=r"no answer within 1\.5 s: it hangs"):
        run_probe("interpreter", timeout_s=1.5)


def test_one_that_fails_as_nobody_foresaw(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    stand_in(monkeypatch, tmp_path, "raise OverflowError('too much')")
    with pytest.raises(ProbeError) as told:
        run_probe("interpreter", timeout_s=TIMEOUT_S)
    expected = "ended with exit code 1 and without an answer: OverflowError: too much"
    assert str(told.value) == expected


def test_an_error_for_people(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    stand_in(monkeypatch, tmp_path, "raise ImportError('no wheel')")
    monkeypatch.setenv("EDGE_ASC_INTERPRETER", "ai-edge-litert")
    with pytest.raises(ProbeError, match=r"no TFLite interpreter could be loaded .*no wheel"):
        run_probe("interpreter", timeout_s=TIMEOUT_S)


def test_the_shipped_model() -> None:
    path = str(default_model_path())
    answer = run_probe("model", timeout_s=TIMEOUT_S, path=path, trust=None)
    assert answer["name"] == "default"
    assert answer["golden_windows"] > 0
    assert answer["signed_by"] is None


def test_a_damaged_model(tmp_path: Path) -> None:
    data = bytearray(default_model_path().read_bytes())
    data[-1] ^= 1
    path = tmp_path / "model.tflite"
    path.write_bytes(data)
    with pytest.raises(ProbeError, match="is damaged"):
        run_probe("model", timeout_s=TIMEOUT_S, path=str(path), trust=None)


def test_sound_of_a_command(tmp_path: Path) -> None:
    """A sine of half scale, 6.02 dB below one that just fits: its peak, and its RMS as in AES17."""
    sine = 0.5 * np.sin(2 * np.pi * 1000 * np.arange(5 * 16_000) / 16_000)
    sound = tmp_path / "sine.raw"
    sound.write_bytes(np.rint(sine * 32_768).astype("<i2").tobytes())
    raw = [16_000, 1, "s16"]
    answer = run_probe(
        "level",
        timeout_s=TIMEOUT_S,
        source=f"exec:cat {sound}",
        device=None,
        preferred_rate_hz=44_100,
        raw=raw,
    )
    assert answer["rms_dbfs"] == pytest.approx(-6.02, abs=0.01)
    assert answer["peak_dbfs"] == pytest.approx(-6.02, abs=0.01)
    assert answer["dc"] == pytest.approx(0.0, abs=1e-3)
    assert (answer["constant"], answer["clipped_share"]) == (False, 0.0)
    assert 2.0 <= answer["heard_s"] <= 2.2


class Source:
    """Yields a few chunks of one value."""

    def __init__(self, values: npt.ArrayLike, count: int) -> None:
        self._chunks = [
            Chunk(np.full(800, values, np.float32), 8_000, datetime.now(timezone.utc), 0.25)
        ] * count

    def __enter__(self) -> Source:
        return self

    def __exit__(self, *exc: object) -> None: ...

    def __iter__(self) -> Iterator[Chunk]:
        return iter(self._chunks)


def opened(monkeypatch: pytest.MonkeyPatch, source: Source) -> list[dict[str, Any]]:
    """Let this be the source that is opened; gives how it was asked for."""
    calls: list[dict[str, Any]] = []

    def open_source(spec: str, **options: Any) -> Source:
        calls.append({"spec": spec, **options})
        return source

    monkeypatch.setattr("edge_asc.sources.open_source", open_source)
    return calls


def test_two_seconds_are_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = opened(monkeypatch, Source(1.0, 100))
    answer = probe.level("mic", "USB", 44_100, [44_100, 1, "s16"])
    assert answer["heard_s"] == pytest.approx(2.0)
    assert answer["lost_s"] == pytest.approx(20 * 0.25)
    assert (answer["constant"], answer["clipped_share"], answer["dc"]) == (True, 1.0, 1.0)
    (call,) = calls
    assert (call["spec"], call["device"], call["retry"]) == ("mic", "USB", False)
    assert call["raw"] == RawFormat()


def test_sound_that_never_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    opened(monkeypatch, Source(1.0, 0))
    with pytest.raises(EdgeAscError, match="before any sound came"):
        probe.level("mic", None, 44_100, [44_100, 1, "s16"])


HEADSET = InputDevice(0, "Headset", "ALSA", 1, 48_000, True)


class PortAudio:
    @staticmethod
    def get_portaudio_version() -> tuple[int, str]:
        return 1246720, "PortAudio V19.6.0"


def inputs(monkeypatch: pytest.MonkeyPatch, found: list[InputDevice], rates_hz: set[int]) -> None:
    """Let these be the devices, and these the rates that they accept."""

    def negotiate(device: InputDevice, preferred_rate_hz: int) -> tuple[int, int]:
        for rate_hz in (preferred_rate_hz, device.default_rate_hz):
            if rate_hz in rates_hz:
                return rate_hz, device.channels
        raise SourceError("busy")

    monkeypatch.setattr("edge_asc.sources.portaudio.load_portaudio", PortAudio)
    monkeypatch.setattr("edge_asc.sources.portaudio.list_inputs", lambda: found)
    monkeypatch.setattr("edge_asc.sources.portaudio.negotiate", negotiate)


def test_what_a_device_accepts(monkeypatch: pytest.MonkeyPatch) -> None:
    inputs(monkeypatch, [HEADSET], {16_000, 48_000})
    assert probe.devices("head", 44_100) == {
        "version": "PortAudio V19.6.0",
        "names": ["Headset"],
        "chosen": "Headset",
        "host_api": "ALSA",
        "rate_hz": 48_000,
        "channels": 1,
        "rates_hz": [16_000, 48_000],
    }


def test_a_device_that_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    inputs(monkeypatch, [HEADSET], set())
    answer = probe.devices(None, 44_100)
    assert (answer["chosen"], answer["refusal"]) == ("Headset", "busy")
    answer = probe.devices("USB", 44_100)
    assert "chosen" not in answer
    assert "there is no input device named 'USB'" in answer["refusal"]


def test_what_libraries_print_is_not_the_answer(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """In the test's own process, up to where it would end."""

    def noisy() -> dict[str, str]:
        os.write(1, b"ALSA lib: noise\n")
        return {"is": "heard"}

    class EndedError(Exception):
        pass

    def end(_: int) -> None:
        raise EndedError

    monkeypatch.setitem(probe.PROBES, "interpreter", noisy)
    monkeypatch.setattr(sys, "argv", ["probe", "interpreter", "{}"])
    monkeypatch.setattr(os, "_exit", end)
    kept = os.dup(1)
    try:
        with pytest.raises(EndedError):
            probe.main()
    finally:
        os.dup2(kept, 1)
        os.close(kept)
    out, err = capfd.readouterr()
    assert out == '{"answer": {"is": "heard"}}\n'
    assert err == "ALSA lib: noise\n"
