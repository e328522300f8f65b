"""Models unlike the shipped one: without context, with a head that has another scale of steps."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edge_asc.firmware_bridge.frontend import network_facts as real
from edge_asc.firmware_bridge.frontend import writer
from edge_asc.firmware_bridge.frontend.host import HostFrontEnd
from edge_asc.firmware_bridge.frontend.network_facts import NetworkFacts
from edge_asc.model_file import ModelFile
from tests.firmware_bridge.frontend.programs import (
    CSOURCE,
    FrontEnd,
    Runtime,
    compile_host,
    write_sources,
)

ChangeNetworks = Callable[..., NetworkFacts]


@pytest.fixture
def change_networks(model: ModelFile, monkeypatch: pytest.MonkeyPatch) -> ChangeNetworks:
    """Let the model's networks seem to be others."""

    def change(**changes: object) -> NetworkFacts:
        facts = replace(real.network_facts(model), **changes)  # type: ignore[arg-type]
        monkeypatch.setattr(writer, "network_facts", lambda _model: facts)
        return facts

    return change


@pytest.mark.parametrize("fixed", [False, True])
def test_a_model_without_context(
    model: ModelFile, change_networks: ChangeNetworks, fixed: bool, tmp_path: Path
) -> None:
    """Built and run: any known time is taken and changes nothing, a city is refused."""
    change_networks(city=None, time=None)
    facts = replace(model.manifest, fusion="none", cities=(), trained_cities=())
    sources = write_sources(replace(model, manifest=facts), tmp_path)
    assert "#define ASC_USES_CONTEXT 0\n" in (tmp_path / "asc_facts.h").read_text()
    assert not re.search("city|hour", (tmp_path / "asc_frontend_tables.c").read_text())
    main = tmp_path / "main.c"
    main.write_text(
        '#include "asc.h"\n#include <string.h>\nstatic asc_t one, other;\n'
        "void asc_encoder_run(int8_t *arena) { arena[0] = 0; }\n"
        "void asc_head_run(int8_t *arena) { arena[0] = 0; }\n"
        "int main(void) {\n    asc_init(&one);\n    asc_init(&other);\n"
        "    return asc_set_context(&one, 0, ASC_UNKNOWN, 0, 1) != -1 ||\n"
        "        asc_set_context(&one, ASC_UNKNOWN, 600, 3, 12) != 0 ||\n"
        "        memcmp(&one, &other, sizeof one) != 0;\n}\n"
    )
    sources += [CSOURCE / "asc.c", main]
    checks = "-fsanitize=address,undefined"
    program = compile_host(tmp_path / "main", sources, tmp_path, checks, fixed=fixed)
    subprocess.run([program], check=True)


def test_a_head_with_another_scale_of_steps(
    model: ModelFile, change_networks: ChangeNetworks, tmp_path: Path
) -> None:
    """As SceneClassifier: out of the encoder's scale, into the head's."""
    same = real.network_facts(model)
    coarser = replace(same.steps, scale=same.steps.scale * 1.7, zero_point=-100)
    facts = change_networks(steps=coarser)
    runtime = Runtime(model, tmp_path, fixed=False)
    encoded = (np.arange(2048) % 256 - 128).astype(np.int8)
    seen: list[np.ndarray] = []

    def head(steps: np.ndarray, _city: np.ndarray, _time: np.ndarray) -> np.ndarray:
        seen.append(steps)
        return np.zeros(10, np.int8)

    runtime.encoder, runtime.head = (lambda features: encoded), head
    assert runtime.process(np.zeros(441_000, np.int16)) == 1
    expected = coarser.quantize(facts.encoded.dequantize(encoded))
    assert len(np.unique(expected)) > 100
    assert np.array_equal(seen[0], np.tile(expected, 10))


def test_the_library_for_python_gives_the_same(
    model: ModelFile, front_end: FrontEnd, tmp_path: Path, rng: np.random.Generator
) -> None:
    """Compiled with -O2, and without sanitizers; a rest that fills no cell is left out."""
    sound = rng.integers(-3000, 3000, 2 * 44_100 + 700).astype(np.int16)
    heard = HostFrontEnd(model, tmp_path, fixed_point=front_end.fixed).hear(sound)
    expected = front_end.hear(sound)
    assert heard.levels.shape == (100, 64)
    assert np.array_equal(heard.levels, expected.levels)
    assert np.array_equal(heard.features, expected.features)
