"""What a device that classifies by itself reports, as messages like those of a listener."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

from edge_asc.classifier import SceneEstimate, familiarity
from edge_asc.clock import WallClock, elapsed_s
from edge_asc.errors import EdgeAscError, LinkError
from edge_asc.firmware_bridge.link.controls import (
    NO_MODEL,
    UNKNOWN_CITY,
    Can,
    Context,
    Hello,
    TimeRequest,
    model_hash,
)
from edge_asc.firmware_bridge.link.conversation import Conversation
from edge_asc.firmware_bridge.link.device_clock import DeviceClock
from edge_asc.firmware_bridge.link.host import Arrived
from edge_asc.firmware_bridge.link.port import PortName
from edge_asc.firmware_bridge.link.streams import Estimate, Level, Log
from edge_asc.manifest import Manifest
from edge_asc.mel_bands import BLOCK_FRAMES
from edge_asc.messages import Gap, Report
from edge_asc.sources.live import FIRST_RETRY_S, LAST_RETRY_S

SYNC_S = 10.0
"""So often the device is asked for its time, which also shows that it is there"""

FIRST_SYNCS = 4

CONTEXT_S = 60.0
"""So often it is told the time"""


class WrongDeviceError(LinkError):
    """A device that this monitor is not for: waiting does not help."""


@dataclass(frozen=True, slots=True)
class LogLine:
    """A line that the device had to say."""

    text: str
    level: Level
    time: datetime
    source: str


@dataclass(frozen=True, slots=True)
class Place:
    """What the device is told: where it is, and when; None is unknown."""

    city: str | None
    local_time: datetime | None
    """When the monitor began; it counts on from there"""


Told = Report | Gap | LogLine


class Monitor:
    """Reports of one port, for ever; a device that went away is waited for, unless not `retry`."""

    def __init__(
        self,
        port: PortName,
        manifest: Manifest,
        place: Place,
        *,
        tell: Callable[[Told], None],
        say: Callable[[str], None],
        retry: bool = True,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """`tell` takes what the device reports, `say` notes for the user."""
        self._port, self._manifest, self._place = port, manifest, place
        self._tell, self._say, self._retry, self._sleep = tell, say, retry, sleep
        self._wall_clock = WallClock(say)
        self._began_s = elapsed_s()
        self._origin_s: float | None = None
        """When the device was reset that came first: second 0 of the stream"""
        self._told_until_s: float | None = None
        self._cause = ""
        """Why reports are missing since then; "" if none are"""
        self._away = False
        """Whether the device has gone since the last report"""
        self._trouble = ""
        """What was told of that"""
        self.closing = threading.Event()
        """Set from any thread, it ends `run`."""

    def run(self) -> None:
        """Raises WrongDeviceError, and without `retry` every LinkError and SourceError."""
        retry_s = FIRST_RETRY_S
        while not self.closing.is_set():
            try:
                self._watch()
            except WrongDeviceError:
                raise
            except EdgeAscError as error:
                if not self._retry:
                    raise
                if not self._trouble:
                    retry_s = FIRST_RETRY_S
                self._tell_trouble(str(error))
                self._sleep(retry_s)
                retry_s = min(2 * retry_s, LAST_RETRY_S)

    def _tell_trouble(self, text: str) -> None:
        self._cause, self._away = self._cause or text, True
        if text != self._trouble:
            self._say(f"{text}; trying again until it is back")
        self._trouble = text

    def _watch(self) -> None:
        """One conversation, until it breaks or `closing`."""
        conversation = Conversation(self._port)
        try:
            hello = conversation.greet(self.closing)
            if hello is None:
                return
            self._check(hello)
            source = f"{hello.name} on {self._port.path}"
            self._say(f"{source} classifies with model {self._manifest.name}")
            self._settle(conversation, hello)
            takes_context = bool(hello.capabilities & Can.CONTEXT)
            _Session(self, conversation, source, context=takes_context).run()
        finally:
            conversation.close()

    def _check(self, hello: Hello) -> None:
        if not hello.capabilities & Can.ESTIMATES:
            raise WrongDeviceError(
                f"{hello.name} does not classify by itself; hear what it hears:"
                f" edge-asc listen --source serial:{self._port.path}:{self._port.baud}"
            )
        expected = model_hash(self._manifest)
        if hello.model_sha256 != expected:
            has = "none" if hello.model_sha256 == NO_MODEL else hello.model_sha256.hex()[:16]
            raise WrongDeviceError(
                f"{hello.name} runs another model: its hash begins with {has}, that of"
                f" {self._manifest.name} with {expected.hex()[:16]}; name the model that the"
                " firmware was exported from (--model FILE), or export and flash it again"
            )

    def _settle(self, conversation: Conversation, hello: Hello) -> None:
        for _ in range(FIRST_SYNCS):
            conversation.link.ask(TimeRequest(round(1e6 * elapsed_s())))
        if hello.capabilities & Can.CONTEXT:
            conversation.link.ask(self.context())
        elif self._place.city is not None:
            self._say(f"{hello.name} takes neither city nor time")
        conversation.start(Can.ESTIMATES | hello.capabilities & Can.LOG)

    def context(self) -> Context:
        """What the device is told now."""
        cities, when = self._manifest.cities, self._place.local_time
        city = cities.index(self._place.city) if self._place.city in cities else UNKNOWN_CITY
        if when is not None:
            when += timedelta(seconds=elapsed_s() - self._began_s)
        return Context(city, when)

    def take(self, arrived: Arrived, clock: DeviceClock, source: str) -> None:
        """Tell what came, after what is missing before it."""
        if arrived.lost:
            lost = "1 report" if arrived.lost == 1 else f"{arrived.lost} reports"
            self._cause = self._cause or f"{lost} of the device did not come through"
        if isinstance(arrived.message, Log):
            now = self._wall_clock.at(elapsed_s())
            self._tell(LogLine(arrived.message.text, arrived.message.level, now, source))
        elif isinstance(arrived.message, Estimate):
            self._take_estimate(arrived.message, clock, source)

    def _take_estimate(self, estimate: Estimate, clock: DeviceClock, source: str) -> None:
        facts = self._manifest
        if len(estimate.values) != len(facts.scenes):
            raise WrongDeviceError(
                f"{source} reports {len(estimate.values)} values, model {facts.name} has"
                f" {len(facts.scenes)} scenes; export its firmware again"
            )
        moment_s = clock.moment_s(estimate.end_us)
        if self._origin_s is None:
            self._origin_s = clock.moment_s(0)
        end_s = max(moment_s - self._origin_s, 1e-6)
        when = self._wall_clock.at(moment_s)
        away = self._away
        self._tell_gap(end_s, when, source)
        self._tell(
            Report(
                self._scene_estimate(estimate, end_s, after_gap=estimate.after_gap or away),
                source,
                facts.name,
                facts.demonstration,
                self._place.city if self._place.city in facts.cities else None,
                when,
            )
        )
        self._told_until_s = end_s

    def _tell_gap(self, end_s: float, when: datetime, source: str) -> None:
        """What no report told of before the one that ends at `end_s`."""
        facts, told_until_s = self._manifest, self._told_until_s
        hop_s = BLOCK_FRAMES / facts.features.frames_per_second
        covered_s = facts.window_s if self._away else hop_s
        cause = self._cause
        self._cause, self._trouble, self._away = "", "", False
        if not cause or told_until_s is None:
            return
        missing_s = end_s - covered_s - told_until_s
        if missing_s < hop_s / 2:  # only a line of the log, or it was quickly back
            self._say(cause)
            return
        gap_time = when - timedelta(seconds=covered_s)
        gap_end_s = told_until_s + missing_s
        self._tell(Gap(told_until_s, gap_end_s, missing_s, cause, source, gap_time))

    def _scene_estimate(
        self, estimate: Estimate, end_s: float, *, after_gap: bool
    ) -> SceneEstimate:
        facts = self._manifest
        known = math.nan
        if not estimate.flags & Estimate.PROBABILITIES:
            known = familiarity(estimate.values.astype(np.float32) / 256)
        return SceneEstimate(
            facts.scenes,
            estimate.probabilities(facts.temperature),
            end_s - facts.window_s,
            end_s,
            after_gap=after_gap,
            familiarity=known,
        )


class _Session:
    """Reads what a greeted device reports, and keeps its clock and context up to date."""

    def __init__(
        self, monitor: Monitor, conversation: Conversation, source: str, *, context: bool
    ) -> None:
        """`context`: whether it takes any."""
        self._monitor, self._conversation, self._source = monitor, conversation, source
        self._context = context
        self._clock = DeviceClock()
        self._synced_s = self._told_s = elapsed_s()

    def run(self) -> None:
        while not self._monitor.closing.is_set():
            arrived = self._conversation.read()
            for answer, arrived_s in self._conversation.link.take_times():
                self._clock.add(answer, arrived_s)
            for one in arrived:
                if not self._monitor.closing.is_set():
                    self._monitor.take(one, self._clock, self._source)
            self._ask()

    def _ask(self) -> None:
        link, now_s = self._conversation.link, elapsed_s()
        if link.idle and now_s - self._synced_s >= SYNC_S:
            self._synced_s = now_s
            link.ask(TimeRequest(round(1e6 * now_s)))
        if self._context and link.idle and now_s - self._told_s >= CONTEXT_S:
            self._told_s = now_s
            link.ask(self._monitor.context())
