"""What `edge-asc bench` measured: one JSON document, of the same form from every device.

What could not be measured is not in it: a field is absent, never zero.
"""

from __future__ import annotations

import json
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

TOTAL = "total"
"""The stage that is the whole way, end to end: measured, not added up."""

PERCENTILES = (50, 90, 95, 99)


class BenchError(EdgeAscError):
    """A file is no result of `edge-asc bench`, or two of them cannot be compared."""


@dataclass(frozen=True, slots=True)
class Timing:
    """How long one stage of one way took, each time."""

    model: str
    """As in `Result.models`"""
    way: str
    """"window": ten seconds at once; "stream": one more hop of a stream"""
    stage: str
    """One of STAGES, or TOTAL"""
    samples_s: tuple[float, ...]
    """In the order in which they were measured"""


@dataclass(frozen=True, slots=True)
class Throughput:
    """Whole windows in a row, as fast as they go."""

    model: str
    threads: int
    windows_per_s: float


@dataclass(frozen=True, slots=True)
class Moment:
    """The machine at one time of a run; what it does not tell is None."""

    at_s: float
    """Since the run began"""
    temperature_c: float | None = None
    clock_mhz: float | None = None
    throttled: str | None = None
    """`vcgencmd get_throttled` in words, "" where all is well"""
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
    throughput: tuple[Throughput, ...] = ()
    timeline: tuple[Moment, ...] = ()
    cold_start: Mapping[str, Sequence[float]] = field(default_factory=dict)
    """`import_s`, `load_s`, `first_answer_s`: each a list, a number for each fresh process"""
    memory: Mapping[str, float] = field(default_factory=dict)
    """`rss_mb`, `peak_mb`; `arena_bytes` of the model"""
    cpu: Mapping[str, float] = field(default_factory=dict)
    """`share`: of a core that a stream at one hop a second takes"""
    deadlines: Mapping[str, Any] = field(default_factory=dict)
    """`hop_s`, `hops`, `missed`"""
    energy: Mapping[str, Any] = field(default_factory=dict)
    """`meter` (what told it: "RAPL package-0", "INA219", "constant given by the user"), `joules`,
    `seconds`, `joules_per_window`"""
    operators: tuple[Mapping[str, Any], ...] = ()
    """`model`, `network`, `operator`, `index`, `median_s`, `share`"""

    def to_dict(self) -> dict[str, Any]:
        """As the JSON has it: without what is None or empty."""
        document = {"schema_version": SCHEMA_VERSION, **_without_nothing(asdict(self))}
        document["complete"] = self.complete
        return document

    def write(self, path: Path) -> None:
        """Whole or not at all. Raises OSError."""
        text = json.dumps(self.to_dict(), indent=1, allow_nan=False)
        with atomic_path(path) as temporary:
            temporary.write_text(text + "\n", encoding="utf-8")

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
            lists = {
                name: tuple(kind(**row) for row in document.pop(name, ()))
                for name, kind in (("throughput", Throughput), ("timeline", Moment))
            }
            timings = tuple(
                Timing(**{**row, "samples_s": tuple(row["samples_s"])})
                for row in document.pop("timings")
            )
            for name in ("models", "warnings", "operators"):
                document[name] = tuple(document.get(name, ()))
            return cls(timings=timings, **lists, **document)  # type: ignore[arg-type]
        except OSError as error:
            raise BenchError(f"{path}: {error.strerror}") from error
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise BenchError(f"{path} is no result of `edge-asc bench`: {error}") from error


def percentiles_ms(samples_s: Sequence[float]) -> dict[str, float]:
    """p50, p90, p95, p99 and max, in milliseconds."""
    values = np.percentile(samples_s, PERCENTILES)
    named = {f"p{share}": float(value) for share, value in zip(PERCENTILES, values, strict=True)}
    return {name: 1e3 * value for name, value in {**named, "max": max(samples_s)}.items()}


def _without_nothing(value: Any) -> Any:  # noqa: ANN401
    if isinstance(value, dict):
        kept = {name: _without_nothing(item) for name, item in value.items() if item is not None}
        return {name: item for name, item in kept.items() if item not in ({}, [], ())}
    if isinstance(value, (list, tuple)):
        return [_without_nothing(item) for item in value]
    return value
