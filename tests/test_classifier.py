"""The shipped int8 model as a classifier: whole windows, streams, context, damage."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest

from edge_asc import classifier as classifier_module
from edge_asc.audio import read_audio
from edge_asc.classifier import SceneClassifier, SceneEstimate
from edge_asc.context import SceneContext
from edge_asc.errors import ModelFileError
from edge_asc.features import FeatureConfig, LogMelStream, Samples, log_mel
from edge_asc.interpreter import runtime_name
from edge_asc.model_file import ModelFile, default_model_path

NOWHERE = SceneContext()
RATE = 44_100


@pytest.fixture(scope="module")
def model() -> ModelFile:
    return ModelFile.read(default_model_path())


@pytest.fixture
def classifier(model: ModelFile) -> SceneClassifier:
    return SceneClassifier(model)


def sound(seconds: float, seed: int = 3) -> Samples:
    """Noise whose level and colour change slowly, so that no two windows are alike."""
    rng = np.random.default_rng(seed)
    samples = rng.standard_normal(round(seconds * RATE)).astype(np.float32)
    times = np.arange(len(samples)) / RATE
    return (0.05 * samples * (1.2 + np.sin(times))).astype(np.float32)


def test_an_estimate_ranks_its_scenes() -> None:
    estimate = SceneEstimate(("a", "b", "c"), np.array([0.2, 0.7, 0.1], np.float32), 0.0, 10.0)
    assert estimate.scene == "b"
    assert estimate.confidence == pytest.approx(0.7)
    assert [scene for scene, _ in estimate.ranked(2)] == ["b", "a"]


def test_a_stream_gives_one_estimate_a_second_once_a_window_is_full(
    classifier: SceneClassifier,
) -> None:
    times = [
        (estimate.start_s, estimate.end_s, round(float(estimate.probabilities.sum()), 5))
        for chunk in np.split(sound(13.0), 26)
        for estimate in classifier.process(chunk, NOWHERE)
    ]
    assert times == [(0.0, 10.0, 1.0), (1.0, 11.0, 1.0), (2.0, 12.0, 1.0), (3.0, 13.0, 1.0)]


def test_how_a_stream_is_cut_changes_no_bit(model: ModelFile) -> None:
    samples = sound(12.0)
    whole = SceneClassifier(model).process(samples, NOWHERE)
    rng = np.random.default_rng(5)
    cuts = np.sort(rng.integers(0, len(samples), 40))
    pieces = SceneClassifier(model)
    cut = [e for chunk in np.split(samples, cuts) for e in pieces.process(chunk, NOWHERE)]
    assert len(whole) == len(cut) == 3
    for one, other in zip(whole, cut, strict=True):
        np.testing.assert_array_equal(one.probabilities, other.probabilities)


def test_lost_sound_starts_a_new_window_and_is_marked(classifier: SceneClassifier) -> None:
    before = classifier.process(sound(10.5), NOWHERE)
    classifier.begin_at(15.5)
    after = classifier.process(sound(11.0, seed=4), NOWHERE)
    assert [(e.end_s, e.after_gap) for e in before] == [(10.0, False)]
    assert [(e.start_s, e.end_s, e.after_gap) for e in after] == [
        (15.5, 25.5, True),
        (16.5, 26.5, False),
    ]


def test_after_lost_sound_nothing_of_the_past_is_left(model: ModelFile) -> None:
    used, fresh = SceneClassifier(model), SceneClassifier(model)
    used.process(sound(10.7), NOWHERE)
    used.begin_at(11.7)
    samples = sound(10.0, seed=9)
    (one,), (other,) = used.process(samples, NOWHERE), fresh.process(samples, NOWHERE)
    np.testing.assert_array_equal(one.probabilities, other.probabilities)


def test_a_stream_shorter_than_a_window_is_repeated_and_flagged(
    classifier: SceneClassifier,
) -> None:
    samples = sound(4.0)
    assert classifier.process(samples, NOWHERE) == []
    (estimate,) = classifier.finish(NOWHERE)
    assert (estimate.padded, estimate.start_s, estimate.end_s) == (True, 0.0, 4.0)
    repeated = np.concatenate([samples, samples, samples[: 2 * RATE]])
    expected = classifier.classify(repeated, NOWHERE)
    assert not expected.padded
    np.testing.assert_array_equal(estimate.probabilities, expected.probabilities)


def test_a_stream_that_filled_a_window_has_no_padded_rest(classifier: SceneClassifier) -> None:
    classifier.process(sound(10.5), NOWHERE)
    assert classifier.finish(NOWHERE) == []


def test_the_temperature_changes_confidence_and_nothing_else(model: ModelFile) -> None:
    facts = model.manifest
    cool = SceneClassifier(replace(model, manifest=replace(facts, temperature=1.0)))
    warm = SceneClassifier(replace(model, manifest=replace(facts, temperature=2.0)))
    samples = sound(11.0)
    for one, other in [
        (
            cool.classify(samples[: 10 * RATE], NOWHERE),
            warm.classify(samples[: 10 * RATE], NOWHERE),
        ),
        *zip(cool.process(samples, NOWHERE), warm.process(samples, NOWHERE), strict=True),
    ]:
        # softmax(z / 2) is the square root of softmax(z), normalised.
        root = np.sqrt(one.probabilities)
        np.testing.assert_allclose(other.probabilities, root / root.sum(), rtol=1e-5)
        assert [name for name, _ in one.ranked(3)] == [name for name, _ in other.ranked(3)]
        assert other.confidence < one.confidence
    features, _ = cool.window_features(samples[: 10 * RATE])
    np.testing.assert_array_equal(
        cool.whole_logits(features, NOWHERE), warm.whole_logits(features, NOWHERE)
    )


def test_silence_has_an_estimate_too(classifier: SceneClassifier) -> None:
    (estimate,) = classifier.process(np.zeros(10 * RATE, np.float32), NOWHERE)
    assert np.isfinite(estimate.probabilities).all()


def test_digital_silence_within_a_window_is_where_stream_and_window_differ(
    classifier: SceneClassifier,
) -> None:
    """The floor of a cell follows the loudest frame so far, that of a window the loudest of all."""
    samples = sound(10.0)
    samples[: 5 * RATE] = 0.0
    config = FeatureConfig()
    window = log_mel(samples, config)
    assert window[0, 0] == pytest.approx(window.max() - 80.0)
    stream = LogMelStream(config).process(samples)
    assert stream[0, 0] == pytest.approx(-100.0)


def test_an_untrained_city_is_used_as_unknown_and_said_so(
    classifier: SceneClassifier,
) -> None:
    samples = sound(10.0)
    beijing = SceneContext(city="Beijing")
    assert classifier.context_note(NOWHERE) is None
    assert "no training clip of this model came from Beijing" in str(
        classifier.context_note(beijing)
    )
    np.testing.assert_array_equal(
        classifier.classify(samples, beijing).probabilities,
        classifier.classify(samples, NOWHERE).probabilities,
    )


def test_city_and_time_reach_the_network(classifier: SceneClassifier) -> None:
    samples = sound(10.0)
    known = SceneContext(city=classifier.manifest.trained_cities[0])
    timed = SceneContext(local_time=datetime(2026, 6, 1, 12))
    logits = [
        classifier.classify(samples, context).probabilities for context in (NOWHERE, known, timed)
    ]
    assert classifier.context_note(known) is None
    assert not np.array_equal(logits[0], logits[1])
    assert not np.array_equal(logits[0], logits[2])


def test_streaming_agrees_with_whole_windows_on_real_sound(
    classifier: SceneClassifier, data_dir: Path
) -> None:
    """int8 encoder + head against the int8 whole network: the bound of docs/model-file.md."""
    same, differences = [], []
    for path in sorted((data_dir / "scenes_open").glob("*/*.flac")):
        samples = read_audio(path, RATE)
        for start in range(0, len(samples) - 10 * RATE + 1, 5 * RATE):
            window = samples[start : start + 10 * RATE]
            frames = log_mel(window, FeatureConfig())
            features = classifier.standardize(frames)
            whole = classifier.whole_logits(features, NOWHERE)
            streamed = classifier.streamed_logits(features, NOWHERE)
            same.append(whole.argmax() == streamed.argmax())
            differences.append(np.abs(whole - streamed).max())
    assert len(same) > 100
    assert np.mean(same) >= 0.96
    assert np.max(differences) < 0.2  # 0.04 was seen, of logits that reach +-5


@pytest.mark.parametrize("error", [100.0, np.nan])
@pytest.mark.parametrize("name", ["logits", "streamed_logits"])
def test_wrong_golden_outputs_are_refused(model: ModelFile, name: str, error: float) -> None:
    wrong = {**model.golden, name: model.golden[name] + error}
    facts = replace(model.manifest, sha256={"whole.tflite": f"another model: {name} {error}"})
    damaged = replace(model, golden=wrong, manifest=facts)
    with pytest.raises(ModelFileError, match="computes wrong results with ai-edge-litert"):
        SceneClassifier(damaged)


def with_golden(model: ModelFile, off_steps: int, name: str, **facts: object) -> ModelFile:
    """`model` whose golden logits are those of this interpreter, but for `off_steps` of one."""
    classifier = SceneClassifier(model)
    assert classifier._head is not None
    step = {"logits": classifier._whole, "streamed_logits": classifier._head}[name].output.scale
    golden = dict(model.golden)
    windows = list(zip(golden["features"], golden["city"], golden["time"], strict=True))
    for key, run in (
        ("logits", classifier._run_whole),
        ("streamed_logits", classifier._run_streamed),
    ):
        golden[key] = np.stack(
            [
                run(window, {"city": city[None], "time": time[None]})
                for window, city, time in windows
            ]
        )
    golden[name][-1, 3] += np.float32(off_steps * step)
    manifest = replace(
        model.manifest,
        golden=model.manifest.golden | facts,
        sha256={"whole.tflite": f"another model: {off_steps} {name} {facts}"},
    )
    return replace(model, manifest=manifest, golden=golden)


@pytest.mark.parametrize("name", ["logits", "streamed_logits"])
def test_the_interpreter_of_the_export_must_give_the_golden_outputs_exactly(
    model: ModelFile, name: str
) -> None:
    """One step of an int8 logit is the least that can differ, and 12 are within the bound."""
    here = runtime_name()
    with pytest.raises(ModelFileError, match=rf"{name} of a window .* they must be equal"):
        SceneClassifier(with_golden(model, 1, name, reference=here))
    SceneClassifier(with_golden(model, 0, name, reference=here))


@pytest.mark.parametrize("name", ["logits", "streamed_logits"])
def test_another_interpreter_must_come_within_its_bound(model: ModelFile, name: str) -> None:
    facts = {"reference": "ai-edge-litert 9.9.9", "bound_logits": 0.1}  # a step is 0.036
    with pytest.raises(ModelFileError, match=r"off by 0\.1.*, at most 0\.1 is allowed"):
        SceneClassifier(with_golden(model, 4, name, **facts))
    SceneClassifier(with_golden(model, 2, name, **facts))
    measured = {"ai-edge-litert": {"version": "2.1.0", "bound_logits": 0.05}}
    with pytest.raises(ModelFileError, match=r"off by 0\.0.*, at most 0\.05 is allowed"):
        SceneClassifier(with_golden(model, 2, name, **facts, runtimes=measured))


def test_golden_outputs_are_checked_once_per_process(
    model: ModelFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(classifier_module, "_golden_seen", set())
    checks = []
    monkeypatch.setattr(SceneClassifier, "_check_golden", lambda _self, m: checks.append(m))
    SceneClassifier(model)
    SceneClassifier(model)
    assert len(checks) == 1


def test_networks_of_other_shapes_than_the_manifest_says_are_refused(model: ModelFile) -> None:
    facts = replace(model.manifest, scenes=model.manifest.scenes[:-1])
    with pytest.raises(ModelFileError, match=r"gives \(1, 10\); the manifest says .* \(1, 9\)"):
        SceneClassifier(replace(model, manifest=facts))


def test_a_head_for_other_steps_than_the_encoder_gives_is_refused(model: ModelFile) -> None:
    with pytest.raises(ModelFileError, match=r"its encoder takes .*'steps'.*; the manifest says"):
        SceneClassifier(replace(model, encoder=model.head, head=model.encoder))


def test_a_new_stream_is_not_after_a_gap(model: ModelFile) -> None:
    used = SceneClassifier(model)
    used.process(sound(10.7), NOWHERE)
    used.begin_at(0.0)
    (estimate,) = used.process(sound(10.0, seed=9), NOWHERE)
    assert (estimate.start_s, estimate.end_s, estimate.after_gap) == (0.0, 10.0, False)
