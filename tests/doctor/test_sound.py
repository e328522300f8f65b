"""Sound cards of made-up machines, devices and levels that a probe tells."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from edge_asc.doctor import sound
from edge_asc.doctor.finding import Finding, Subject
from edge_asc.errors import ProbeError
from edge_asc.level import CLIPPED_SHARE, DC_OFFSET, SILENCE_PEAK
from edge_asc.sources import RawFormat

ROOM = {
    "rms_dbfs": -41.23,
    "peak_dbfs": -20.0,
    "dc": 0.001,
    "constant": False,
    "clipped_share": 0.0,
    "heard_s": 2.0,
    "lost_s": 0.0,
    "notes": [],
}
DEVICES = {
    "version": "PortAudio V19.6.0",
    "names": ["HDMI", "USB"],
    "chosen": "USB",
    "host_api": "ALSA",
    "rate_hz": 48_000,
    "channels": 1,
    "rates_hz": [16_000, 48_000],
}


class Probes:
    """Stands for the processes that would try PortAudio."""

    def __init__(self) -> None:
        self.replies: dict[str, Any] = {"devices": DEVICES, "level": ROOM}
        self.calls: list[dict[str, Any]] = []

    def __call__(self, name: str, **arguments: Any) -> dict[str, Any]:
        self.calls.append({"name": name, **arguments})
        reply = self.replies[name]
        if isinstance(reply, ProbeError):
            raise reply
        return dict(reply)


@pytest.fixture
def probes(monkeypatch: pytest.MonkeyPatch) -> Probes:
    probes = Probes()
    monkeypatch.setattr(sound, "run_probe", probes)
    return probes


def heard(subject: Subject) -> list[tuple[str, str]]:
    return [(finding.name, finding.state) for finding in sound.check_microphone(subject)]


def last() -> Finding:
    return list(sound.check_microphone(Subject()))[-1]


def test_a_microphone_in_order(probes: Probes) -> None:
    portaudio, microphone, level = sound.check_microphone(Subject(device="usb"))
    assert portaudio == Finding("portaudio", "ok", "PortAudio V19.6.0; 2 inputs: HDMI, USB")
    assert microphone.found == (
        "'USB' (ALSA) accepts 16000, 48000 Hz; recorded at 48000 Hz, 1 channel"
    )
    expected = "-41.2 dBFS RMS, peak -20.0 dBFS in 2.0 s"
    assert level == Finding("level", "ok", expected)
    devices, recorded = probes.calls
    # The rate of the CAS 2023 baseline, which every model is trained at.
    assert (devices["device"], devices["preferred_rate_hz"]) == ("usb", 44_100)
    assert (recorded["source"], recorded["device"]) == ("mic", "usb")


@pytest.mark.parametrize(
    ("facts", "state", "found"),
    [
        ({"constant": True, "dc": 0.0, "rms_dbfs": -math.inf}, "problem", "only zeros"),
        ({"constant": True, "dc": -0.25}, "problem", "the samples are stuck at -0.2500"),
        ({"peak_dbfs": 20 * math.log10(SILENCE_PEAK)}, "warning", ": silence"),
        ({"clipped_share": CLIPPED_SHARE}, "warning", "clipped, 0.1 % of the samples"),
        ({"dc": -DC_OFFSET}, "warning", "a DC offset of -0.030 of full scale"),
        ({"dc": 0.029, "clipped_share": 0.0009, "peak_dbfs": -84.0}, "ok", "peak -84.0 dBFS"),
    ],
)
def test_levels(probes: Probes, facts: dict[str, Any], state: str, found: str) -> None:
    probes.replies["level"] = ROOM | facts
    finding = last()
    assert finding.state == state
    assert found in finding.found
    assert bool(finding.advice) == (state != "ok")


def test_lost_sound(probes: Probes) -> None:
    probes.replies["level"] = ROOM | {"lost_s": 0.52}
    expected = "0.5 s were lost while 2.0 s were heard"
    assert last() == Finding("lost sound", "warning", expected, "is the machine busy?")


def test_without_portaudio(probes: Probes) -> None:
    probes.replies["devices"] = ProbeError("not installed: sudo apt install libportaudio2", "")
    found = list(sound.check_microphone(Subject()))
    assert [(finding.name, finding.state) for finding in found] == [
        ("portaudio", "problem"),
        ("level", "not checked"),
    ]
    assert found[0].found == "not installed: sudo apt install libportaudio2"
    assert found[1].found == "see portaudio"
    assert len(probes.calls) == 1


def test_no_such_device(probes: Probes) -> None:
    probes.replies["devices"] = {"version": "V19", "names": [], "refusal": "no microphone found"}
    portaudio, microphone, level = sound.check_microphone(Subject())
    assert portaudio.found == "V19; no input"
    assert microphone == Finding("microphone", "problem", "no microphone found")
    assert level == Finding("level", "not checked", "see microphone")


def test_a_device_that_another_program_holds(probes: Probes) -> None:
    refused = {key: DEVICES[key] for key in ("version", "names", "chosen", "host_api")}
    probes.replies["devices"] = refused | {"refusal": "'USB' accepts neither"}
    _, microphone, _ = sound.check_microphone(Subject())
    assert "sudo systemctl stop edge-asc" in microphone.advice


def test_a_microphone_that_sends_nothing(probes: Probes) -> None:
    probes.replies["level"] = ProbeError("microphone stopped", "")
    assert (last().name, last().state, last().found) == ("level", "problem", "microphone stopped")


def test_a_command_is_heard_without_portaudio(probes: Probes) -> None:
    subject = Subject(source="exec:arecord", device="USB", raw=RawFormat(48_000, 2, "s32"))
    assert heard(subject) == [
        ("portaudio", "not checked"),
        ("microphone", "not checked"),
        ("level", "ok"),
    ]
    (call,) = probes.calls
    assert (call["source"], call["device"]) == ("exec:arecord", None)
    assert RawFormat(*call["raw"]) == RawFormat(48_000, 2, "s32")


@pytest.mark.parametrize(
    ("subject", "why"),
    [
        (Subject(microphone=False), "left out: --no-microphone"),
        (Subject(source="walk.wav"), "sound comes from walk.wav, which is not live"),
        (Subject(source="-"), "sound comes from -, which is not live"),
    ],
)
def test_when_nothing_is_recorded(probes: Probes, subject: Subject, why: str) -> None:
    found = [*sound.check_microphone(subject), *sound.check_sound_cards(subject)]
    assert {finding.state for finding in found} == {"not checked"}
    assert {finding.found for finding in found} == {why}
    assert not probes.calls


@pytest.fixture
def machine(tmp_path: Path) -> Subject:
    """A machine with an output and a USB microphone."""
    for name in ("dev/snd", "proc/asound/card0", "proc/asound/card1"):
        (tmp_path / name).mkdir(parents=True)
    for name in ("controlC0", "pcmC0D0p", "pcmC1D0c"):
        (tmp_path / "dev/snd" / name).touch()
    (tmp_path / "proc/asound/card0/id").write_text("vc4hdmi\n")
    (tmp_path / "proc/asound/card1/id").write_text("Device\n")
    return Subject(
        proc_folder=tmp_path / "proc", dev_folder=tmp_path / "dev", may_open=lambda _: True
    )


def cards(subject: Subject) -> Finding:
    (finding,) = sound.check_sound_cards(subject)
    return finding


def test_cards_that_may_be_opened(machine: Subject) -> None:
    expected = "vc4hdmi, Device; this user may record"
    assert cards(machine) == Finding("sound cards", "ok", expected)


def test_a_user_without_the_group(machine: Subject, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("getpass.getuser", lambda: "pi")
    monkeypatch.setattr(sound, "_group_of", lambda node: f"group of {node.name}")
    finding = cards(replace(machine, may_open=lambda _: False))
    assert finding.state == "warning"
    assert "user pi may not open pcmC1D0c" in finding.found
    assert finding.advice.startswith("sudo usermod -aG group of pcmC1D0c pi")


def test_the_group_of_a_device(machine: Subject, monkeypatch: pytest.MonkeyPatch) -> None:
    node = machine.dev_folder / "snd/pcmC1D0c"
    assert sound._group_of(node) == node.group()

    def unknown(_: int) -> None:
        raise KeyError

    monkeypatch.setattr("grp.getgrgid", unknown)
    assert sound._group_of(node) == "audio"


def test_outputs_only(machine: Subject) -> None:
    (machine.dev_folder / "snd/pcmC1D0c").unlink()
    finding = cards(machine)
    assert (finding.state, finding.found) == ("warning", "none can record (vc4hdmi, Device)")


def test_no_sound_card_at_all(tmp_path: Path) -> None:
    finding = cards(Subject(dev_folder=tmp_path, proc_folder=tmp_path))
    assert finding.state == "warning"
    assert f"there is no {tmp_path / 'snd'}" in finding.found
    assert "--device /dev/snd" in finding.advice


def test_a_card_that_is_unplugged_meanwhile(machine: Subject) -> None:
    (machine.proc_folder / "asound/card0/id").unlink()
    assert cards(machine).found.startswith("Device; ")
