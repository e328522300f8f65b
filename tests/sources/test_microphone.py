"""The microphone, against a PortAudio that is played by the test."""

from __future__ import annotations

import os
import sys
import types
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from edge_asc.errors import AudioError, SourceError
from edge_asc.sources import Chunk, microphone, open_source
from edge_asc.sources.microphone import QUEUE_BLOCKS, InputDevice, Microphone, find_input


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


def hear(source: Microphone, count: int) -> list[Chunk]:
    chunks = iter(source)
    return [next(chunks) for _ in range(count)]


def test_it_asks_for_the_models_rate_and_one_channel(portaudio: PortAudio) -> None:
    with Microphone(None, 44_100) as source:
        assert (source.name, source.sample_rate_hz, source.live) == ("USB microphone", 44_100, True)
    assert portaudio.asked == [(44_100, 1)]
    settings = {name: portaudio.opened[name] for name in ("device", "channels", "dtype", "latency")}
    assert settings == {"device": 0, "channels": 1, "dtype": "float32", "latency": "high"}
    assert portaudio.opened["blocksize"] == 4_410
    assert portaudio.calls == ["start", "abort", "close"]


def test_it_takes_the_devices_own_rate_if_it_must(portaudio: PortAudio) -> None:
    portaudio.accepts = lambda rate_hz, channels: rate_hz == 48_000
    with Microphone(None, 44_100) as source:
        assert source.sample_rate_hz == 48_000
    assert portaudio.opened["blocksize"] == 4_800


def test_two_channels_are_averaged(portaudio: PortAudio) -> None:
    portaudio.devices = [device("stereo", channels=2)]
    portaudio.accepts = lambda rate_hz, channels: channels == 2
    with Microphone(None, 48_000) as source:
        portaudio.play(np.array([[0.5, 0.25], [-1.0, 0.0]]))
        (chunk,) = hear(source, 1)
    np.testing.assert_array_equal(chunk.samples, [0.375, -0.5])


def test_an_array_of_microphones_gives_its_first_two(portaudio: PortAudio) -> None:
    portaudio.devices = [device("array", channels=6)]
    portaudio.accepts = lambda rate_hz, channels: channels == 6
    with Microphone(None, 48_000) as source:
        portaudio.play(np.array([[0.5, 0.25, 1, 1, 1, 1]]))
        (chunk,) = hear(source, 1)
    np.testing.assert_array_equal(chunk.samples, [0.375])


def test_blocks_come_in_order_and_whole(portaudio: PortAudio, rng: np.random.Generator) -> None:
    blocks = rng.uniform(-1, 1, (5, 4_800, 1)).astype(np.float32)
    with Microphone(None, 48_000) as source:
        for block in blocks:
            buffer = block.copy()
            portaudio.play(buffer)
            buffer[:] = 0.0  # PortAudio reuses it
        chunks = hear(source, 5)
    assert all(len(chunk.samples) == 4_800 and chunk.lost_samples == 0 for chunk in chunks)
    assert all(chunk.arrived.tzinfo is not None for chunk in chunks)
    np.testing.assert_array_equal([chunk.samples for chunk in chunks], blocks[:, :, 0])


def test_an_overflow_is_reported_before_its_block(portaudio: PortAudio) -> None:
    with Microphone(None, 48_000) as source:
        portaudio.play(np.zeros((4_800, 1)))
        portaudio.play(np.zeros((4_800, 1)), overflow=True)
        portaudio.play(np.zeros((4_800, 1)))
        assert [chunk.lost_samples for chunk in hear(source, 3)] == [0, 4_800, 0]


def test_a_reader_who_is_too_late_is_told_what_was_lost(portaudio: PortAudio) -> None:
    with Microphone(None, 48_000) as source:
        for number in range(QUEUE_BLOCKS + 3):
            portaudio.play(np.full((4_800, 1), number / 1_000))
        chunks = iter(source)
        first = next(chunks)
        portaudio.play(np.full((4_800, 1), 0.5))
        rest = [next(chunks) for _ in range(QUEUE_BLOCKS)]
    assert first.lost_samples == 0
    assert [chunk.lost_samples for chunk in rest] == [0] * (QUEUE_BLOCKS - 1) + [3 * 4_800]
    assert rest[-1].samples[0] == 0.5


