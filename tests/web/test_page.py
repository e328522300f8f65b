"""The page in a real browser: what it shows, how it recovers, and for whom it works."""

from __future__ import annotations

import os
import re
import shlex
import signal
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

pytest.importorskip("tornado", reason="needs tornado, of the extra web")
pytest.importorskip("selenium", reason="needs selenium, of the extra dev")

from edge_asc.benchmarks.browser import Browser, find_browser, open_browser
from edge_asc.benchmarks.listener import LISTEN, Listener
from edge_asc.decision import UNKNOWN_SCENE
from edge_asc.messages import Gap, Health, OutputState, PastScene, Report, SceneChange
from edge_asc.web.output import WebOutput
from tests.web.shown_page import (
    HEALTH,
    SCENES,
    SOURCE,
    change,
    contrast,
    expected,
    free_port,
    opened,
    report,
    served,
    shown,
    terms,
    title,
)

STATIC = Path(__file__).parents[2] / "edge_asc" / "web" / "static"
TOKEN = "a token of more than sixteen characters"
HTML = "<img src=x onerror=document.title='hacked'><b>bold</b>"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    programs = find_browser()
    if programs is None:
        pytest.skip("needs a browser: apt-get install chromium chromium-driver")
    with open_browser(*programs) as running:
        yield running


@pytest.fixture
def page(browser: Browser) -> Iterator[WebOutput]:
    with served() as (output, url), opened(browser, url):
        yield output


def test_the_scene_and_all_that_goes_with_it_is_shown(browser: Browser, page: WebOutput) -> None:
    for message in (HEALTH, change("bus", "metro"), report("bus")):
        page.write(message)
    browser.wait_for_text("scene", "Bus")
    now = shown(browser)
    assert (now["during"], now["belief"], now["level"]) == ("12 s", "70 %", "−31 dBFS")
    assert now["bars"][0] == ["Bus", "70 %", "50 %"]
    assert [name for name, *_ in now["bars"]] == [title(scene) for scene in SCENES]
    assert browser.text("scene-detail") == "Before that: metro, for 1 min 0 s."
    assert re.fullmatch(r"\d\d:\d\d", browser.text("scene-since"))
    assert browser.driver.title == "Bus · edge-asc"
    health = terms(browser, "health")
    assert health["Gaps"] == "2, 2.5 s lost"
    assert health["Memory"] == "68.5 MB"
    outputs = browser.text("outputs")
    assert all(words in outputs for words in ("MQTT broker", "connection refused", "214"))


@pytest.mark.parametrize(
    ("message", "words", "detail"),
    [
        (report(UNKNOWN_SCENE), "Unknown scene", "unlike what the model was trained on"),
        (report(None), "Not decided yet", "bus 70 %, airport 20 %"),
        (report("bus", decision=None), "Bus", "decides nothing (--raw)"),
        (replace(HEALTH, state="no sound", trouble="it was unplugged"), "No sound", "unplugged"),
        (replace(HEALTH, state="starting"), "Waiting for sound", "None has come yet"),
        (replace(HEALTH, state="paused"), "Paused", "until it is continued"),
        (replace(HEALTH, state="ended"), "Ended", "stopped"),
        (HEALTH, "Listening", "when 10 s have been heard"),
    ],
)
def test_every_state_is_told_in_words(
    browser: Browser, page: WebOutput, message: Report | Health, words: str, detail: str
) -> None:
    page.write(message)
    browser.wait_for_text("scene", words)
    assert detail in browser.text("scene-detail")


def test_a_model_for_demonstration_says_so_and_another_does_not(browser: Browser) -> None:
    for is_one in (True, False):
        with served(demonstration=is_one) as (_, url), opened(browser, url):
            notice = browser.driver.find_element("id", "demonstration")
            assert notice.is_displayed() is is_one
            assert "not fit to decide anything" in browser.text("demonstration")
            assert ("Purpose" in terms(browser, "model")) is is_one
            accuracy = browser.text("model-accuracy")
            assert re.search(r"Recognises \d+\.\d % .* of 96 windows .* scenes_open", accuracy)


def test_gaps_are_counted_once_whether_health_knows_of_them_or_not(
    browser: Browser, page: WebOutput
) -> None:
    page.write(HEALTH)
    page.write(Gap(60.0, 72.5, 2.5, "known to health", SOURCE))
    page.write(Gap(73.0, 80.0, 6.25, "it was unplugged", SOURCE))
    browser.wait_for(lambda: terms(browser, "health")["Gaps"] == "3, 8.8 s lost")
    assert "it was unplugged" in terms(browser, "health")["Last gap"]
    page.write(replace(HEALTH, num_gaps=3, lost_s=8.75, heard_s=71.25))
    browser.wait_for(lambda: terms(browser, "health")["Running"] == "1 min 15 s")
    assert terms(browser, "health")["Gaps"] == "3, 8.8 s lost"


