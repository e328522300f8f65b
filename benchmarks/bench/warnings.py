"""Why a result is not to be trusted: each reason is a sentence of its own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from edge_asc.benchmarks.bench.result import Moment
from edge_asc.doctor.machine import HOT_C

BUSY_CORES = 0.1
"""So much of a core that others use is told; it is what a quiet desktop takes."""

AWAY_SHARE = 0.05
"""So much of the time measured in which the process did not run is told."""

STOLEN_CORES = 0.01
"""So much of a core that other virtual machines take is told."""


def device_warnings(device: Mapping[str, Any]) -> Iterator[str]:
    """What is known before anything is measured."""
    if sign := device.get("emulated"):
        yield f"this processor is emulated ({sign}): its times say nothing about a real one"
    if sign := device.get("virtual"):
        yield f"this is a virtual machine ({sign}): others may share its processor unseen"
    if (governor := device.get("governor", "performance")) != "performance":
        yield (
            f"the governor is {governor}, not performance: the clock follows the load, and short"
            " measurements begin before it has risen"
        )


def busy_warnings(conditions: Mapping[str, float]) -> Iterator[str]:
    """Who else used the machine, before the run and during it."""
    for when, name in (("before", "busy_cores_before"), ("during", "others_cores")):
        if (cores := conditions.get(name, 0.0)) > BUSY_CORES:
            yield f"the machine was busy {when} the run: other programs used {cores:.2f} cores"
    if (cores := conditions.get("stolen_cores", 0.0)) > STOLEN_CORES:
        yield f"other virtual machines took {cores:.2f} cores during the run (steal time)"
    if (away := conditions.get("away_share", 0.0)) > AWAY_SHARE:
        times = int(conditions["involuntary_switches"])
        yield (
            f"the benchmark waited for the processor in {100 * away:.0f} % of the time measured,"
            f" and was taken off its core {times} times"
        )


def heat_warnings(timeline: Sequence[Moment]) -> Iterator[str]:
    """Whether the machine was hot or slowed down at any time of the run."""
    degrees = [moment.temperature_c for moment in timeline if moment.temperature_c is not None]
    if degrees and max(degrees) >= HOT_C:
        yield f"the processor reached {max(degrees):.0f} °C: hot processors are slowed down"
    said = sorted({moment.throttled for moment in timeline if moment.throttled})
    for text in said:
        num_moments = sum(moment.throttled == text for moment in timeline)
        yield f"throttled at {num_moments} of {len(timeline)} moments: {text}"
