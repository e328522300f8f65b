"""Peers side by side: what is timed, what is kept, what is left out and said."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import count
from pathlib import Path
from threading import Thread

import jsonschema
import numpy as np
import pytest

from edge_asc.benchmarks.bench import peers as peers_module
from edge_asc.benchmarks.bench.peers import (
    RANDOM,
    Array,
    Comparison,
    Peer,
    Settings,
    gather,
    pieces,
)
from edge_asc.benchmarks.bench.peers_threads import VARIABLES
from edge_asc.errors import ExportError
from edge_asc.features import Samples

SCHEMA = json.loads((Path(__file__).parents[3] / "docs" / "bench.schema.json").read_text())
SOUND = np.arange(12 * 44_100, dtype=np.float32)


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peers_module, "REST_S", 0.01)
    for variable in VARIABLES:  # so that what is set here is set back
        monkeypatch.setenv(variable, "1")


def peer(
    name: str,
    front_end: Callable[[Samples], Array] = lambda samples: samples[:4],
    rate_hz: int = 44_100,
) -> Peer:
    return Peer(name, "numpy 9", RANDOM, "a peer", front_end, lambda features: features, rate_hz)


def comparison(*peers: Peer, runs: int = 3, warm_up: int = 1) -> Comparison:
    facts = {"audio": "numbers", "rate_hz": 44_100}
    return Comparison(peers, lambda: None, SOUND, facts, Settings(runs, warm_up))


def test_both_parts_and_the_whole_are_of_the_same_run() -> None:
    ticks = count(10, 3)
    found = peer("a").run(SOUND, lambda: float(next(ticks)))
    assert found == {"features": 3.0, "network": 3.0, "total": 6.0}


def test_every_row_is_run_as_often_and_told_by_the_schema() -> None:
    measured = comparison(peer("a"), peer("b", rate_hz=16_000))
    measured.measure()
    result = measured.result()
    jsonschema.validate(json.loads(json.dumps(result.to_dict())), SCHEMA)
    found = {(each.model, each.way, each.stage): len(each.samples_s) for each in result.timings}
    window = {(name, "window", part) for name in "ab" for part in ("features", "network", "total")}
    assert found == dict.fromkeys([*window, ("a", "stream", "total")], 3)
    assert result.settings["threads"] == 1
    assert result.settings["clock"] == "wall"
    assert [model["weights"] for model in result.models] == [RANDOM, RANDOM]


def test_each_hears_ten_seconds_at_its_own_rate() -> None:
    heard: dict[str, set[int]] = {"a": set(), "b": set()}

    def ear(name: str) -> Callable[[Samples], Array]:
        def hear(samples: Samples) -> Array:
            heard[name].add(len(samples))
            return samples

        return hear

    comparison(peer("a", ear("a")), peer("b", ear("b"), 16_000)).measure()
    assert heard == {"a": {441_000}, "b": {160_000}}


def test_what_was_measured_before_ctrl_c_is_kept() -> None:
    calls = count(1)

    def interrupted(samples: Samples) -> Array:
        if next(calls) == 4:
            raise KeyboardInterrupt
        return samples

    measured = comparison(peer("a", interrupted), runs=30, warm_up=0)
    measured.measure()
    result = measured.result()
    assert not result.complete
    assert [len(each.samples_s) for each in result.timings if each.stage == "features"] == [3]


def test_work_in_other_threads_is_told() -> None:
    def elsewhere(samples: Samples) -> Array:
        thread = Thread(target=lambda: sum(range(1_000_000)))
        thread.start()
        thread.join()
        return samples

    honest, other = comparison(peer("a")), comparison(peer("a", elsewhere))
    for each in (honest, other):
        each.measure()
    assert other.other_threads_share > 0.5
    assert any("other threads of the process took" in text for text in other.result().warnings)


def test_what_cannot_be_made_is_left_out_and_said_once_a_reason() -> None:
    said: list[str] = []

    def no_torch() -> Peer:
        raise ModuleNotFoundError("No module named 'torch'", name="torch")

    def refused() -> Peer:
        raise ExportError("the converter is not here")

    makers = [("a", lambda: peer("a")), ("b", no_torch), ("c", refused), ("d", no_torch)]
    found, missing = gather(makers, said.append)
    assert [each.name for each in found] == ["a"]
    assert missing["b"] == missing["d"] == "torch is missing: pip install 'edge-asc[peers]'"
    assert said == [
        "left out: `b`, `d`: torch is missing: pip install 'edge-asc[peers]'",
        "left out: `c`: the converter is not here",
    ]


def test_a_fault_of_our_own_is_no_missing_package() -> None:
    def broken() -> Peer:
        raise ModuleNotFoundError("No module named 'edge_asc.peer'", name="edge_asc.peer")

    with pytest.raises(ModuleNotFoundError, match=r"edge_asc\.peer"):
        gather([("a", broken)], lambda text: None)


def test_pieces_are_windows_that_go_on_at_the_beginning() -> None:
    found = pieces(SOUND, 5, seed=3)
    assert {piece.shape for piece in found} == {(441_000,)}
    for piece in found:
        np.testing.assert_array_equal(np.diff(piece) % len(SOUND), 1)
    again = pieces(SOUND, 5, seed=3)
    np.testing.assert_array_equal(found, again)
    assert len({piece[0] for piece in found}) == 5
