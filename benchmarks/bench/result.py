"""What `edge-asc bench` measured: one JSON document, of the same form from every device.

What could not be measured is not in it: a field is absent, never zero.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from edge_asc.atomic import atomic_path
from edge_asc.errors import EdgeAscError

SCHEMA_VERSION = 1

STAGES = ("read", "resample", "features", "encoder", "head", "network", "decision", "publish")
"""The way of sound to an answer. A stream has encoder and head, a whole window the network."""

WAYS = ("window", "stream", "live")
"""A whole window at once; one more hop of a stream, as fast as it goes; one more hop of a stream
that comes in real time, from the arrival of its last sample."""

TOTAL = "total"
"""The stage that is the whole way, end to end: measured, not added up."""

PERCENTILES = (50, 90, 95, 99)

_NUMBERS = re.compile(r"\[\n\s*([-+.\deE,\s]+?)\n\s*\]")
"""A list of numbers as json.dumps indents it; no string holds a line break"""


class BenchError(EdgeAscError):
    """A file is no result of `edge-asc bench`, or two of them cannot be compared."""


@dataclass(frozen=True, slots=True)
class Timing:
    """How long one stage of one way took, each time."""

    model: str
    """As in `Result.models`"""
    way: str
    """One of WAYS"""
    stage: str
    """One of STAGES, or TOTAL"""
    samples_s: tuple[float, ...]
    """In the order in which they were measured"""
    at_s: tuple[float, ...] = ()
    """Of TOTAL: when each ended, in seconds since the run began. The stages of its way have the
    same order."""


@dataclass(frozen=True, slots=True)
class Live:
    """How a stream fared that came as sound does: a hop of it every `hop_s`."""

    model: str
    hop_s: float
    hops: int
    missed: int
    """Hops whose answer was not there when the next hop was due"""
    seconds: float
    cpu_share: float
    """Of one core, all threads of the process together"""


@dataclass(frozen=True, slots=True)
class Throughput:
    """Whole windows in a row, as fast as they go, in threads with a classifier each."""

    model: str
    threads: int
    windows_per_s: float


@dataclass(frozen=True, slots=True)
class ColdStart:
    """A number for each fresh process; files were in the page cache."""

    model: str
    import_s: tuple[float, ...]
    """From the start of the process until all modules are there, the interpreter's own start too"""
    load_s: tuple[float, ...]
    """Reading the model, loading its networks, running its golden windows"""
    first_answer_s: tuple[float, ...]
    """From the start of `edge-asc classify` until its line is there"""


@dataclass(frozen=True, slots=True)
class Memory:
    """Of a fresh process that holds this model alone, and has classified and listened."""

    model: str
    rss_mb: float
    peak_mb: float
    arena_bytes: int | None = None
    """What the whole-window network wants in TFLite Micro, by the model's manifest"""


@dataclass(frozen=True, slots=True)
class Energy:
    """What the whole machine, or the part of it that the meter sees, took meanwhile."""

    way: str
    """One of WAYS, or `rest`: before the run"""
    meter: str
    """What told it: `RAPL package-0`, `INA219 at 0x40`, `constant given by the user`"""
    joules: float
    seconds: float
    answers: int
    """Windows or hops that were answered meanwhile"""
    model: str | None = None
    """None for the machine at rest"""
    threads: int = 1


@dataclass(frozen=True, slots=True)
class Moment:
    """The machine at one time of a run; what it does not tell is None."""

    at_s: float
    """Since the run began"""
    temperature_c: float | None = None
    clock_mhz: float | None = None
    throttled: str | None = None
    """`vcgencmd get_throttled` in words, now or since the moment before; "" where all is well"""
    load_1min: float | None = None


