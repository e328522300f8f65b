"""A headless Chromium that knows what a page did wrong."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

from selenium import webdriver

PATIENCE_S = 30.0

FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--hide-scrollbars",
)

Found = TypeVar("Found")


class Browser:
    """One tab."""

    def __init__(self, driver: Any) -> None:  # noqa: ANN401
        self.driver = driver

    def open(self, url: str) -> None:
        """A page, with nothing in the logs of what was before."""
        self.driver.get("about:blank")
        for kind in ("browser", "performance"):
            self.driver.get_log(kind)
        self.driver.get(url)

    def run(self, script: str, *arguments: Any) -> Any:  # noqa: ANN401
        """What the body of a function in JavaScript returns."""
        return self.driver.execute_script(script, *arguments)

    def text(self, element_id: str) -> str:
        """The text of an element, with ordinary spaces."""
        script = "return document.getElementById(arguments[0])?.textContent ?? ''"
        return str(self.run(script, element_id)).replace("\u00a0", " ").strip()

    def wait_for(self, find: Callable[[], Found], timeout_s: float = PATIENCE_S) -> Found:
        """What `find` finds, as soon as that is something."""
        until_s = time.monotonic() + timeout_s
        while not (found := find()):
            if time.monotonic() > until_s:
                seen = self.run("return document.body.innerText")
                raise TimeoutError(f"it did not come; the page says: {seen}")
            time.sleep(0.05)
        return found

    def wait_for_text(self, element_id: str, text: str) -> None:
        """Until an element says `text`, perhaps among other things."""
        self.wait_for(lambda: text in self.text(element_id))

    def look(self, width: int, height: int, *, dark: bool = False, scale: float = 1.0) -> None:
        """Be a window of that size, or below 600 px a phone."""
        size = {"width": width, "height": height, "deviceScaleFactor": scale, "mobile": width < 600}
        self.command("Emulation.setDeviceMetricsOverride", **size)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.command("Emulation.setEmulatedMedia", features=[scheme])

    def command(self, name: str, **parameters: Any) -> Any:  # noqa: ANN401
        """Chromium's own protocol."""
        return self.driver.execute_cdp_cmd(name, parameters)

    def complaints(self) -> list[str]:
        """What the console says: errors, warnings, violations of the content-security policy."""
        entries = self.driver.get_log("browser")
        return [entry["message"] for entry in entries if entry["level"] in ("WARNING", "SEVERE")]

    def requests(self) -> list[str]:
        """The URLs that were asked for."""
        events = (json.loads(entry["message"]) for entry in self.driver.get_log("performance"))
        return [
            event["message"]["params"]["request"]["url"]
            for event in events
            if event["message"]["method"] == "Network.requestWillBeSent"
        ]


def find_browser() -> tuple[str, str] | None:
    """The programs, None where they are missing."""
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    return None if chromium is None or driver is None else (chromium, driver)


@contextmanager
def open_browser(chromium: str, driver: str) -> Iterator[Browser]:
    """Chromium with an empty profile, which is gone at the end."""
    with TemporaryDirectory(prefix="edge-asc-browser-", ignore_cleanup_errors=True) as profile:
        options = webdriver.ChromeOptions()
        options.binary_location = chromium
        for flag in (*FLAGS, f"--user-data-dir={profile}"):
            options.add_argument(flag)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        running = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
        try:
            yield Browser(running)
        finally:
            running.quit()
