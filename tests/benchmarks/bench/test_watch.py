"""What is seen of a machine while it is measured."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge_asc.benchmarks.bench import watch
from edge_asc.benchmarks.bench.machine import Machine
from edge_asc.benchmarks.bench.result import Moment
from edge_asc.benchmarks.bench.watch import Watch, busy_cores, firmware_bits, throttled, usage
from tests.benchmarks.bench.machines import STAT, make_machine, zero_2_w


class Clock:
    """Goes on when it is told to."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def test_a_moment_of_a_raspberry_pi(tmp_path: Path) -> None:
    found = Watch(zero_2_w(tmp_path, "echo throttled=0x50005"), Clock())
    found.begin()
    both = "the supply voltage is too low; it is slowed down"  # bits 0 and 2
    assert found.timeline == [Moment(0.0, 48.312, 600.0, both, 0.25)]


def test_what_nobody_tells_is_none(tmp_path: Path) -> None:
    found = Watch(make_machine(tmp_path, {}), Clock())
    found.begin()
    assert found.timeline == [Moment(0.0)]
    assert found.use() == {}


def test_samples_come_once_a_second(tmp_path: Path) -> None:
    clock = Clock()
    found = Watch(make_machine(tmp_path, {}), clock)
    found.begin()
    for _ in range(30):
        clock.now_s += 0.25
        found.look()
    assert [moment.at_s for moment in found.timeline] == [float(second) for second in range(8)]


@pytest.mark.parametrize(
    ("script", "bits"),
    [
        ("echo throttled=0x0", 0),
        ("echo throttled=0x50005", 0x50005),
        ("echo 'VCHI initialization failed'; exit 255", None),
        ("exit 1", None),
    ],
)
def test_what_the_firmware_says(tmp_path: Path, script: str, bits: int | None) -> None:
    assert firmware_bits(zero_2_w(tmp_path, script)) == bits


@pytest.mark.parametrize(
    ("before", "now", "said"),
    [
        (0x0, 0x0, ""),
        (0x50000, 0x50000, ""),  # since the start, but neither now nor since we looked
        (0x0, 0x80008, "it is near its temperature limit"),
        (0x0, 0x40000, "it is slowed down"),  # for a moment in between
        (0x40000, 0x50000, "the supply voltage is too low"),
    ],
)
def test_what_its_bits_mean(before: int, now: int, said: str) -> None:
    assert throttled(now, before) == said


def test_a_firmware_that_cannot_be_asked(tmp_path: Path) -> None:
    machine = zero_2_w(tmp_path)
    Path(str(machine.vcgencmd)).chmod(0o644)
    assert firmware_bits(machine) is None
    assert firmware_bits(zero_2_w(tmp_path, vcgencmd=None)) is None


def test_a_firmware_that_does_not_answer_is_asked_once(tmp_path: Path) -> None:
    clock, asked = Clock(), tmp_path / "asked"
    found = Watch(zero_2_w(tmp_path, f"echo x >> {asked}; exit 1"), clock)
    found.begin()
    for _ in range(5):
        clock.now_s += 1.0
        found.look()
    assert asked.read_text() == "x\n"
    assert [moment.throttled for moment in found.timeline] == [None] * 6


def test_usage_is_all_but_idle_and_waiting(tmp_path: Path) -> None:
    found = usage(make_machine(tmp_path, {"proc/stat": STAT}))
    assert found is not None
    hundredths = (1000 + 200 + 300 + 60 + 40) / 100
    assert found.busy_s == pytest.approx(hundredths)
    assert found.stolen_s == pytest.approx(0.3)


def test_busy_before_the_run(tmp_path: Path) -> None:
    machine = make_machine(tmp_path, {"proc/stat": STAT})
    later = STAT.replace("cpu  1000", "cpu  1150")

    def sleep(seconds: float) -> None:
        assert seconds == 2.0
        (machine.proc / "stat").write_text(later)

    assert busy_cores(machine, 2.0, sleep) == pytest.approx(0.75)  # 1.5 s in 2 s


def test_nobody_knows_without_stat(tmp_path: Path) -> None:
    assert busy_cores(make_machine(tmp_path, {}), 0.0, lambda _: None) is None


def test_others_are_told_from_oneself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock, own_s = Clock(), 3.0
    machine = make_machine(tmp_path, {"proc/stat": STAT})
    monkeypatch.setattr(watch, "_own_cpu_s", lambda: own_s)
    found = Watch(machine, clock)
    found.begin()
    clock.now_s, own_s = 110.0, 7.0  # 10 s, of which this process ran 4
    later = STAT.replace("cpu  1000", "cpu  1900").replace(" 30 0 0\ncpu0", " 80 0 0\ncpu0")
    (machine.proc / "stat").write_text(later)
    use = found.use()
    assert use["others_cores"] == pytest.approx((9.0 - 4.0) / 10.0)
    assert use["stolen_cores"] == pytest.approx(0.5 / 10.0)


def test_time_away_from_the_core(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    clock, cpu_s = Clock(), iter([5.0, 5.6])
    monkeypatch.setattr("edge_asc.benchmarks.bench.watch.time.process_time", lambda: next(cpu_s))
    found = Watch(make_machine(tmp_path, {}), clock)

    def measure() -> dict[str, float]:
        clock.now_s += 0.8
        return {"total": 0.8}

    assert found.run(measure) == {"total": 0.8}
    assert found.use()["away_share"] == pytest.approx(0.25)


def test_a_real_machine_counts_up() -> None:
    before = usage(Machine())
    after = usage(Machine())
    assert before is not None
    assert after is not None
    assert after.busy_s >= before.busy_s > 0.0
