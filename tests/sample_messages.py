"""One message of each kind, with every field set."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import numpy as np

from edge_asc.classifier import SceneEstimate
from edge_asc.decision import Decision
from edge_asc.drift import Drift
from edge_asc.messages import (
    Gap,
    Health,
    Latency,
    OutputState,
    PastScene,
    Report,
    SceneChange,
)

CHINA = timezone(timedelta(hours=8))
TIME = datetime(2026, 5, 17, 14, 3, 9, 12_345, CHINA)
SCENES = ("bus", "shopping_mall", "bar")
SOURCE = "microphone 'USB'"

ESTIMATE = SceneEstimate(
    SCENES, np.array([0.03, 0.83, 0.14], np.float32), 2.0, 12.0, familiarity=4.25
)
DECISION = Decision(SCENES, np.array([0.0625, 0.9375, 0.0], np.float32), SCENES[1], 0.5, 3.5)
REPORT = Report(
    ESTIMATE,
    SOURCE,
    "tiny",
    True,
    city="Xi'an",
    time=TIME,
    decision=DECISION,
    level_dbfs=-31.5,
)
GAP = Gap(12.0, 15.25, 2.5, "it was unplugged", SOURCE, TIME)
CHANGE = SceneChange(
    "bar", 22.5, 31.0, 0.75, PastScene("shopping_mall", 0.5, 22.5, 0.875), SOURCE, TIME
)
HEALTH = Health(
    state="listening",
    trouble="",
    source=SOURCE,
    model="tiny",
    uptime_s=60.5,
    heard_s=57.25,
    lost_s=2.5,
    num_gaps=1,
    num_estimates=40,
    num_changes=2,
    level_dbfs=-31.5,
    latency=Latency(3.5, 12.25),
    memory_mb=71.5,
    drift=Drift(0.25, 0.5, 0.03125, 0.0625, 0.05, 40.0),
    outputs=(OutputState("log a.csv", "waiting", 40, 3, 1, "cannot be written: disk full"),),
    time=TIME,
)
MESSAGES = (REPORT, GAP, CHANGE, HEALTH)
