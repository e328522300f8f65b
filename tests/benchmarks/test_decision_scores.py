"""Decisions against streams whose changes are known."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest

from edge_asc.benchmarks.decision_scores import score
from edge_asc.benchmarks.scene_streams import Stream, Stretch, hear, plan
from edge_asc.classifier import SceneClassifier, SceneEstimate
from edge_asc.context import SceneContext
from edge_asc.decision_config import DecisionConfig
from edge_asc.model_file import ModelFile, default_model_path
from edge_asc.training.datasets import Clip
from edge_asc.training.datasets.registry import read_set

SCENES = ("bus", "bar", "metro")
RAW = DecisionConfig(smoothing="none", margin=0.0)


def stream(stretches: list[Stretch], led: str, first_end_s: float = 2.0) -> Stream:
    """`led` has a letter for each second: u = bus, a = bar, m = metro leads by far."""
    estimates = []
    for number, letter in enumerate(led):
        probabilities = np.full(3, 0.05, np.float32)
        probabilities["uam".index(letter)] = 0.9
        end_s = first_end_s + number
        estimates.append(SceneEstimate(SCENES, probabilities, end_s - 2.0, end_s, familiarity=9.0))
    return Stream(tuple(stretches), tuple(estimates))


BUS_BAR = [Stretch("bus", 0.0, 10.0), Stretch("bar", 10.0, 20.0)]


def test_the_first_right_change_of_a_stretch_is_right_and_all_others_are_false() -> None:
    # Windows that end at 2 to 10 s, the change itself included, then at 11 to 20 s.
    scores = score([stream(BUS_BAR, "uuumuuuuu" + "uaaamaaaaa")], RAW)
    # To metro and back, in either stretch: each way is false.
    assert scores.num_false == 4
    assert scores.delays_s == (2.0,)
    assert (scores.num_true, scores.found) == (1, 1.0)
    assert scores.right_s == 8 + 8
    assert scores.decided_s == 19
    assert scores.hours == pytest.approx(20 / 3600)


def test_a_change_that_is_never_found_is_missed() -> None:
    scores = score([stream(BUS_BAR, "u" * 19)], RAW)
    assert (scores.found, scores.num_false) == (0.0, 0)
    assert scores.median_delay_of_all_s == float("inf")
    assert np.isnan(scores.median_delay_s)


def test_what_was_falsely_decided_already_is_found_without_delay() -> None:
    scores = score([stream(BUS_BAR, "uuuuuuaa" + "a" * 11)], RAW)
    assert (scores.num_false, scores.delays_s) == (1, (0.0,))


def test_in_a_stretch_of_another_class_unknown_is_right() -> None:
    config = DecisionConfig(smoothing="none", margin=0.0, unknown_below=10.0)
    stretches = [Stretch("siren", 0.0, 20.0), Stretch("bus", 20.0, 30.0)]
    scores = score([stream(stretches, "u" * 29)], config)
    assert scores.found_unknown_s + scores.missed_unknown_s == 19
    assert scores.found_unknown_s > 10
    assert scores.false_unknown_s == 10


def clips(count: int, scene: str) -> list[Clip]:
    return [
        Clip(
            Path(f"{scene}{n}.wav"), 0.0, None, scene, SceneContext(), f"{scene}{n // 2}", None, ""
        )
        for n in range(count)
    ]


def test_a_plan_uses_each_recording_once_and_never_joins_two_stretches_of_a_scene() -> None:
    recordings = [*clips(9, "bus"), *clips(7, "bar"), *clips(5, "metro")]
    order = plan(recordings, 3, stretch_recordings=(1, 2))
    used = [clip for stretch in order for clip in stretch]
    assert len(used) == len(set(used)) == len(recordings)
    scenes = [stretch[0].scene for stretch in order]
    assert all(len({clip.scene for clip in stretch}) == 1 for stretch in order)
    assert all(a != b for a, b in itertools.pairwise(scenes))
    assert plan(recordings, 3, stretch_recordings=(1, 2)) == order
    assert plan(recordings, 4, stretch_recordings=(1, 2)) != order


def test_a_stream_of_real_recordings_is_heard_second_by_second(data_dir: Path) -> None:
    known = [clip for clip in read_set(data_dir / "scenes_open").clips if clip.scene == "metro"]
    known += [clip for clip in read_set(data_dir / "scenes_open").clips if clip.scene == "bar"]
    classifier = SceneClassifier(ModelFile.read(default_model_path()))
    heard = hear(classifier, plan(known[:2] + known[-1:], 0))
    assert len(heard.stretches) == 3
    assert heard.num_changes == 2
    assert [one.end_s for one in heard.estimates] == list(range(10, int(heard.duration_s) + 1))
    assert heard.stretches[0].end_s == heard.stretches[1].start_s
