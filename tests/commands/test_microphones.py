"""`edge-asc devices`."""

from __future__ import annotations

import json
from typing import Any

import pytest

from edge_asc.errors import SourceError
from edge_asc.sources.portaudio import InputDevice

DEVICES = [
    InputDevice(0, "HDA Intel", "ALSA", 2, 44_100, False),
    InputDevice(3, "USB", "JACK", 1, 48_000, True, "Device"),
]


def devices_are(monkeypatch: pytest.MonkeyPatch, devices: list[InputDevice]) -> None:
    monkeypatch.setattr("edge_asc.sources.portaudio.list_inputs", lambda: devices)


def test_text(edge_asc: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    devices_are(monkeypatch, DEVICES)
    done = edge_asc("devices")
    assert done.stdout.splitlines() == [
        "  HDA Intel  ALSA, channels: 2, 44100 Hz",
        "* USB        JACK, ALSA id Device, channels: 1, 48000 Hz",
    ]


def test_json(edge_asc: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    devices_are(monkeypatch, DEVICES)
    rows = json.loads(edge_asc("devices", "--format", "json").stdout)
    assert rows[1] == {
        "name": "USB",
        "alsa_id": "Device",
        "host_api": "JACK",
        "channels": 1,
        "default_rate_hz": 48_000,
        "default": True,
    }


def test_none(edge_asc: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    devices_are(monkeypatch, [])
    done = edge_asc("devices")
    assert (done.exit_code, done.stdout) == (0, "")
    assert "no device can record" in done.stderr
    assert edge_asc("devices", "--format", "json").stdout == "[]\n"


def test_no_portaudio(edge_asc: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> list[InputDevice]:
        raise SourceError("not installed: sudo apt install libportaudio2")

    monkeypatch.setattr("edge_asc.sources.portaudio.list_inputs", fail)
    done = edge_asc("devices")
    assert done.exit_code == 1
    assert done.stderr == "edge-asc: error: not installed: sudo apt install libportaudio2\n"
