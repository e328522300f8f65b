"""Why a result is not to be trusted."""

from __future__ import annotations

from edge_asc.benchmarks.bench.result import Moment
from edge_asc.benchmarks.bench.warnings import busy_warnings, device_warnings, heat_warnings

QUIET = {
    "load_before": 0.05,
    "busy_cores_before": 0.02,
    "others_cores": 0.03,
    "stolen_cores": 0.0,
    "away_share": 0.01,
    "involuntary_switches": 2,
}


def test_a_quiet_machine_is_not_told_of() -> None:
    assert not list(busy_warnings(QUIET))
    assert not list(busy_warnings({}))
    assert not list(device_warnings({"machine": "aarch64", "governor": "performance"}))
    assert not list(device_warnings({"machine": "aarch64"}))
    assert not list(heat_warnings([Moment(0.0), Moment(1.0, 60.0, 1500.0, "", 0.1)]))


def test_each_way_of_being_busy_is_told() -> None:
    busy = {
        **QUIET,
        "busy_cores_before": 0.5,
        "others_cores": 1.25,
        "stolen_cores": 0.2,
        "away_share": 0.31,
        "involuntary_switches": 884,
    }
    assert list(busy_warnings(busy)) == [
        "the machine was busy before the run: other programs used 0.50 cores",
        "the machine was busy during the run: other programs used 1.25 cores",
        "other virtual machines took 0.20 cores during the run (steal time)",
        "the benchmark waited for the processor in 31 % of the time measured, and was taken off"
        " its core 884 times",
    ]


def test_what_the_device_is() -> None:
    device = {"emulated": "sign one", "virtual": "sign two", "governor": "ondemand"}
    emulated, virtual, governor = device_warnings(device)
    assert emulated.startswith("this processor is emulated (sign one): its times say nothing")
    assert virtual.startswith("this is a virtual machine (sign two)")
    assert governor.startswith("the governor is ondemand, not performance")


def test_heat_and_throttling() -> None:
    slowed = "it is slowed down"
    timeline = [Moment(0.0, 60.0, None, ""), Moment(1.0, 82.4, None, slowed), Moment(2.0, 81.0)]
    assert list(heat_warnings(timeline)) == [
        "the processor reached 82 °C: hot processors are slowed down",
        "throttled at 1 of 3 moments: it is slowed down",
    ]
