"""Which results cannot be compared, which only with care, and what differs."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from edge_asc.benchmarks.bench.compare import compare
from edge_asc.benchmarks.bench.result import BenchError, Result
from tests.benchmarks.bench.made_results import MODEL, made_result


def with_settings(**changed: Any) -> Result:
    result = made_result(2)
    return replace(result, settings={**result.settings, **changed})


@pytest.mark.parametrize(
    ("other", "reason"),
    [
        (with_settings(rate_hz=48_000), "settings: rate_hz: 44100 against 48000: not the same"),
        (with_settings(hop_s=0.5), "settings: hop_s: each model's own against 0.5"),
        (with_settings(audio_format="FLAC PCM_16"), "audio_format: WAV PCM_16 against FLAC"),
        (made_result(2, device={"emulated": "qemu"}), "B is from an emulated processor"),
    ],
)
def test_other_work_is_refused_or_told(other: Result, reason: str) -> None:
    with pytest.raises(BenchError, match=r"cannot be compared.*--anyway") as refused:
        compare(made_result(), other)
    assert reason in str(refused.value)
    assert any(reason in caution for caution in compare(made_result(), other, anyway=True).cautions)


def test_two_emulated_runs_may_be_compared_and_carry_the_warning() -> None:
    emulated = made_result(device={"emulated": "qemu"}, warnings=("this processor is emulated",))
    cautions = compare(emulated, emulated).cautions
    assert cautions == ("A: this processor is emulated", "B: this processor is emulated")


@pytest.mark.parametrize(
    ("other", "caution"),
    [
        (with_settings(audio="walk.wav"), "settings: audio: built-in clip: 10 s inside a train"),
        (with_settings(synthetic=True), "settings: synthetic: False against True"),
        (with_settings(threads=4), "settings: threads: 1 against 4"),
        (made_result(2, complete=False), "B is incomplete"),
        (made_result(2, warnings=("the machine was busy",)), "B: the machine was busy"),
        (
            made_result(2, models=({"name": MODEL, "sha256": "cd" * 32},)),
            "m is not the same file: sha256 abababababab... against cdcdcdcdcdcd...",
        ),
    ],
)
def test_what_to_doubt_is_told(other: Result, caution: str) -> None:
    (told,) = compare(made_result(), other).cautions
    assert told.startswith(caution)


def test_own_recordings_may_be_any() -> None:
    own = with_settings(audio="own recording")
    (told,) = compare(own, own).cautions
    assert told == "each heard an own recording, and nobody tells whether it is the same"


def test_a_busy_machine_is_told_to_be_a_reason() -> None:
    busy = made_result(2, conditions={"others_cores": 0.5})
    assert "B's machine was busy: what differs may be that, and no program" in (
        compare(made_result(), busy).cautions
    )


def test_a_model_that_only_one_has_is_left_out() -> None:
    model = {"name": "paper", "sha256": "ef" * 32}
    other = made_result(2, models=(model, *made_result().models))
    assert "only B has the model paper: it is left out" in compare(made_result(), other).cautions


def test_devices_and_software_that_differ_are_told() -> None:
    first = made_result()
    other = replace(
        first,
        device={"model": "Raspberry Pi 4 Model B", "cpu": "Cortex-A72", "cores": 4},
        software={**first.software, "numpy": "1.26.4"},
        settings={**first.settings, "runs": 400, "threads": 2},
    )
    told = [str(difference) for difference in compare(first, other).differences]
    assert told == [
        "device: model: Raspberry Pi 5 Model B Rev 1.0 against Raspberry Pi 4 Model B",
        "device: cpu: Cortex-A76 against Cortex-A72",
        "software: numpy: 2.4.6 against 1.26.4",
        "settings: runs: 200 against 400",
    ]
    absent = replace(first, device={"model": "Raspberry Pi 5 Model B Rev 1.0", "cpu": "Cortex-A76"})
    (told_absent,) = compare(first, absent).differences
    assert str(told_absent) == "device: cores: 4 against not told"