def test_a_device_that_ends_is_an_error(portaudio: PortAudio) -> None:
    with Microphone(None, 48_000) as source:
        portaudio.play(np.zeros((4_800, 1)))
        chunks = iter(source)
        next(chunks)
        portaudio.stop()
        with pytest.raises(SourceError, match=r"microphone stopped: 'USB microphone'.*unplugged"):
            next(chunks)


def test_a_device_that_falls_silent_is_an_error(
    portaudio: PortAudio, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(microphone, "STALL_S", 0.01)
    with Microphone(None, 48_000) as source:
        portaudio.play(np.zeros((4_800, 1)))
        chunks = iter(source)
        next(chunks)
        with pytest.raises(SourceError, match="microphone stopped"):
            next(chunks)


def test_a_device_that_never_begins_is_an_error(
    portaudio: PortAudio, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(microphone, "START_GRACE_S", 0.01)
    with Microphone(None, 48_000) as source, pytest.raises(SourceError, match="microphone stopped"):
        next(iter(source))


def test_nan_from_a_device(portaudio: PortAudio) -> None:
    with Microphone(None, 48_000) as source:
        portaudio.play(np.full((4_800, 1), np.nan))
        with pytest.raises(AudioError, match=r"USB microphone .* at 0\.0000 s"):
            next(iter(source))


def test_settings_that_are_refused(portaudio: PortAudio) -> None:
    portaudio.accepts = lambda rate_hz, channels: False
    with pytest.raises(SourceError, match=r"accepts neither 44100 Hz nor its own 48000 Hz.*-9997"):
        Microphone(None, 44_100)
    assert portaudio.asked == [(44_100, 1), (48_000, 1)]


def test_a_stream_that_does_not_open(portaudio: PortAudio) -> None:
    portaudio.stream_error = "Device unavailable [PaErrorCode -9985]"
    with (
        pytest.raises(
            SourceError, match=r"cannot record from 'USB microphone'.*-9985.*may hold it"
        ),
        Microphone(None, 44_100),
    ):
        pass


def test_no_microphone(portaudio: PortAudio) -> None:
    portaudio.devices = [device("loudspeaker", channels=0)]
    with pytest.raises(SourceError, match=r"no microphone found.*edge-asc devices"):
        open_source("mic", preferred_rate_hz=44_100, say=print)


def test_portaudio_is_not_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "sounddevice.py").write_text("raise OSError('PortAudio library not found')\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "sounddevice", raising=False)
    with pytest.raises(SourceError, match="sudo apt install libportaudio2"):
        open_source("mic", preferred_rate_hz=44_100, say=print)


def test_no_jack_server_is_started(portaudio: PortAudio, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("JACK_NO_START_SERVER")
    Microphone(None, 44_100)
    assert os.environ["JACK_NO_START_SERVER"] == "1"


def inputs(*names: str, default: int | None = 0) -> list[InputDevice]:
    return [
        InputDevice(index, name, "ALSA", 1, 48_000, index == default)
        for index, name in enumerate(names)
    ]


@pytest.mark.parametrize(
    ("name", "index"), [(None, 2), ("usb", 1), ("USB PnP", 1), ("pulse", 3), ("HDA Intel", 0)]
)
def test_a_device_is_found_by_its_name(name: str | None, index: int) -> None:
    devices = inputs("HDA Intel: ALC (hw:0,0)", "USB PnP (hw:1,0)", "default", "pulse", default=2)
    assert find_input(devices, name).index == index


def test_an_exact_name_is_preferred() -> None:
    assert find_input(inputs("pulse surround", "Pulse"), "pulse").index == 1


def test_one_name_on_two_host_apis_is_the_first() -> None:
    assert find_input(inputs("USB", "USB"), "usb").index == 0


def test_a_name_that_fits_two_devices() -> None:
    with pytest.raises(SourceError, match="'hw' fits 2 input devices: 'A hw:0', 'B hw:1'"):
        find_input(inputs("B hw:1", "A hw:0"), "hw")


def test_a_name_that_fits_none() -> None:
    with pytest.raises(SourceError, match="no input device named 'tape'; there are: 'USB'"):
        find_input(inputs("USB"), "tape")


def test_no_default() -> None:
    with pytest.raises(SourceError, match="no default input device; there are: 'USB'"):
        find_input(inputs("USB", default=None), None)
