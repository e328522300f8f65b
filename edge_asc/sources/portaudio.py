"""Microphones through PortAudio: which there are, which one a name means, what it accepts.

Imported where a microphone is to be used only, and small: every capture begins with it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge_asc.errors import MissingLibraryError, SourceError

MIXED_CHANNELS = 2
"""A device that insists on more channels gives its first two."""

IF_REFUSED = (
    "Another program may hold it: close that, or choose another device"
    " (edge-asc devices lists them)"
)

_HW = re.compile(r" *\(hw:(\d+),\d+\)")
"""What PortAudio appends to ALSA's names: numbers of card and device, which change with every
reboot."""


@dataclass(frozen=True, slots=True)
class InputDevice:
    """Something that PortAudio can record from."""

    index: int
    """PortAudio's number: changes when devices come and go, so it is never asked for or shown."""

    name: str
    host_api: str
    channels: int
    default_rate_hz: int
    is_default: bool
    alsa_id: str = ""
    """What ALSA calls its card, "Device" or "Headset": stays when the numbers change; "" if it has
    none."""


def list_inputs() -> list[InputDevice]:
    """Every device that can record, in PortAudio's order. Raises SourceError without PortAudio."""
    portaudio = load_portaudio()
    host_apis = portaudio.query_hostapis()
    default_index = portaudio.default.device[0]
    return [
        InputDevice(
            index=device["index"],
            name=device["name"],
            host_api=host_apis[device["hostapi"]]["name"],
            channels=device["max_input_channels"],
            default_rate_hz=round(device["default_samplerate"]),
            is_default=device["index"] == default_index,
            alsa_id=_alsa_id(device["name"]),
        )
        for device in portaudio.query_devices()
        if device["max_input_channels"] > 0
    ]


def find_input(devices: Sequence[InputDevice], name: str | None) -> InputDevice:
    """The default device, or the one that `name` means, whatever its case.

    That is the one called so, or with this ALSA id (also as in "plughw:CARD=Device"), or the only
    one with `name` in its name. Numbers of cards in `name` are overlooked if they fit no device.
    Raises SourceError if there is none, or more than one.
    """
    if not devices:
        raise SourceError(
            "no microphone found: PortAudio lists no device that can record. Connect one and look"
            " with edge-asc devices; sound also comes from a file or a pipe: --source FILE,"
            " --source -"
        )
    if name is None:
        what = "default input device"
        found = [device for device in devices if device.is_default]
    else:
        what = f"input device named {name!r}"
        found = _named(devices, name) or _named(devices, _HW.sub("", name))
    if not found:
        raise SourceError(
            f"there is no {what}; there are: {', '.join(repr(device.name) for device in devices)}."
            " Choose one with --device NAME (edge-asc devices tells more)"
        )
    # One device may be listed once for every host API, under the same name: the first is
    # PortAudio's preference.
    names = sorted({device.name for device in found})
    if len(names) > 1:
        raise SourceError(
            f"{name!r} fits {len(names)} input devices: {', '.join(map(repr, names))}."
            " Give more of the name, or its ALSA id (edge-asc devices shows it)"
        )
    return found[0]


def negotiate(device: InputDevice, preferred_rate_hz: int) -> tuple[int, int]:
    """The first sample rate, in Hz, and number of channels that the device accepts.

    `preferred_rate_hz` before its own rate, one channel before two before all. Raises SourceError.
    """
    portaudio = load_portaudio()
    refusal: Exception | None = None
    for rate_hz in (preferred_rate_hz, device.default_rate_hz):
        for channels in sorted({1, min(MIXED_CHANNELS, device.channels), device.channels}):
            try:
                portaudio.check_input_settings(
                    device=device.index, channels=channels, dtype="float32", samplerate=rate_hz
                )
            except portaudio.PortAudioError as error:
                refusal = error
            else:
                return rate_hz, channels
    raise SourceError(
        f"{device.name!r} accepts neither {preferred_rate_hz} Hz nor its own"
        f" {device.default_rate_hz} Hz: {refusal}. {IF_REFUSED}"
    ) from refusal


def load_portaudio() -> Any:  # noqa: ANN401
    """The package sounddevice. Raises MissingLibraryError without the library PortAudio."""
    # PortAudio would start a JACK server, and print about it, on every machine that has JACK
    # installed.
    os.environ.setdefault("JACK_NO_START_SERVER", "1")
    try:
        import sounddevice
    except OSError as error:
        raise MissingLibraryError(
            "the library PortAudio, which records from microphones, is not installed:"
            " sudo apt install libportaudio2"
        ) from error
    return sounddevice


def _named(devices: Sequence[InputDevice], name: str) -> list[InputDevice]:
    key = name.strip().casefold()
    card = re.search(r"card=([^,]+)", key)
    alsa_id = card[1] if card else key
    return (
        [device for device in devices if device.name.casefold() == key]
        or [device for device in devices if device.alsa_id.casefold() == alsa_id]
        or [device for device in devices if key and key in device.name.casefold()]
    )


def _alsa_id(name: str, cards: Path = Path("/proc/asound")) -> str:
    """What ALSA calls the card of the device that PortAudio calls `name`."""
    numbered = _HW.search(name)
    if numbered is None:
        return ""
    try:
        return (cards / f"card{numbered[1]}" / "id").read_text(encoding="utf-8").strip()
    except OSError:  # unplugged since, or not ALSA's
        return ""
