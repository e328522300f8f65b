"""Whether two results can be compared, and what differs between where they come from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from edge_asc.benchmarks.bench.publish import OWN_RECORDING
from edge_asc.benchmarks.bench.result import Result
from edge_asc.benchmarks.bench.warnings import busy_warnings

_SAME_WORK = ("rate_hz", "channels", "hop_s", "audio_format")
"""Settings that change what is computed for one answer"""

_SAME_AIM = ("audio", "synthetic", "threads", "blas_threads")
"""Settings that one may want to compare: the difference is then theirs"""


@dataclass(frozen=True, slots=True)
class Difference:
    """Something that the two results say differently; None where one does not say it."""

    name: str
    """As "device: cpu"."""
    a: Any
    b: Any

    def __str__(self) -> str:
        return f"{self.name}: {_said(self.a)} against {_said(self.b)}"


def refusals(a: Result, b: Result) -> list[str]:
    """Why comparing their times would say nothing."""
    found = [f"{difference}: not the same work" for difference in _of_settings(a, b, _SAME_WORK)]
    if bool(a.device.get("emulated")) != bool(b.device.get("emulated")):
        which = "A" if a.device.get("emulated") else "B"
        found.append(
            f"{which} is from an emulated processor, whose times say nothing of a real one"
        )
    return found


def cautions(a: Result, b: Result) -> list[str]:
    """Why to doubt the comparison, or what it compares beside the devices."""
    found = [str(difference) for difference in _of_settings(a, b, _SAME_AIM)]
    if a.settings.get("audio") == b.settings.get("audio") == OWN_RECORDING:
        found.append("each heard an own recording, and nobody tells whether it is the same")
    found += _models(a, b)
    for name, result in (("A", a), ("B", b)):
        if not result.complete:
            found.append(f"{name} is incomplete: it was interrupted")
        if any(busy_warnings(result.conditions)):
            found.append(f"{name}'s machine was busy: what differs may be that, and no program")
        found += [f"{name}: {warning}" for warning in result.warnings]
    return found


def differences(a: Result, b: Result) -> list[Difference]:
    """All else that device, software and settings say differently, in that order."""
    told = {f"settings: {name}" for name in (*_SAME_WORK, *_SAME_AIM)}
    parts = (
        ("device", a.device, b.device),
        ("software", a.software, b.software),
        ("settings", a.settings, b.settings),
    )
    return [item for part in parts for item in _between(*part) if item.name not in told]


def _of_settings(a: Result, b: Result, names: tuple[str, ...]) -> list[Difference]:
    asked = {f"settings: {name}" for name in names}
    return [item for item in _between("settings", a.settings, b.settings) if item.name in asked]


def _between(part: str, a: Mapping[str, Any], b: Mapping[str, Any]) -> list[Difference]:
    names = [*a, *(name for name in b if name not in a)]
    return [
        Difference(f"{part}: {name}", a.get(name), b.get(name))
        for name in names
        if a.get(name) != b.get(name)
    ]


def _models(a: Result, b: Result) -> Iterator[str]:
    """Models of the same name that are not the same, and those that only one has."""
    of_a, of_b = ({model["name"]: model for model in result.models} for result in (a, b))
    for name in of_a.keys() & of_b.keys():
        hashes = [str(model.get("sha256", "unknown"))[:12] for model in (of_a[name], of_b[name])]
        if hashes[0] != hashes[1]:
            yield f"{name} is not the same file: sha256 {hashes[0]}... against {hashes[1]}..."
    for which, mine, other in (("A", of_a, of_b), ("B", of_b, of_a)):
        for name in sorted(mine.keys() - other.keys()):
            yield f"only {which} has the model {name}: it is left out"


def _said(value: Any) -> str:  # noqa: ANN401
    return "not told" if value is None else str(value)
