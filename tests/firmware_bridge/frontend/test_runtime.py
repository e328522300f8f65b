"""Sound to result in C: against SceneClassifier on real recordings, gaps, chunks, probabilities."""

from __future__ import annotations

import subprocess
from datetime import datetime
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from edge_asc.classifier import SceneClassifier
from edge_asc.context import SceneContext
from edge_asc.interpreter import Network
from edge_asc.model_file import ModelFile
from tests.firmware_bridge.frontend.programs import (
    CSOURCE,
    DRIVERS,
    Runtime,
    Sound,
    compile_host,
    write_sources,
)

CELL = 44_100
ONE = 32767.0
PROBABILITY_BOUND = 2e-5
"""Half a step of the result is 1.5e-5; a table in steps of 6e-8 adds little."""

SCENES_PROBABILITY_BOUND = 0.02
"""Four steps of the shipped model's output; seen: 0.012, by features that are next to a tie."""


def always(logits: np.ndarray, _steps: object, _city: object, _time: object) -> np.ndarray:
    """A head that gives these logits."""
    return logits


def use_networks_of(model: ModelFile, runtime: Runtime) -> None:
    """Let the runtime's networks be the model's own, in the interpreter."""
    assert model.encoder is not None
    assert model.head is not None
    encoder, head = Network(model.encoder), Network(model.head)
    runtime.encoder = lambda features: encoder.invoke(
        features=features.reshape(1, 50, 64, 1)
    ).ravel()
    runtime.head = lambda steps, city, time: head.invoke(
        steps=steps.reshape(1, 20, 1024), city=city[None], time=time[None]
    ).ravel()


def test_the_names_are_the_models(model: ModelFile, runtime: Runtime) -> None:
    """UTF-8; Xi'an has a character that C strings must not end at."""
    facts = model.manifest
    scenes = [runtime.library.scene_name(index) for index in range(len(facts.scenes))]
    cities = [runtime.library.city_name(index) for index in range(len(facts.cities))]
    assert [name.decode() for name in scenes] == list(facts.scenes)
    assert [name.decode() for name in cities] == list(facts.cities)


def test_real_recordings_are_classified_as_in_python(
    model: ModelFile, runtime: Runtime, recordings: list[Sound]
) -> None:
    """With the interpreter's networks, so that nothing but features differs; with context, too."""
    use_networks_of(model, runtime)
    classifier = SceneClassifier(model)
    moment, city = datetime(2026, 5, 15, 18, 45), "Jinan"
    windows = 0
    for index, sound in enumerate(recordings[::3]):
        sound = np.resize(sound, max(len(sound), 10 * CELL))
        context = SceneContext(city, moment) if index % 2 else SceneContext()
        runtime.init()
        if index % 2:
            codes = (model.manifest.cities.index(city), 18 * 60 + 45, moment.weekday(), 5)
            assert runtime.set_context(*codes) == 0
        results = runtime.results(sound)
        classifier.reset()
        estimates = classifier.process(sound / np.float32(32768.0), context)
        assert len(results) == len(estimates) > 0
        for result, estimate in zip(results, estimates, strict=True):
            assert model.manifest.scenes[result.scene] == estimate.scene
            found = np.array(result.probabilities) / ONE
            assert np.abs(found - estimate.probabilities).max() <= SCENES_PROBABILITY_BOUND
        windows += len(results)
    assert windows >= 20


def test_probabilities_are_pythons(
    model: ModelFile, runtime: Runtime, rng: np.random.Generator
) -> None:
    """Of random logits, of ties, of the largest difference that int8 can have."""
    assert model.head is not None
    output = Network(model.head).output
    tries = [rng.integers(-128, 128, 10) for _ in range(200)]
    tries += [np.full(10, 5), np.r_[127, np.full(9, -128)], np.r_[np.zeros(8), 60, 60]]
    assert runtime.process(np.zeros(9 * CELL, np.int16)) == 0
    for logits in tries:
        logits = logits.astype(np.int8)
        runtime.head = partial(always, logits)
        assert runtime.process(np.zeros(CELL, np.int16)) == 1
        result = runtime.result()
        real = output.dequantize(logits).astype(np.float64) / model.manifest.temperature
        expected = np.exp(real - real.max()) / np.exp(real - real.max()).sum()
        assert np.abs(np.array(result.probabilities) / ONE - expected).max() <= PROBABILITY_BOUND
        assert result.scene == int(np.argmax(logits))
        assert np.array_equal(np.array(result.logits), logits)


