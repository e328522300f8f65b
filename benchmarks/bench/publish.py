"""A result as one may share it: without what tells on its owner, checked, and with a checksum."""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any

from edge_asc.benchmarks.bench.result import BenchError, Result
from edge_asc.benchmarks.bench.subject import BUILT_IN
from edge_asc.benchmarks.bench.warnings import busy_warnings

LICENCE = "CC0-1.0"
"""A suggestion: everybody may use the figures (creativecommons.org/publicdomain/zero/1.0)"""

OWN_RECORDING = "own recording"

_KEPT = {
    "device": (
        *("model", "machine", "cpu", "cores", "cores_allowed", "memory_mb", "kernel", "system"),
        *("python", "governor", "max_clock_mhz", "emulated", "virtual"),
    ),
    "settings": (
        *("audio", "audio_format", "audio_seconds", "rate_hz", "channels", "synthetic", "hop_s"),
        *("runs", "warm_up", "threads", "blas_threads", "minutes", "starts", "seed", "cities"),
    ),
    "models": (
        *(
            "name",
            "sha256",
            "variant",
            "quantization",
            "window_s",
            "hop_s",
            "streams",
            "bytes",
            "runtime",
        ),
    ),
}
"""What is shared of the parts that may hold anything; what is not named here is left out."""

_FOLDERS = re.compile(r"(?<![\w.])~?(?:/[^/\s()'\"]+)+/(?=[^/\s])")
"""The folders of an absolute path, up to the file's name"""

_OF_EVERY_SYSTEM = ("/proc/", "/sys/", "/dev/")

_ON_PURPOSE = "on purpose"
"""In the warning of a run whose stages were slowed, to try comparisons"""


@dataclass(frozen=True, slots=True)
class Identity:
    """Who is at this machine: words that no shared file may hold."""

    user: str
    host: str

    @property
    def words(self) -> list[str]:
        """Those that are somebody's own, and not what a system came with."""
        return [word for word in (self.user, self.host) if word and word not in _USUAL]


_USUAL = ("root", "pi", "user", "debian", "ubuntu", "raspberrypi", "localhost")


def objections(result: Result) -> list[str]:
    """Why the result had better not be shared."""
    found = [] if result.complete else ["it is incomplete: it was interrupted"]
    found += busy_warnings(result.conditions)
    return found + [text for text in result.warnings if text.endswith(_ON_PURPOSE)]


def publish(
    result: Result, identity: Identity, *, licence: str = LICENCE, anyway: bool = False
) -> Result:
    """The result to share; `published` says what was left out.

    With `anyway`, objections do not matter and are written in it. Raises BenchError for one that
    had better not be shared, or that holds what no run measures.
    """
    check(result)
    against = objections(result)
    if against and not anyway:
        raise BenchError(
            f"this had better not be shared: {'; '.join(against)}. Measure again, or say --anyway,"
            " which will be written in it"
        )
    owner = _Owner(identity)
    shared = owner.left_out_of(result)
    told = {"licence": licence, "left_out": sorted(owner.left_out), "anyway": against}
    shared = replace(shared, published={name: value for name, value in told.items() if value})
    return replace(shared, published={**shared.published, "sha256": checksum(shared)})


def checksum(result: Result) -> str:
    """SHA-256 of the document without its own checksum: JSON, keys sorted, no spaces."""
    document = result.to_dict()
    document.get("published", {}).pop("sha256", None)
    text = json.dumps(document, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def is_unchanged(result: Result) -> bool:
    """Whether a published result is what was published; True for one that never was."""
    return not result.published or result.published.get("sha256") == checksum(result)


def check(result: Result) -> None:
    """Raises BenchError for what no run measures: no samples, times below zero, unknown models."""
    faults = list(_faults(result))
    if faults:
        raise BenchError(f"this is no result of a run: {'; '.join(faults)}; measure again")


def _faults(result: Result) -> Iterator[str]:
    names = {str(model.get("name")) for model in result.models}
    if not result.timings:
        yield "it has no timings"
    for timing in result.timings:
        what = f"{timing.model}, {timing.way}, {timing.stage}"
        if timing.model not in names:
            yield f"{what}: its models are {', '.join(sorted(names)) or 'none'}"
        if not timing.samples_s:
            yield f"{what} has no samples"
        elif not all(math.isfinite(value) and value >= 0.0 for value in timing.samples_s):
            yield f"{what}: a time is below zero or no number"


class _Owner:
    """Takes out what tells on the owner, and remembers what that was."""

    def __init__(self, identity: Identity) -> None:
        self._words = re.compile(
            "|".join(rf"\b{re.escape(word)}\b" for word in identity.words) or r"(?!)"
        )
        self.left_out: set[str] = set()

    def left_out_of(self, result: Result) -> Result:
        kept = replace(
            result,
            device=self._known(result.device, "device"),
            settings=self._without_recording(self._known(result.settings, "settings")),
            models=tuple(self._known(model, "models") for model in result.models),
        )
        names = self._new_names([str(model["name"]) for model in result.models])
        changed: Result = _mapped(kept, lambda text: names.get(text) or self._scrub(text))
        return changed

    def _known(self, facts: Mapping[str, Any], part: str) -> dict[str, Any]:
        self.left_out |= {f"{part}: {name}" for name in facts if name not in _KEPT[part]}
        return {name: value for name, value in facts.items() if name in _KEPT[part]}

    def _without_recording(self, settings: dict[str, Any]) -> dict[str, Any]:
        if settings.get("audio", BUILT_IN) == BUILT_IN:
            return settings
        self.left_out.add("the recording's name")
        return {**settings, "audio": OWN_RECORDING}

    def _new_names(self, names: list[str]) -> dict[str, str]:
        """Names of models without folders, and still all different."""
        found: dict[str, str] = {}
        for name in names:
            new = self._scrub(name.rpartition("/")[2] if name.endswith(".tflite") else name)
            while new in found.values():
                new += "'"
            if new != name:
                self.left_out.add("part of a model's name")
            found[name] = new
        return found

    def _scrub(self, text: str) -> str:
        without = _FOLDERS.sub(_shortened, text)
        if without != text:
            self.left_out.add("names of folders")
        anonymous = self._words.sub("(left out)", without)
        if anonymous != without:
            self.left_out.add("names of the user or the machine")
        return anonymous


def _shortened(found: re.Match[str]) -> str:
    return found[0] if found[0].startswith(_OF_EVERY_SYSTEM) else ""


def _mapped(value: Any, change: Callable[[str], str]) -> Any:  # noqa: ANN401
    """`value` with `change` done to each text in it, names of fields apart."""
    if isinstance(value, str):
        return change(value)
    if is_dataclass(value) and not isinstance(value, type):
        parts = {one.name: _mapped(getattr(value, one.name), change) for one in fields(value)}
        return replace(value, **parts)
    if isinstance(value, Mapping):
        return {change(name): _mapped(item, change) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return tuple(_mapped(item, change) for item in value)
    return value
