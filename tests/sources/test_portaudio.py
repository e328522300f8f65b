"""Which microphones there are, which one a name means, and what it accepts."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import pytest

from edge_asc.errors import MissingLibraryError, SourceError
from edge_asc.sources import portaudio as module
from edge_asc.sources.portaudio import InputDevice, find_input, list_inputs, negotiate


def device(name: str, *, channels: int = 1, rate_hz: int = 48_000) -> InputDevice:
    return InputDevice(3, name, "ALSA", channels, rate_hz, False)


def test_what_is_listed(portaudio: Any) -> None:
    portaudio.devices.append(
        {**portaudio.devices[0], "name": "loudspeaker", "max_input_channels": 0}
    )
    assert list_inputs() == [InputDevice(0, "USB microphone", "ALSA", 1, 48_000, True)]


def test_it_asks_for_the_models_rate_and_one_channel(portaudio: Any) -> None:
    assert negotiate(device("USB"), 44_100) == (44_100, 1)
    assert portaudio.asked == [(44_100, 1)]


def test_it_takes_the_devices_own_rate_if_it_must(portaudio: Any) -> None:
    portaudio.accepts = lambda rate_hz, channels: rate_hz == 48_000
    assert negotiate(device("USB"), 44_100) == (48_000, 1)


@pytest.mark.parametrize("channels", [2, 6])
def test_it_takes_the_channels_that_it_must(portaudio: Any, channels: int) -> None:
    portaudio.accepts = lambda rate_hz, asked: asked == channels
    assert negotiate(device("array", channels=channels), 48_000) == (48_000, channels)


def test_settings_that_are_refused(portaudio: Any) -> None:
    portaudio.accepts = lambda rate_hz, channels: False
    with pytest.raises(SourceError, match=r"accepts neither 44100 Hz nor its own 48000 Hz.*-9997"):
        negotiate(device("USB"), 44_100)
    assert portaudio.asked == [(44_100, 1), (48_000, 1)]


def test_portaudio_is_not_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "sounddevice.py").write_text("raise OSError('PortAudio library not found')\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "sounddevice", raising=False)
    with pytest.raises(MissingLibraryError, match="sudo apt install libportaudio2"):
        list_inputs()


def test_no_jack_server_is_started(portaudio: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("JACK_NO_START_SERVER")
    list_inputs()
    assert os.environ["JACK_NO_START_SERVER"] == "1"


def test_no_microphone() -> None:
    with pytest.raises(SourceError, match=r"no microphone found.*edge-asc devices"):
        find_input([], None)


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


def cards(folder: Path, *ids: str) -> Path:
    for number, alsa_id in enumerate(ids):
        (folder / f"card{number}").mkdir()
        (folder / f"card{number}" / "id").write_text(f"{alsa_id}\n")
    return folder


def test_an_alsa_id_is_read_off_the_number_of_the_card(tmp_path: Path) -> None:
    folder = cards(tmp_path, "PCH", "Device")
    assert module._alsa_id("USB PnP Sound Device: Audio (hw:1,0)", folder) == "Device"
    assert module._alsa_id("Unplugged: Audio (hw:2,0)", folder) == ""
    assert module._alsa_id("pulse", folder) == ""


TWINS = [
    InputDevice(0, "USB PnP: Audio (hw:1,0)", "ALSA", 1, 48_000, True, "Device"),
    InputDevice(1, "USB PnP: Audio (hw:2,0)", "ALSA", 1, 48_000, False, "Device_1"),
]


@pytest.mark.parametrize("name", ["Device_1", "device_1", "plughw:CARD=Device_1,DEV=0"])
def test_a_device_is_found_by_its_alsa_id(name: str) -> None:
    assert find_input(TWINS, name).index == 1


def test_an_alsa_id_tells_twins_apart_where_a_name_does_not() -> None:
    with pytest.raises(SourceError, match=r"fits 2 input devices.*ALSA id"):
        find_input(TWINS, "USB PnP")
    assert find_input(TWINS, "Device").index == 0


def test_a_number_in_a_name_is_overlooked_when_it_changed() -> None:
    """As after a reboot: the card was number 3 when its name was copied."""
    assert find_input(TWINS[:1], "USB PnP: Audio (hw:3,0)").index == 0
    assert find_input(TWINS, "USB PnP: Audio (hw:2,0)").index == 1
