"""Sound to result in C alone, networks included, against the runtime on the same sound."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from edge_asc.classifier import SceneClassifier
from edge_asc.context import SceneContext
from edge_asc.firmware_bridge.codegen.compiler import compile_model, write_model
from edge_asc.model_file import ModelFile
from tests.firmware_bridge.frontend.programs import (
    CSOURCE,
    DRIVERS,
    Sound,
    compile_host,
    write_sources,
)

CELL = 44_100
BOUND = 0.03
"""Of a probability. Seen: 0.017, by features next to a tie, and by XNNPACK in the runtime."""


@pytest.fixture(scope="module")
def networks(model: ModelFile, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """asc_model.h and asc_model.c of the shipped model."""
    folder = tmp_path_factory.mktemp("networks")
    for name, text in write_model(compile_model(model, "litert")).items():
        (folder / name).write_text(text)
    return folder


@pytest.fixture(params=[False, True], ids=["float", "fixed"])
def program(
    model: ModelFile, networks: Path, request: pytest.FixtureRequest, tmp_path: Path
) -> Path:
    """Prints scene and probabilities of each result; the front end's headers come first."""
    sources = [
        *(*write_sources(model, tmp_path), CSOURCE / "asc.c", CSOURCE / "asc_kernels.c"),
        *(networks / "asc_model.c", DRIVERS / "classify.c"),
    ]
    options = (f"-I{networks}", "-O2", "-fsanitize=address,undefined")
    return compile_host(tmp_path / "classify", sources, tmp_path, *options, fixed=request.param)


def test_the_runtime_answers_alike(
    model: ModelFile, program: Path, recordings: list[Sound], tmp_path: Path
) -> None:
    """The same scene in every window of 46 recordings."""
    classifier = SceneClassifier(model)
    windows = 0
    for sound in recordings:
        sound = np.resize(sound, max(len(sound), 10 * CELL))
        sound.tofile(tmp_path / "sound")
        said = subprocess.run([program, tmp_path / "sound"], check=True, capture_output=True)
        results = [line.split() for line in said.stdout.splitlines()]
        classifier.reset()
        estimates = classifier.process(sound / np.float32(32768.0), SceneContext())
        assert len(results) == len(estimates) > 0
        for result, estimate in zip(results, estimates, strict=True):
            assert model.manifest.scenes[int(result[0])] == estimate.scene
            probabilities = np.array(result[1:], float) / 32767.0
            assert np.abs(probabilities - estimate.probabilities).max() <= BOUND
        windows += len(results)
    assert len(recordings) >= 40
    assert windows >= 70


def test_memory_of_the_shipped_model(model: ModelFile, networks: Path, tmp_path: Path) -> None:
    """Networks, steps, sound and front end together; 96 kB is what firmware may take."""
    write_sources(model, tmp_path)
    (tmp_path / "size.c").write_text(
        '#include "asc.h"\ntypedef char fits[sizeof(asc_t) <= 49152 ? 1 : -1];\n'
        "int main(void) { return (int)sizeof(fits) - 1; }\n"
    )
    sources, options = [tmp_path / "size.c"], (f"-I{networks}",)
    compile_host(tmp_path / "size", sources, tmp_path, *options, fixed=False)


@pytest.mark.skipif(shutil.which("g++") is None, reason="needs g++")
def test_cpp_may_use_it(model: ModelFile, networks: Path, tmp_path: Path) -> None:
    """Sketches are C++: names must be found in objects that were compiled as C."""
    include = [f"-I{networks}", f"-I{tmp_path}", f"-I{CSOURCE}"]
    sources = [*write_sources(model, tmp_path), CSOURCE / "asc.c", CSOURCE / "asc_kernels.c"]
    subprocess.run(
        ["gcc", "-std=c99", "-c", *include, *map(str, sources), str(networks / "asc_model.c")],
        check=True, cwd=tmp_path,
    )  # fmt: skip
    (tmp_path / "sketch.cpp").write_text(
        '#include "asc.h"\nstatic asc_t classifier;\n'
        "int main() {\n    static const int16_t silence[882] = {0};\n    asc_result_t result;\n"
        "    asc_init(&classifier);\n"
        "    while (asc_process(&classifier, silence, 882) == 0) {\n    }\n"
        "    asc_result(&classifier, &result);\n"
        "    return asc_scene_names[result.scene][0] == 0 || asc_city_names[0][0] == 0;\n}\n"
    )
    objects = [f"{path.stem}.o" for path in [*sources, networks / "asc_model.c"]]
    subprocess.run(
        ["g++", "-std=c++11", "-Wall", "-Werror", *include, "sketch.cpp", *objects, "-o", "sketch"],
        check=True, cwd=tmp_path,
    )  # fmt: skip
    subprocess.run([tmp_path / "sketch"], check=True)
