"""A PortAudio that is played by the test."""

from __future__ import annotations

import sys
import types
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest


class PortAudioError(Exception):
    pass


@dataclass
class Status:
    """The flags that PortAudio passes with a block."""

    input_overflow: bool = False


@dataclass
class PortAudio:
    """What the test lets the device do."""

    devices: list[dict[str, Any]]
    default_index: int = 0
    accepts: Callable[[int, int], bool] = lambda rate_hz, channels: True
    stream_error: str | None = None
    asked: list[tuple[int, int]] = field(default_factory=list)
    opened: dict[str, Any] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)

    def check(self, *, device: int, channels: int, dtype: str, samplerate: int) -> None:
        assert dtype == "float32"
        self.asked.append((samplerate, channels))
        if not self.accepts(samplerate, channels):
            raise PortAudioError("Invalid sample rate [PaErrorCode -9997]")

    def play(self, frames: npt.NDArray[np.floating[Any]], *, overflow: bool = False) -> None:
        """Call back as PortAudio would, with one block."""
        block = np.asarray(frames, np.float32)
        self.opened["callback"](block.data, len(block), None, Status(overflow))

    def stop(self) -> None:
        self.opened["finished_callback"]()

    def open_stream(self, **settings: Any) -> types.SimpleNamespace:
        if self.stream_error:
            raise PortAudioError(self.stream_error)
        self.opened = settings
        return types.SimpleNamespace(
            **{
                name: lambda name=name: self.calls.append(name)
                for name in ("start", "abort", "close")
            }
        )


def device(
    name: str, index: int = 0, channels: int = 1, rate_hz: float = 48_000.0
) -> dict[str, Any]:
    return {
        "name": name,
        "index": index,
        "hostapi": 0,
        "max_input_channels": channels,
        "default_samplerate": rate_hz,
    }


@pytest.fixture
def portaudio(monkeypatch: pytest.MonkeyPatch) -> PortAudio:
    """A `sounddevice` module over a `PortAudio` with one microphone."""
    fake = PortAudio([device("USB microphone")])
    module = types.ModuleType("sounddevice")
    module.__dict__.update(
        PortAudioError=PortAudioError,
        RawInputStream=fake.open_stream,
        check_input_settings=fake.check,
        query_devices=lambda: fake.devices,
        query_hostapis=lambda: [{"name": "ALSA"}],
        default=types.SimpleNamespace(device=[0, -1]),
    )
    monkeypatch.setitem(sys.modules, "sounddevice", module)
    monkeypatch.setenv("JACK_NO_START_SERVER", "")
    return fake