def test_the_head_gets_the_cells_of_a_window_in_order(runtime: Runtime) -> None:
    """Ten of them, oldest first, wherever the ring stands."""
    cells = iter(range(100))
    runtime.encoder = lambda features: np.full(2048, next(cells), np.int8)
    seen: list[list[int]] = []

    def head(steps: np.ndarray, _city: np.ndarray, _time: np.ndarray) -> np.ndarray:
        assert (steps.reshape(10, 2048) == steps[::2048, None]).all()
        seen.append(steps[::2048].tolist())
        return np.zeros(10, np.int8)

    runtime.head = head
    assert runtime.process(np.zeros(33 * CELL, np.int16)) == 24
    assert seen == [list(range(first, first + 10)) for first in range(24)]


def test_after_lost_sound_a_whole_window_is_heard_and_the_first_result_says_so(
    runtime: Runtime, rng: np.random.Generator
) -> None:
    sound = rng.integers(-500, 500, 11 * CELL).astype(np.int16)
    assert [(one.number, one.after_gap) for one in runtime.results(sound)] == [(1, 0), (2, 0)]
    before = list(runtime.features)
    assert runtime.process(sound[: CELL + 300]) == 1
    runtime.reset()
    runtime.features.clear()
    assert [(one.number, one.after_gap) for one in runtime.results(sound)] == [(4, 1), (5, 0)]
    assert all(np.array_equal(*pair) for pair in zip(before, runtime.features, strict=True))


def test_lost_sound_before_the_first_window_counts(runtime: Runtime) -> None:
    runtime.reset()
    assert runtime.process(np.zeros(10 * CELL, np.int16)) == 1
    assert runtime.result().after_gap == 1


def test_the_default_model_fits_into_memory(runtime: Runtime) -> None:
    """Beside the networks' arenas, which are 24,000 bytes here: 20,480 of steps, 4 kB of sound."""
    assert runtime.library.memory_bytes() <= 24_000 + 20_480 + 4096


@pytest.mark.parametrize("fixed", [False, True])
def test_chunks_never_change_a_result_and_no_memory_is_overrun(
    model: ModelFile, fixed: bool, tmp_path: Path, rng: np.random.Generator
) -> None:
    """With networks that write to all of their arenas; 0 is a gap, after which context is set."""
    sources = [*write_sources(model, tmp_path), CSOURCE / "asc.c", DRIVERS / "run.c"]
    checks = "-fsanitize=address,undefined"
    program = compile_host(tmp_path / "run", sources, tmp_path, checks, fixed=fixed)
    heard = tmp_path / "sound"
    rng.integers(-3000, 3000, 25 * CELL).astype(np.int16).tofile(heard)

    def lines(*chunks: int) -> list[list[str]]:
        command = [str(program), str(heard), *map(str, chunks)]
        said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        # How many results a call completed is all that may depend on chunks.
        return [line.split()[1:] for line in said.splitlines()]

    seconds = lines(CELL)
    assert len(seconds) == 16
    assert len({tuple(line[3:]) for line in seconds}) == 16
    for chunks in ([1], [881, 882, 883], [CELL - 1], [CELL + 1], rng.integers(1, 9000, 9).tolist()):
        cut = lines(*chunks)
        assert (
            cut == seconds
            if max(chunks) <= CELL
            else set(map(tuple, cut)) <= set(map(tuple, seconds))
        )
    gaps = lines(12 * CELL, 0, CELL // 2, *[CELL] * 12)
    assert [line[2] for line in gaps][:2] == ["0", "1"]
    assert gaps[0] == seconds[2]
