"""Messages for the page, the page without a listener behind it, and what a browser shows of it."""

from __future__ import annotations

import json
import math
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from types import SimpleNamespace
from typing import Any

import numpy as np

from edge_asc.benchmarks.browser import Browser
from edge_asc.classifier import SceneEstimate
from edge_asc.decision import Decision
from edge_asc.messages import Health, OutputState, PastScene, Report, SceneChange
from edge_asc.model_file import ModelFile, default_model_path
from edge_asc.web.http import Address
from edge_asc.web.opening import open_page
from edge_asc.web.output import WebOutput

SOURCE = "microphone 'USB'"
MANIFEST = ModelFile.read(default_model_path()).manifest
SCENES = MANIFEST.scenes

HEALTH = Health(
    state="listening",
    trouble="",
    source=SOURCE,
    model="default",
    uptime_s=75.0,
    heard_s=70.0,
    lost_s=2.5,
    num_gaps=2,
    num_estimates=60,
    num_changes=3,
    memory_mb=68.5,
    outputs=(OutputState("MQTT broker", "waiting", 40, 214, 3, "connection refused"),),
    time=datetime.now().astimezone(),
)


def report(
    scene: str | None, end_s: float = 75.0, scenes: tuple[str, ...] = SCENES, **values: Any
) -> Report:
    """70 % of belief are in the first scene, 20 % in the second; the window alone says 50 and 40.

    `scene` has been decided for 12 s.
    """
    alone, belief = (np.full(len(scenes), 0.1 / (len(scenes) - 2), np.float32) for _ in range(2))
    alone[:2], belief[:2] = (0.5, 0.4), (0.7, 0.2)
    since_s = None if scene is None else end_s - 12.0
    estimate = SceneEstimate(scenes, alone, end_s - 10.0, end_s, familiarity=4.0)
    decision = Decision(scenes, belief, scene, since_s, 4.0)
    now = datetime.now().astimezone()
    basic = Report(
        estimate, SOURCE, "default", True, time=now, decision=decision, level_dbfs=-31.25
    )
    return replace(basic, **values)


def change(scene: str | None, previous: str, end_s: float = 75.0) -> SceneChange:
    before = PastScene(previous, 3.0, 63.0, 0.8)
    return SceneChange(scene, end_s - 12.0, end_s, 0.7, before, SOURCE)


@contextmanager
def served(token: str | None = None, **facts: Any) -> Iterator[tuple[WebOutput, str]]:
    """The page's output and its address, without a listener behind it."""
    listening: Any = SimpleNamespace(
        source=SimpleNamespace(name=SOURCE, live=True),
        manifest=replace(MANIFEST, **facts),
        say=lambda text: None,
    )
    output = open_page(Address("127.0.0.1", 0), token, listening, None)
    try:
        yield output, output.name.rpartition(" ")[2]
    finally:
        output.close()


@contextmanager
def opened(browser: Browser, url: str) -> Iterator[None]:
    """The page at `url`, which at the end must not have complained or asked elsewhere."""
    browser.look(1280, 900)
    browser.open(url)
    browser.wait_for_text("connection", "live")
    try:
        yield
        assert not browser.complaints()
        assert {request.rpartition(":")[0] for request in browser.requests()} <= {
            "http://127.0.0.1"
        }
    finally:
        browser.driver.get("about:blank")


def terms(browser: Browser, element_id: str) -> dict[str, str]:
    """A list of terms and what is said of them."""
    script = """
        const rows = document.getElementById(arguments[0]).children;
        return [...rows].map((row) => [...row.children].map((cell) => cell.textContent));
    """
    spaced = json.dumps(browser.run(script, element_id), ensure_ascii=False).replace("\u00a0", " ")
    return dict(json.loads(spaced))


def shown(browser: Browser) -> dict[str, Any]:
    """What the page says at one moment."""
    script = """
        const text = (id) => document.getElementById(id).textContent;
        const cells = (row) => [...row.cells].map((cell) => cell.textContent);
        const bars = [...document.getElementById("bars").rows].map(cells);
        return JSON.stringify({
          scene: text("scene"), during: text("scene-for"), belief: text("scene-belief"),
          level: text("level-value"), bars: bars.map(([name, , ...shares]) => [name, ...shares]),
        });
    """
    values: dict[str, Any] = json.loads(browser.run(script).replace("\u00a0", " "))
    return values


def percent(share: float) -> str:
    return f"{math.floor(100 * share + 0.5)} %"


def title(scene: str) -> str:
    return scene.replace("_", " ").capitalize()


def expected(estimate: dict[str, Any]) -> dict[str, Any]:
    """What the page has to say after a line of the JSON stream."""
    decision = estimate["decision"]
    during_s = math.floor(estimate["end_s"] - decision["since_s"] + 0.5)
    minutes = f"{during_s // 60} min " if during_s >= 60 else ""
    return {
        "scene": title(decision["scene"]),
        "during": f"{minutes}{during_s % 60} s",
        "belief": percent(decision["confidence"]),
        "level": f"{estimate['level_dbfs']:.0f} dBFS".replace("-", "−"),
        "bars": [
            [title(scene), percent(decision["probabilities"][scene]), percent(alone)]
            for scene, alone in estimate["probabilities"].items()
        ],
    }


def contrast(one: str, other: str) -> float:
    """Of two colours "#rrggbb", as WCAG 2.2 defines it."""

    def luminance(colour: str) -> float:
        digits = colour * 2 if len(colour) == 3 else colour
        parts = [int(digits[place : place + 2], 16) / 255 for place in (0, 2, 4)]
        linear = [
            part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
        ]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    lighter, darker = sorted((luminance(one[1:]), luminance(other[1:])), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