@dataclass(frozen=True, slots=True)
class Result:
    """One run."""

    device: Mapping[str, Any]
    """`model`, `machine`, `cpu`, `cores`, `memory_mb`, `kernel`, `system`, `python`, `governor`,
    `emulated` (by what, where it is)"""
    software: Mapping[str, str]
    """Package -> version, and what numpy's BLAS is"""
    settings: Mapping[str, Any]
    """`audio`, `audio_seconds`, `rate_hz`, `synthetic`, `hop_s`, `runs`, `warm_up`, `seed`,
    `threads`"""
    models: tuple[Mapping[str, Any], ...]
    """`name`, `sha256` of the file, `variant`, `quantization`, `bytes`, `runtime`"""
    timings: tuple[Timing, ...]
    created: str
    """ISO 8601, UTC"""
    complete: bool = True
    """False after Ctrl-C: what had been measured by then"""
    warnings: tuple[str, ...] = ()
    """Why not to trust it: the machine was busy, throttled, emulated"""
    conditions: Mapping[str, float] = field(default_factory=dict)
    """`load_before`, `load_after` (1 min); `busy_cores_before`, `others_cores` during the run,
    `stolen_cores`; `away_share`, `involuntary_switches` while it measured"""
    live: tuple[Live, ...] = ()
    throughput: tuple[Throughput, ...] = ()
    cold_start: tuple[ColdStart, ...] = ()
    memory: tuple[Memory, ...] = ()
    energy: tuple[Energy, ...] = ()
    timeline: tuple[Moment, ...] = ()
    operators: tuple[Mapping[str, Any], ...] = ()
    """`model`, `network`, `index` (of the first), `operators` (how many), `operator` (what they
    are), `median_s`, `low_s`, `high_s`, `share`: by `bench operators`"""
    published: Mapping[str, Any] = field(default_factory=dict)
    """`licence`, `left_out`, `anyway` (why not to share it), `sha256`: by `bench publish`"""

    def to_dict(self) -> dict[str, Any]:
        """As the JSON has it: without what is None or empty."""
        document = {"schema_version": SCHEMA_VERSION, **_without_nothing(asdict(self))}
        document["complete"] = self.complete
        return document

    def to_json(self) -> str:
        """Lists of numbers, which may be long, are in a line each."""
        text = json.dumps(self.to_dict(), indent=1, allow_nan=False)
        return _NUMBERS.sub(lambda found: f"[{' '.join(found[1].split())}]", text)

    def write(self, path: Path) -> None:
        """Whole or not at all, if `path` is a file or none yet. Raises OSError."""
        text = self.to_json() + "\n"
        if path.exists() and not path.is_file():  # a pipe or a device is no file to replace
            path.write_text(text, encoding="utf-8")
            return
        with atomic_path(path) as temporary:
            temporary.write_text(text, encoding="utf-8")

    @classmethod
    def read(cls, path: Path) -> Result:
        """Raises BenchError for anything that `write` did not write."""
        try:
            document = json.loads(path.read_text(encoding="utf-8"))
            version = document.pop("schema_version")
            if version != SCHEMA_VERSION:
                raise BenchError(
                    f"{path}: schema version {version}; this edge-asc knows {SCHEMA_VERSION}"
                )
            rows = {
                name: tuple(kind(**_with_tuples(row)) for row in document.pop(name, ()))
                for name, kind in _KINDS.items()
            }
            for name in ("models", "warnings", "operators"):
                document[name] = tuple(document.get(name, ()))
            return cls(**rows, **document)  # type: ignore[arg-type]
        except OSError as error:
            raise BenchError(f"{path}: {error.strerror}") from error
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise BenchError(f"{path} is no result of `edge-asc bench`: {error}") from error


def percentiles_ms(samples_s: Sequence[float]) -> dict[str, float]:
    """p50, p90, p95, p99 and max, in milliseconds."""
    values = np.percentile(samples_s, PERCENTILES)
    named = {f"p{share}": float(value) for share, value in zip(PERCENTILES, values, strict=True)}
    return {name: 1e3 * value for name, value in {**named, "max": max(samples_s)}.items()}


_KINDS = {
    "timings": Timing,
    "live": Live,
    "throughput": Throughput,
    "cold_start": ColdStart,
    "memory": Memory,
    "energy": Energy,
    "timeline": Moment,
}


def _with_tuples(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: tuple(value) if isinstance(value, list) else value for name, value in row.items()}


def _without_nothing(value: Any) -> Any:  # noqa: ANN401
    if isinstance(value, dict):
        kept = {name: _without_nothing(item) for name, item in value.items() if item is not None}
        return {name: item for name, item in kept.items() if item not in ({}, [], ())}
    if isinstance(value, (list, tuple)):
        return [_without_nothing(item) for item in value]
    return value
