"""Results of runs that nobody ran: latencies that hang together in time, with outliers."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from edge_asc import __version__
from edge_asc.benchmarks.bench.result import TOTAL, Live, Moment, Result, Timing

STAGES_MS = {"read": 0.4, "resample": 1.1, "features": 3.0, "network": 0.9, "decision": 0.05}
MODEL = "m"
RHO = 0.6
"""Correlation of a latency with the next one"""


def series(
    num: int, rng: np.random.Generator, rho: float = RHO, spread: float = 0.05
) -> npt.NDArray[np.float64]:
    """An AR(1) process, as a latency around 1 with some that take half as long again."""
    steps = rng.standard_normal(num)
    values = np.empty(num)
    values[0] = steps[0]
    for place in range(1, num):
        values[place] = rho * values[place - 1] + math.sqrt(1 - rho**2) * steps[place]
    late: npt.NDArray[np.float64] = 1.0 + (rng.random(num) < 0.03) * rng.exponential(0.5, num)
    return np.exp(spread * values) * late


def made_timings(
    num: int, rng: np.random.Generator, slowed: dict[str, float] | None = None
) -> tuple[Timing, ...]:
    """A whole window's stages and their sum, and the machine's ups and downs common to all."""
    machine = series(num, rng)
    stages = {
        stage: 1e-3 * mean_ms * (slowed or {}).get(stage, 1.0) * machine * series(num, rng, 0.0)
        for stage, mean_ms in STAGES_MS.items()
    }
    stages[TOTAL] = np.sum(list(stages.values()), axis=0)
    at_s = tuple(0.5 * place for place in range(num))
    return tuple(
        Timing(MODEL, "window", stage, tuple(map(float, times)), at_s if stage == TOTAL else ())
        for stage, times in stages.items()
    )


def made_result(
    seed: int = 1, num: int = 200, slowed: dict[str, float] | None = None, **changed: Any
) -> Result:
    """A quiet run on one device."""
    rng = np.random.default_rng(seed)
    whole = Result(
        device={"model": "Raspberry Pi 5 Model B Rev 1.0", "cpu": "Cortex-A76", "cores": 4},
        software={"edge-asc": __version__, "numpy": "2.4.6", "interpreter": "ai-edge-litert 2.3.0"},
        settings={
            "audio": "built-in clip: 10 s inside a train",
            "audio_format": "WAV PCM_16",
            "audio_seconds": 10.0,
            "rate_hz": 44_100,
            "channels": 1,
            "synthetic": False,
            "hop_s": "each model's own",
            "runs": num,
            "threads": 1,
            "seed": 1,
        },
        models=(
            {"name": MODEL, "sha256": "ab" * 32, "bytes": 1000, "window_s": 10.0, "hop_s": 1.0},
        ),
        timings=made_timings(num, rng, slowed),
        created="2026-11-29T10:00:00+00:00",
        live=(Live(MODEL, 1.0, 60, 0, 60.0, 0.01),),
        timeline=tuple(Moment(10.0 * place, 50.0 + place, 2400.0, "") for place in range(10)),
    )
    return replace(whole, **changed)
