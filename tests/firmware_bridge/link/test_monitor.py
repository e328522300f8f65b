"""What is told of a device that classifies by itself."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path

import numpy as np
import pytest

from edge_asc.clock import elapsed_s
from edge_asc.errors import LinkError
from edge_asc.features import FeatureConfig
from edge_asc.firmware_bridge.link.controls import Can, Context, Hello, Start, model_hash
from edge_asc.firmware_bridge.link.monitor import LogLine, Monitor, Place, Told, WrongDeviceError
from edge_asc.firmware_bridge.link.port import PortName
from edge_asc.firmware_bridge.link.streams import Estimate, Level, Log
from edge_asc.manifest import Manifest
from edge_asc.messages import Gap, Report
from tests.firmware_bridge.link.conftest import compile_c
from tests.firmware_bridge.link.fake_device import FakeDevice, Line, plugged

PATIENCE_S = 20.0
ALL = Can.ESTIMATES | Can.LOG | Can.CONTEXT

MANIFEST = Manifest(
    name="three",
    scenes=("bus", "airport", "bar"),
    cities=("Hefei", "Beijing"),
    trained_cities=("Beijing",),
    features=FeatureConfig(),
    mel_mean=(-20.0,) * 64,
    mel_std=(10.0,) * 64,
    standardized_range=(-4.0, 4.0),
    variant="edge",
    fusion="gated",
    window_s=2.0,
    cell_frames=50,
    quantization="int8",
    demonstration=False,
    licence="MIT",
    temperature=2.0,
)

NOWHERE = Place(None, None)


@dataclass
class Watched:
    """A monitor in a thread, and what came of it."""

    path: str
    place: Place = NOWHERE
    retry: bool = True
    manifest: Manifest = MANIFEST
    told: list[Told] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    error: BaseException | None = None

    def __post_init__(self) -> None:
        self._news = threading.Condition()
        self.monitor = Monitor(
            PortName(self.path, 921_600),
            self.manifest,
            self.place,
            tell=self._tell,
            say=self.said.append,
            retry=self.retry,
            sleep=lambda seconds: None,
        )
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self.monitor.run()
        except BaseException as error:
            self.error = error

    def _tell(self, message: Told) -> None:
        with self._news:
            self.told.append(message)
            self._news.notify()

    def wait_for(self, count: int) -> list[Told]:
        """The first so many messages."""
        with self._news:
            assert self._news.wait_for(lambda: len(self.told) >= count, PATIENCE_S), self.said
        return self.told[:count]

    def wait_for_error(self) -> BaseException | None:
        self._thread.join(PATIENCE_S)
        return self.error

    def close(self) -> None:
        self.monitor.closing.set()
        self._thread.join(PATIENCE_S)
        assert not self._thread.is_alive()


@pytest.fixture
def line() -> Iterator[Line]:
    with plugged() as one:
        yield one


def device_on(line: Line, capabilities: Can = ALL) -> FakeDevice:
    device = FakeDevice(line, capabilities=capabilities, model_sha256=model_hash(MANIFEST))
    device.clock_us = 60_000_000  # it has run for a minute
    return device


def estimate(device: FakeDevice, end_s: float, *values: int, flags: int = 0) -> Estimate:
    return Estimate(device.stream, round(1e6 * end_s), flags, np.array(values, np.int16))


def start_of(device: FakeDevice) -> None:
    """Wait until the host has asked for reports; its control frames come before."""
    while not any(isinstance(control, Start) for control in device.asked):
        assert device.started.wait(PATIENCE_S)


def test_reports_and_lines_of_the_log(line: Line) -> None:
    device = device_on(line)
    began = datetime(2026, 11, 29, 12, 8, 56, tzinfo=timezone.utc)
    watched = Watched(line.path, Place("Beijing", began))
    start_of(device)
    device.stream_message(Log(device.stream, Level.WARNING, "der Akku ist schwach: 3,1 V"))
    device.stream_message(estimate(device, 60.0, -512, 0, 512))
    device.stream_message(estimate(device, 61.0, 32_767, 0, 0, flags=3))
    log, first, second = watched.wait_for(3)
    watched.close()

    assert isinstance(log, LogLine)
    assert (log.level, log.text) == (Level.WARNING, "der Akku ist schwach: 3,1 V")
    assert log.source == f"fake on {line.path}"
    assert isinstance(first, Report)
    assert isinstance(second, Report)
    # Logits -2, 0 and 2 at temperature 2.
    expected = np.exp([-1, 0, 1]) / np.exp([-1, 0, 1]).sum()
    np.testing.assert_allclose(first.estimate.probabilities, expected, rtol=1e-6)
    assert first.estimate.familiarity == pytest.approx(np.log(np.exp([-2, 0, 2]).sum()))
    assert first.estimate.scene == "bar"
    assert not first.estimate.after_gap
    assert (first.model, first.city) == ("three", "Beijing")
    assert first.estimate.end_s == pytest.approx(60.0, abs=1e-5)
    assert first.estimate.start_s == pytest.approx(58.0, abs=1e-5)
    assert second.estimate.probabilities.tolist() == [1.0, 0.0, 0.0]
    assert second.estimate.after_gap  # the device says it
    assert second.estimate.end_s == pytest.approx(61.0, abs=1e-5)
    assert first.time is not None
    assert second.time is not None
    assert (second.time - first.time).total_seconds() == pytest.approx(1.0, abs=0.1)
    # Its clock showed 60 s when it was asked, which was a moment ago.
    assert abs((datetime.now(timezone.utc) - first.time).total_seconds()) < PATIENCE_S

    context, start, *_ = device.asked
    assert isinstance(context, Context)
    assert context.city == 1
    assert context.local_time is not None
    waited_s = (context.local_time - began.replace(tzinfo=None)).total_seconds()
    assert 0 <= waited_s < PATIENCE_S
    assert start == Start(Can.ESTIMATES | Can.LOG, device.stream)
    assert watched.said == [f"fake on {line.path} classifies with model three"]


def test_reports_that_did_not_come_through(line: Line) -> None:
    device = device_on(line)
    watched = Watched(line.path)
    start_of(device)
    device.stream_message(estimate(device, 60, 0, 0, 512))
    device._sequence += 3  # two estimates and a line of the log
    device.stream_message(estimate(device, 63, 0, 0, 512))
    device._sequence += 1  # a line of the log alone
    device.stream_message(estimate(device, 64, 0, 0, 512))
    _, gap, _, _ = watched.wait_for(4)
    watched.close()
    assert isinstance(gap, Gap)
    assert gap.start_s == pytest.approx(60, abs=1e-5)
    assert gap.end_s == pytest.approx(62, abs=1e-5)
    assert gap.cause == "3 reports of the device did not come through"
    assert watched.said[1:] == ["1 report of the device did not come through"]


def test_a_device_that_was_reset(line: Line) -> None:
    device = device_on(line)
    watched = Watched(line.path)
    start_of(device)
    device.stream_message(estimate(device, 60, 0, 0, 512))
    watched.wait_for(1)
    device.started.clear()
    device.asked.clear()
    device.clock_us = (
        10_000_000  # so long ago; what it says of the time before is no more than true
    )
    device.send(Hello(1, 1, True, ALL, 0, model_hash(MANIFEST), "fake"), 0)
    start_of(device)
    device.stream_message(estimate(device, 40, 0, 0, 512))
    _, gap, report = watched.wait_for(3)
    watched.close()
    assert isinstance(gap, Gap)
    assert isinstance(report, Report)
    # 30 s after it was asked a window of 2 s ends: 28 s and the moment of the reset are missing.
    assert gap.start_s == pytest.approx(60, abs=1e-5)
    assert 28 <= gap.lost_s < 28 + PATIENCE_S
    assert gap.end_s == pytest.approx(report.estimate.start_s)
    assert gap.cause == "fake was reset"
    assert report.estimate.after_gap
    assert "fake was reset; trying again until it is back" in watched.said


def test_the_model_must_be_the_one_of_the_firmware(line: Line) -> None:
    device = FakeDevice(line, capabilities=ALL, model_sha256=b"\xab" * 32)
    error = Watched(line.path).wait_for_error()
    assert isinstance(error, WrongDeviceError)
    assert str(error) == (
        "fake runs another model: its hash begins with abababababababab, that of three with"
        f" {model_hash(MANIFEST).hex()[:16]}; name the model that the firmware was exported from"
        " (--model FILE), or export and flash it again"
    )
    assert not any(isinstance(control, Start) for control in device.asked)


def test_a_microphone_is_not_for_the_monitor(line: Line) -> None:
    FakeDevice(line, capabilities=Can.PCM)
    error = Watched(line.path).wait_for_error()
    assert isinstance(error, WrongDeviceError)
    assert f"edge-asc listen --source serial:{line.path}:921600" in str(error)


def test_another_number_of_scenes_is_refused(line: Line) -> None:
    device = device_on(line)
    watched = Watched(line.path)
    start_of(device)
    device.stream_message(estimate(device, 60, 0, 0))
    assert "reports 2 values, model three has 3 scenes" in str(watched.wait_for_error())


def test_a_device_without_context_and_log(line: Line) -> None:
    device = device_on(line, Can.ESTIMATES)
    watched = Watched(line.path, Place("Beijing", None))
    start_of(device)
    device.stream_message(estimate(device, 60, 0, 0, 512))
    watched.wait_for(1)
    watched.close()
    assert device.asked[0] == Start(Can.ESTIMATES, device.stream)
    assert "fake takes neither city nor time" in watched.said


def test_without_retry_a_missing_port_is_an_error(tmp_path: Path) -> None:
    error = Watched(str(tmp_path / "no"), retry=False).wait_for_error()
    assert "there is no port" in str(error)


def test_a_missing_port_is_waited_for_and_told_once(tmp_path: Path) -> None:
    watched = Watched(str(tmp_path / "no"))
    until_s = elapsed_s() + PATIENCE_S
    while not watched.said:
        assert elapsed_s() < until_s
    watched.close()
    (text,) = watched.said
    assert text.endswith("; trying again until it is back")


def test_a_clock_that_jumps_is_a_reset(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edge_asc.firmware_bridge.link.monitor.SYNC_S", 0.1)
    device = device_on(line)
    watched = Watched(line.path, retry=False)
    start_of(device)
    device.clock_us = 0
    error = watched.wait_for_error()
    assert isinstance(error, LinkError)
    assert "the device's clock jumped by -" in str(error)


def test_a_city_that_the_model_lacks_is_unknown(line: Line) -> None:
    monitor = Monitor(
        PortName(line.path, 9_600),
        MANIFEST,
        Place("Luoyang", None),
        tell=lambda message: None,
        say=lambda text: None,
    )
    assert monitor.context() == Context(255, None)


def test_context_and_time_are_told_again(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edge_asc.firmware_bridge.link.monitor.CONTEXT_S", 0.05)
    device = device_on(line)
    watched = Watched(line.path, Place("Beijing", datetime(2026, 11, 29, 23, 59)))
    until_s = elapsed_s() + PATIENCE_S
    while sum(isinstance(control, Context) for control in device.asked) < 3:
        assert elapsed_s() < until_s
    watched.close()


def test_the_c_of_the_link_reports(
    line: Line, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """device.c: five estimates with logits -2, 1 and their number; the fourth after a gap."""
    program = compile_c(tmp_path, "device.c")
    (tmp_path / "none").touch()
    process = subprocess.Popen(
        [program, "estimates", "44100", tmp_path / "none"], stdin=line.master, stdout=line.master
    )
    try:
        error = Watched(line.path).wait_for_error()
        assert "its hash begins with 0102030000000000" in str(error)
        its_hash = bytes([1, 2, 3]) + bytes(29)
        monkeypatch.setattr(
            "edge_asc.firmware_bridge.link.monitor.model_hash", lambda manifest: its_hash
        )
        watched = Watched(line.path, Place("Hefei", datetime(2026, 11, 29, 12, 8)))
        log, *reports = watched.wait_for(6)
        watched.close()
    finally:
        process.kill()
        process.wait()
    assert isinstance(log, LogLine)
    assert (log.level, log.text) == (Level.WARNING, "city 0, minute 728")
    marks = [report.estimate.after_gap for report in reports if isinstance(report, Report)]
    assert marks == [False, False, False, True, False]
    scenes = [report.estimate.scene for report in reports if isinstance(report, Report)]
    assert scenes == ["airport", "airport", "bar", "bar", "bar"]
