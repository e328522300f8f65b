"""From estimates to decisions: each part by itself, and what a gap does to them."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_asc.changes import SceneChanges
from edge_asc.classifier import SceneEstimate, familiarity
from edge_asc.decision import FAMILIARITY_S, HOLD_S, UNKNOWN_SCENE, Decider, Decision
from edge_asc.decision_config import DecisionConfig

SCENES = ("bus", "bar", "metro")
WINDOW_S = 10.0

RAW = DecisionConfig(smoothing="none", margin=0.0)


def estimate(end_s: float, *probabilities: float, known: float = 5.0) -> SceneEstimate:
    values = np.array(probabilities, np.float32)
    return SceneEstimate(SCENES, values, end_s - WINDOW_S, end_s, familiarity=known)


def decide(
    config: DecisionConfig, rows: Sequence[Sequence[float]], known: float = 5.0
) -> list[Decision]:
    decider = Decider(SCENES, config, 1.0)
    return [
        decider.process(estimate(WINDOW_S + number, *row, known=known))
        for number, row in enumerate(rows)
    ]


BUS, BAR, UNSURE = (0.8, 0.1, 0.1), (0.1, 0.8, 0.1), (0.45, 0.35, 0.2)


def test_without_its_parts_a_decision_is_the_likeliest_scene() -> None:
    decisions = decide(RAW, [BUS, BAR, BUS, UNSURE])
    assert [decision.scene for decision in decisions] == ["bus", "bar", "bus", "bus"]
    np.testing.assert_allclose(decisions[1].belief, BAR, rtol=1e-6)
    assert decisions[3].confidence == pytest.approx(0.45)


def test_the_average_forgets_with_the_time_constant() -> None:
    """A step from 0.8 to 0.1 has come down by 1 - 1/e of it after one time constant."""
    config = DecisionConfig(time_constant_s=4.0, margin=0.0)
    decisions = decide(config, [BUS] + [BAR] * 4)
    assert decisions[0].belief[0] == pytest.approx(0.8)
    assert decisions[4].belief[0] == pytest.approx(0.1 + 0.7 / math.e, abs=1e-6)
    assert all(decision.belief.sum() == pytest.approx(1.0) for decision in decisions)


def test_a_scene_is_kept_until_another_is_ahead_by_the_margin() -> None:
    config = DecisionConfig(smoothing="none", margin=0.3)
    rows = [BUS, (0.4, 0.5, 0.1), (0.3, 0.55, 0.15), (0.3, 0.61, 0.09), (0.4, 0.5, 0.1)]
    assert [one.scene for one in decide(config, rows)] == ["bus", "bus", "bus", "bar", "bar"]


def test_nothing_is_decided_before_a_scene_is_ahead_of_all_others() -> None:
    first, second = decide(DecisionConfig(smoothing="none", margin=0.3), [UNSURE, BUS])
    assert (first.scene, first.since_s, first.confidence) == (None, None, None)
    assert (second.scene, second.since_s) == ("bus", 0.0)


def forward(rows: Sequence[Sequence[float]], stay: float, weight: float) -> npt.NDArray[np.float64]:
    """The forward algorithm by its definition: a sum over all paths, for three scenes."""
    leave = (1.0 - stay) / 2.0
    belief = np.array(rows[0]) / np.sum(rows[0])
    for row in rows[1:]:
        joint = [
            sum(belief[i] * (stay if i == j else leave) for i in range(3)) * row[j] ** weight
            for j in range(3)
        ]
        belief = np.array(joint) / np.sum(joint)
    return belief


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.floats(2.0, 500.0), st.floats(0.05, 1.0))
def test_the_hmm_is_the_forward_algorithm(seed: int, stay_s: float, weight: float) -> None:
    drawn = np.random.default_rng(seed).dirichlet((0.5, 0.5, 0.5), 12).clip(1e-4)
    rows = (drawn / drawn.sum(axis=1, keepdims=True)).tolist()
    expected = forward(rows, 1.0 - 1.0 / stay_s, weight)
    top, second = np.sort(expected)[::-1][:2]
    config = DecisionConfig("hmm", weight, stay_s=stay_s, margin=0.0)
    if top - second > 1e-4:
        assert decide(config, rows)[-1].scene == SCENES[int(np.argmax(expected))]


def test_the_transition_matrix_of_the_model_is_used() -> None:
    """A scene that never leads to another cannot be left, whatever is heard."""
    stuck = ((1.0, 0.0, 0.0), (1.0, 0.0, 0.0), (0.0, 0.0, 1.0))
    config = DecisionConfig("hmm", 1.0, transition=stuck, margin=0.0)
    assert {decision.scene for decision in decide(config, [BUS] + [BAR] * 30)} == {"bus"}
    with pytest.raises(ValueError, match="a row for each of the 3 scenes, got 2"):
        Decider(SCENES, DecisionConfig(transition=((0.5, 0.5), (0.5, 0.5))), 1.0)


def test_a_hop_of_two_seconds_moves_the_matrix_by_two() -> None:
    fast = Decider(SCENES, DecisionConfig("hmm", 1.0, stay_s=4.0, margin=0.0), 2.0)
    fast.process(estimate(10.0, 1.0, 0.0, 0.0))
    scene = fast.process(estimate(12.0, 0.2, 0.4, 0.4)).scene
    # Staying two seconds: 0.75^2 + what comes back; 0.61 * 0.2 > 0.195 * 0.4.
    assert scene == "bus"


def test_the_beginning_of_a_scene_is_where_the_estimates_turn() -> None:
    """The window that ends at 16 s is the first for the bar: the change is in its middle."""
    config = DecisionConfig(time_constant_s=5.0, margin=0.3)
    decisions = decide(config, [BUS] * 6 + [BAR] * 12)
    changed = next(number for number, one in enumerate(decisions) if one.scene == "bar")
    assert changed > 6
    assert decisions[changed].since_s == pytest.approx(16.0 - WINDOW_S / 2)
    assert decisions[0].since_s == 0.0


def test_an_unfamiliar_sound_is_an_unknown_scene_only_after_a_while() -> None:
    config = DecisionConfig(smoothing="none", margin=0.0, unknown_below=4.0)
    decider = Decider(SCENES, config, 1.0)
    scenes = []
    for number in range(40):
        known = 3.0 if 10 <= number < 20 else 6.0
        scenes.append(decider.process(estimate(10.0 + number, *BUS, known=known)).scene)
    first = scenes.index(UNKNOWN_SCENE)
    assert 10 + FAMILIARITY_S - 1 <= first < 20
    assert scenes[-1] == "bus"
    assert scenes[:first] == ["bus"] * first
    assert [scene for scene, _ in itertools.groupby(scenes)] == ["bus", UNKNOWN_SCENE, "bus"]


def test_without_a_threshold_nothing_is_unknown() -> None:
    assert {one.scene for one in decide(RAW, [BUS] * 30, known=-100.0)} == {"bus"}
    thresholds = DecisionConfig(smoothing="none", margin=0.0, unknown_below=0.0)
    assert {one.scene for one in decide(thresholds, [BUS] * 30, known=math.nan)} == {"bus"}


def test_of_an_unknown_scene_there_is_no_confidence() -> None:
    config = DecisionConfig(unknown_below=4.0)
    last = decide(config, [BUS] * 20, known=0.0)[-1]
    assert (last.scene, last.confidence) == (UNKNOWN_SCENE, None)


def test_a_short_gap_keeps_the_scene_and_forgets_the_sound() -> None:
    decider = Decider(SCENES, DecisionConfig(time_constant_s=10.0), 1.0)
    for number in range(10):
        decider.process(estimate(10.0 + number, *BUS))
    assert not decider.lose(HOLD_S)
    decision = decider.process(estimate(40.0, *UNSURE))
    assert (decision.scene, decision.since_s) == ("bus", 0.0)
    np.testing.assert_allclose(decision.belief, UNSURE, rtol=1e-5)


def test_a_long_gap_gives_the_scene_up() -> None:
    decider = Decider(SCENES, DecisionConfig(), 1.0)
    decider.process(estimate(10.0, *BUS))
    assert decider.lose(HOLD_S + 0.1)
    assert not decider.lose(HOLD_S + 0.1)
    decision = decider.process(estimate(60.0, *BAR))
    assert (decision.scene, decision.since_s) == ("bar", 50.0)


def test_unknown_is_no_scene_of_a_model() -> None:
    with pytest.raises(ValueError, match="'unknown' is what is decided where no scene fits"):
        Decider(("bus", UNKNOWN_SCENE), DecisionConfig(), 1.0)


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.sampled_from([BUS, BAR, UNSURE, (0.0, 0.0, 1.0)]), min_size=1, max_size=60),
    st.sampled_from(["hmm", "exponential", "none"]),
    st.floats(0.0, 0.9),
    st.lists(st.tuples(st.integers(1, 15), st.booleans()), min_size=1, max_size=6),
)
def test_events_never_run_backwards_or_overlap(
    rows: list[tuple[float, ...]], smoothing: str, margin: float, familiar: list[tuple[int, bool]]
) -> None:
    config = DecisionConfig(smoothing, margin=margin, unknown_below=4.0)  # type: ignore[arg-type]
    known = [value for length, value in familiar for _ in range(length)]
    decider, changes = Decider(SCENES, config, 1.0), SceneChanges("mic")
    covered_s = 0.0
    for number, row in enumerate(rows):
        end_s = WINDOW_S + number
        familiarity_now = 6.0 if known[number % len(known)] else 0.0
        decision = decider.process(estimate(end_s, *row, known=familiarity_now))
        change = changes.process(decision, end_s, lambda moment_s: None)
        if change is not None:
            assert covered_s <= change.start_s <= change.detected_s == end_s
            if change.previous is not None:
                assert change.previous.end_s == change.start_s
                assert change.previous.duration_s >= 0.0
            covered_s = change.start_s


def test_a_model_of_one_scene_has_decided() -> None:
    decider = Decider(("bus",), DecisionConfig(), 1.0)
    window = SceneEstimate(("bus",), np.ones(1, np.float32), 0.0, 10.0, familiarity=1.0)
    assert decider.process(window).scene == "bus"


def test_familiarity_is_the_logarithm_of_the_sum_of_exponentials() -> None:
    logits = np.array([1.0, -2.0, 3.5], np.float32)
    assert familiarity(logits) == pytest.approx(math.log(sum(math.exp(v) for v in logits)))
    assert familiarity(np.array([500.0, 1.0], np.float32)) == pytest.approx(500.0)