def test_what_was_heard_before_is_drawn_listed_and_pointed_at(
    browser: Browser, page: WebOutput
) -> None:
    began = datetime.now().astimezone() - timedelta(minutes=30)
    for number in range(60):
        scene = ("bus", "bar", UNKNOWN_SCENE)[number // 20]
        end_s = 30.0 * (1 + number)
        made = report(scene, end_s, time=began + timedelta(seconds=end_s))
        assert made.decision is not None
        since = replace(made.decision, since_s=600.0 * (number // 20))
        page.write(replace(made, decision=since))
    page.write(
        Gap(1_750.0, 1_800.0, 50.0, "it was unplugged", SOURCE, began + timedelta(minutes=30))
    )
    page.write(change("bus", "bar"))  # after which history is asked for

    def rows() -> list[list[str]]:
        script = """
            return [...document.getElementById("history-rows").rows].map((row) =>
              [...row.cells].slice(2).map((cell) => cell.textContent.replaceAll("\\u00a0", " ")));
        """
        found: list[list[str]] = browser.run(script)
        return found

    browser.wait_for(lambda: len(rows()) == 4)
    words = [row[0] for row in rows()]
    assert words == ["sound was lost: it was unplugged", "Unknown scene", "Bar", "Bus"]
    assert rows()[3][1:] == ["10 min 0 s", "70 %"]
    assert len(browser.driver.find_elements("css selector", "#chart .band")) == 3
    assert len(browser.driver.find_elements("css selector", "#chart .gap")) == 1
    assert "50.0 s lost in 1 gap" in browser.text("history-summary")
    slider = browser.driver.find_element("id", "moment")
    slider.send_keys("\ue012" * 15)  # as many minutes to the left
    assert re.fullmatch(r"\d\d:\d\d: bar, 1 %, −31 dBFS", browser.text("moment-text"))
    spoken = slider.get_attribute("aria-valuetext").replace("\u00a0", " ")
    assert spoken == browser.text("moment-text")


def test_text_from_outside_is_shown_as_text(browser: Browser) -> None:
    scenes = (HTML, "bus", "bar")
    facts: dict[str, Any] = {"name": HTML, "licence": HTML, "card": {"text": HTML}}
    with served(scenes=scenes, **facts) as (output, url), opened(browser, url):
        state = OutputState(HTML, "failing", 0, 0, 1, HTML)
        output.write(replace(HEALTH, outputs=(state,)))
        output.write(report(HTML, scenes=scenes))
        output.write(Gap(75.0, 80.0, 5.0, HTML, SOURCE))
        output.write(SceneChange(HTML, 1.0, 75.0, 0.7, PastScene(HTML, 0.0, 1.0, 0.7), SOURCE))
        browser.wait_for_text("scene", HTML)
        for place in ("scene-detail", "bars", "health", "outputs", "model", "card"):
            assert HTML in browser.text(place)
        browser.wait_for_text("history-rows", HTML)
        browser.wait_for_text("chart", HTML)
        made = (
            "return document.querySelectorAll('main img, main b, [onerror], [style*=url]').length"
        )
        assert browser.run(made) == 0
        assert browser.driver.title == f"{HTML} · edge-asc"


def test_nothing_scrolls_sideways_on_a_phone(browser: Browser, page: WebOutput) -> None:
    for message in (HEALTH, report("construction_site"), change("construction_site", "metro")):
        page.write(message)
    long = "a-name-without-any-place-to-break-it-" * 3
    page.write(replace(HEALTH, outputs=(OutputState(long, "waiting", 0, 999, 0, long),)))
    browser.wait_for_text("outputs", long)
    for width in (320, 360, 390, 768, 1280):
        browser.look(width, 800)
        for summary in browser.driver.find_elements(
            "css selector", "details:not([open]) > summary"
        ):
            summary.click()
        widths = "return [innerWidth, document.documentElement.scrollWidth]"
        assert browser.run(widths) == [width, width]


def test_every_control_is_reached_by_keyboard_and_shows_that(
    browser: Browser, page: WebOutput
) -> None:
    page.write(report("bus"))
    browser.wait_for_text("scene", "Bus")
    controls = """
        return [...document.querySelectorAll("a, button, input, select, summary, [tabindex='0']")]
          .filter((one) => one.checkVisibility()).length
    """
    reached: dict[str, str] = {}
    for _ in range(browser.run(controls)):
        browser.driver.switch_to.active_element.send_keys("\ue004")  # Tab
        name, outline = browser.run("""
            const focused = document.activeElement;
            return [focused.outerHTML, getComputedStyle(focused).outlineStyle];
        """)
        reached[name] = outline
    assert len(reached) == browser.run(controls)
    assert set(reached.values()) == {"solid"}
    assert next(iter(reached)).startswith('<a class="skip"')
    browser.driver.find_element("css selector", ".skip").send_keys("\ue007")  # Enter
    assert browser.run("return document.activeElement.id") == "now"


def test_a_screen_reader_finds_names_and_landmarks(browser: Browser, page: WebOutput) -> None:
    page.write(report("bus"))
    page.write(change("bus", "metro"))
    browser.wait_for(lambda: browser.driver.find_elements("css selector", "#chart .band"))
    nodes = browser.command("Accessibility.getFullAXTree")["nodes"]
    seen = [node for node in nodes if not node["ignored"]]
    named = {(node["role"]["value"], node.get("name", {}).get("value", "")) for node in seen}
    roles = {role for role, _ in named}
    assert {"banner", "main", "contentinfo", "table", "heading", "meter"} <= roles
    for role in ("link", "button", "slider", "meter", "image", "combobox", "region"):
        assert not [name for found, name in named if found == role and not name.strip()], role
    assert {
        ("heading", name) for name in ("edge-asc", "Now", "History", "Listener", "Model")
    } <= named
    assert ("table", "Probability of each scene") in named
    (chart,) = (name for role, name in named if role == "image")
    assert "Mostly bus" in chart.replace("\u00a0", " ")
    meter = next(node for node in seen if node["role"]["value"] == "meter")
    assert meter["value"]["value"] == -31


def test_only_another_scene_is_announced(browser: Browser, page: WebOutput) -> None:
    browser.run("""
        window.announced = [];
        const region = document.querySelector("[aria-live]");
        new MutationObserver(() => window.announced.push(region.textContent))
          .observe(region, { childList: true });
    """)
    for second in range(3):
        page.write(report("bus", 75.0 + second))
    page.write(change("bar", "bus", 78.0))
    for second in range(3):
        page.write(report("bar", 78.0 + second))
    browser.wait_for(lambda: browser.run("return window.announced.length") == 2)
    first, second_one = browser.run("return window.announced")
    assert first.replace("\u00a0", " ") == "Bus, 70 %"
    assert second_one.startswith("Bar, ")
    assert browser.run("return document.querySelectorAll('[aria-live]').length") == 1


def test_colours_have_contrast_in_light_and_in_dark(browser: Browser, page: WebOutput) -> None:
    texts = [("text", "panel"), ("text", "page"), ("quiet", "panel"), ("quiet", "page")]
    texts += [("note-text", "note"), ("failing", "panel"), ("panel", "accent")]
    marks = [(f"tone-{place}", "panel") for place in range(10)]
    marks += [("accent", "panel"), ("ok", "panel"), ("waiting", "panel"), ("accent", "track")]
    for dark in (False, True):
        browser.look(1280, 900, dark=dark)

        def colour(name: str) -> str:
            style = (
                "return getComputedStyle(document.documentElement).getPropertyValue(arguments[0])"
            )
            return str(browser.run(style, f"--{name}"))

        for pairs, least in ((texts, 4.5), (marks, 3.0)):
            for one, other in pairs:
                assert contrast(colour(one), colour(other)) >= least, (one, other, dark)


def test_nothing_moves_for_those_who_want_that(browser: Browser, page: WebOutput) -> None:
    wish = {"name": "prefers-reduced-motion", "value": "reduce"}
    browser.command("Emulation.setEmulatedMedia", features=[wish])
    moving = """
        return [...document.querySelectorAll("*")]
          .map((one) => getComputedStyle(one).transitionDuration).filter((time) => time !== "0s")
    """
    assert not browser.run(moving)


def test_a_token_is_asked_for_and_an_ended_session_asks_again(browser: Browser) -> None:
    with served(token=TOKEN) as (output, url):
        browser.open(url)

        def sign_in(token: str) -> None:
            browser.driver.find_element("id", "token").send_keys(token)
            browser.driver.find_element("css selector", "button").click()

        sign_in("something of more than sixteen characters")
        browser.wait_for_text("message", "not the token")
        sign_in(TOKEN)
        browser.wait_for_text("connection", "live")
        assert browser.run("return document.cookie") == ""  # no script can read it
        browser.run("return fetch('/logout', { method: 'POST' }).then(() => 1)")
        output.write(change("bus", "metro"))  # after which history is asked for
        browser.wait_for(lambda: browser.driver.find_elements("id", "token"))
        sign_in(TOKEN)
        browser.wait_for_text("connection", "live")
        browser.driver.find_element("css selector", "#logout button").click()
        browser.wait_for(lambda: browser.driver.find_elements("id", "token"))
        assert not [words for words in browser.complaints() if "401" not in words]
        browser.driver.get("about:blank")


def test_a_stream_that_says_nothing_is_opened_anew(browser: Browser) -> None:
    """Nobody waits for forty seconds here: long times pass forty times as fast."""
    fast = """
        const patient = setTimeout;
        window.setTimeout = (call, ms, ...rest) => patient(call, ms < 4e4 ? ms : ms / 40, ...rest);
    """
    added = browser.command("Page.addScriptToEvaluateOnNewDocument", source=fast)
    asked: list[str] = []

    def asks_three_times() -> bool:
        asked.extend(url for url in browser.requests() if "/api/events" in url)
        return len(asked) >= 3

    try:
        with served() as (_, url), opened(browser, url):
            browser.wait_for(asks_three_times)
            assert browser.text("connection") == "live"
    finally:
        browser.command("Page.removeScriptToEvaluateOnNewDocument", **added)


def test_nothing_from_outside_can_become_markup() -> None:
    scripts = "".join(path.read_text("utf-8") for path in STATIC.glob("*.js"))
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(", scripts)
    for path in STATIC.glob("*.html"):
        assert not re.search(r"<script>| style=| on\w+=|https?://", path.read_text("utf-8"))


PLAYER = """
import sys, time
sound = open(sys.argv[1], "rb")
for _ in range(125):
    sys.stdout.buffer.write(sound.read(8820))
    sys.stdout.buffer.flush()
    time.sleep(0.1)
"""
"""12.5 s of 44.1 kHz, at the pace of time"""


@pytest.fixture
def hear_a_bus(data_dir: Path, tmp_path: Path) -> Callable[[int], Listener]:
    """A listener to a real recording that breaks off after 12.5 s and begins again."""
    samples, rate_hz = soundfile.read(
        data_dir / "scenes_open" / "bus" / "taipei-wolf__bus226.flac", dtype="int16", always_2d=True
    )
    assert rate_hz == 44_100
    sound = tmp_path / "bus.raw"
    sound.write_bytes(samples[: 13 * rate_hz, 0].tobytes())
    command = shlex.join([sys.executable, "-c", PLAYER, str(sound)])
    installed = (str(Path(sys.executable).with_name("edge-asc")), *LISTEN[3:])

    def hear(port: int) -> Listener:
        arguments = ("--source", f"exec:{command}", "--trust-clock", "--web", str(port))
        return Listener(*arguments, command=installed, env=dict(os.environ))

    return hear


def test_the_page_shows_what_the_json_stream_says_and_survives_a_restart(
    browser: Browser, hear_a_bus: Callable[[int], Listener]
) -> None:
    port = free_port()
    browser.look(1280, 900)
    with hear_a_bus(port) as listener:
        listener.wait_for_word("web page")
        browser.open(f"http://127.0.0.1:{port}/")
        browser.wait_for_text("scene-detail", "The first answer comes when 10 s have been heard")
        check_estimate(browser, listener)
        browser.wait_for(lambda: terms(browser, "health")["Gaps"] != "none")
        gaps = terms(browser, "health")["Gaps"]
        lost_s = np.cumsum([line["lost_s"] for line in listener.lines if line["type"] == "gap"])
        assert gaps in [f"{count}, {lost:.1f} s lost" for count, lost in enumerate(lost_s, 1)]
        assert not browser.complaints()
        assert {url.split("/")[2] for url in browser.requests()} == {f"127.0.0.1:{port}"}
        listener.process.send_signal(signal.SIGKILL)
        browser.wait_for_text("connection", "connection lost, trying again")
        assert browser.driver.title == "No connection · edge-asc"
    with hear_a_bus(port) as listener:
        browser.wait_for_text("connection", "live")
        browser.wait_for_text("scene", "Listening")
        check_estimate(browser, listener)


def check_estimate(browser: Browser, listener: Listener) -> None:
    """Wait for a scene; what is shown then must be what a line said."""
    browser.wait_for(lambda: shown(browser)["belief"] != "–")
    now = shown(browser)

    def was_said(listener: Listener) -> bool:
        estimates = [line for line in listener.lines if line["type"] == "estimate"]
        return now in [expected(line) for line in estimates if line["decision"]["scene"]]

    listener.wait_until(was_said, timeout_s=5.0)
