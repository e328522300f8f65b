"""Sound cards, PortAudio, and what the microphone hears."""

from __future__ import annotations

import getpass
import grp
import math
from collections.abc import Iterator
from dataclasses import astuple
from pathlib import Path
from typing import Any

from edge_asc.doctor.finding import Finding, State, Subject
from edge_asc.doctor.probe import run_probe
from edge_asc.errors import ProbeError
from edge_asc.features import FeatureConfig
from edge_asc.level import CLIPPED_SHARE, DC_OFFSET, SILENCE_PEAK
from edge_asc.sources import COMMAND_PREFIX

_TIMEOUT_S = 30.0

_IF_BUSY = "does the service hold it? `sudo systemctl stop edge-asc` lets it go"
_IF_PORTAUDIO_FAILS = (
    "if the sound server hangs: systemctl --user restart pipewire wireplumber, or pulseaudio -k"
)


def check_sound_cards(subject: Subject) -> Iterator[Finding]:
    """What the kernel has, and whether this user may record from it."""
    name = "sound cards"
    if why := _not_heard(subject):
        yield Finding(name, "not checked", why)
        return
    folder = subject.dev_folder / "snd"
    if not folder.is_dir():
        advice = (
            "connect a microphone; a container needs --device /dev/snd; without a card, sound can"
            " only come from a sound server"
        )
        yield Finding(name, "warning", f"the kernel has none: there is no {folder}", advice)
        return
    nodes = sorted(folder.glob("pcmC*D*c"))
    cards = ", ".join(_cards(subject.proc_folder)) or "no name known"
    if not nodes:
        advice = "connect a microphone; outputs alone cannot record"
        yield Finding(name, "warning", f"none can record ({cards})", advice)
        return
    closed = [node for node in nodes if not subject.may_open(node)]
    if not closed:
        yield Finding(name, "ok", f"{cards}; this user may record")
        return
    group, user = _group_of(closed[0]), getpass.getuser()
    yield Finding(
        name,
        "warning",
        f"{cards}; user {user} may not open {', '.join(node.name for node in closed)}: only a sound"
        " server of this session (PipeWire) can help",
        f"sudo usermod -aG {group} {user}, then log in again",
    )


def check_microphone(subject: Subject) -> Iterator[Finding]:
    """PortAudio, its devices, what the chosen one accepts, and what it hears."""
    why = _not_heard(subject)
    if why or subject.source != "mic":
        reason = why or f"sound comes from {subject.source}"
        for name in ("portaudio", "microphone"):
            yield Finding(name, "not checked", reason)
    else:
        for finding in _devices(subject):
            yield finding
            if finding.state == "problem":
                why = f"see {finding.name}"
    if why:
        yield Finding("level", "not checked", why)
    else:
        yield from _level(subject)


def _devices(subject: Subject) -> Iterator[Finding]:
    try:
        answer = run_probe(
            "devices",
            timeout_s=_TIMEOUT_S,
            device=subject.device,
            preferred_rate_hz=FeatureConfig().sample_rate_hz,
        )
    except ProbeError as error:
        yield Finding("portaudio", "problem", str(error), error.advice or _IF_PORTAUDIO_FAILS)
        return
    names = answer["names"]
    inputs = f"{len(names)} inputs: {', '.join(names)}" if names else "no input"
    yield Finding("portaudio", "ok", f"{answer['version']}; {inputs}")
    if "refusal" in answer:
        advice = _IF_BUSY if "chosen" in answer else ""
        yield Finding("microphone", "problem", answer["refusal"], advice)
        return
    channels = "1 channel" if answer["channels"] == 1 else f"{answer['channels']} channels"
    yield Finding(
        "microphone",
        "ok",
        f"{answer['chosen']!r} ({answer['host_api']}) accepts"
        f" {', '.join(map(str, answer['rates_hz']))} Hz; recorded at {answer['rate_hz']} Hz,"
        f" {channels}",
    )


def _level(subject: Subject) -> Iterator[Finding]:
    try:
        answer = run_probe(
            "level",
            timeout_s=_TIMEOUT_S,
            source=subject.source,
            device=subject.device if subject.source == "mic" else None,
            preferred_rate_hz=FeatureConfig().sample_rate_hz,
            raw=astuple(subject.raw),
        )
    except ProbeError as error:
        advice = _IF_BUSY if subject.source == "mic" else "try the command by itself"
        yield Finding("level", "problem", str(error), error.advice or advice)
        return
    state, found, advice = _judge(answer)
    yield Finding("level", state, found, advice)
    if answer["lost_s"]:
        yield Finding(
            "lost sound",
            "warning",
            f"{answer['lost_s']:.1f} s were lost while {answer['heard_s']:.1f} s were heard",
            "is the machine busy?",
        )


def _judge(answer: dict[str, Any]) -> tuple[State, str, str]:
    """State, what was heard and what to do; the limits are those of listening."""
    rms, peak, dc = answer["rms_dbfs"], answer["peak_dbfs"], answer["dc"]
    found = f"{rms:.1f} dBFS RMS, peak {peak:.1f} dBFS in {answer['heard_s']:.1f} s"
    if answer["constant"] and dc == 0.0:
        return "problem", "only zeros: is it muted?", "unmute it: alsamixer, F4; or its own switch"
    if answer["constant"]:
        advice = "unplug it and plug it in again; try another one"
        return "problem", f"the samples are stuck at {dc:.4f}", advice
    if peak <= 20.0 * math.log10(SILENCE_PEAK):
        advice = "raise the gain (alsamixer, F4); make a sound while this runs"
        return "warning", f"{found}: silence", advice
    if answer["clipped_share"] >= CLIPPED_SHARE:
        share = f"{100 * answer['clipped_share']:.1f} % of the samples are at full scale"
        return "warning", f"{found}: clipped, {share}", "lower the gain (alsamixer, F4)"
    if abs(dc) >= DC_OFFSET:
        advice = "is the microphone powered as it needs? Try another one"
        return "warning", f"{found}: a DC offset of {dc:+.3f} of full scale", advice
    return "ok", found, ""


def _not_heard(subject: Subject) -> str:
    """Why no live sound is to be examined, "" if it is."""
    if not subject.microphone:
        return "left out: --no-microphone"
    if subject.source != "mic" and not subject.source.startswith(COMMAND_PREFIX):
        return f"sound comes from {subject.source}, which is not live"
    return ""


def _cards(proc: Path) -> list[str]:
    """Names of the kernel's sound cards."""
    found = []
    for card in sorted((proc / "asound").glob("card[0-9]*")):
        try:
            found.append((card / "id").read_text(encoding="utf-8").strip())
        except OSError:  # unplugged meanwhile
            continue
    return found


def _group_of(node: Path) -> str:
    try:
        return grp.getgrgid(node.stat().st_gid).gr_name
    except KeyError:
        return "audio"
