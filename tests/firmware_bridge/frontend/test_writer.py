"""What is generated for a model, and which models are refused."""

from __future__ import annotations

import re
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge_asc.errors import FirmwareError
from edge_asc.firmware_bridge.frontend import SOURCES, write_frontend
from edge_asc.firmware_bridge.frontend.c_text import comment_text, floats, text
from edge_asc.model_file import ModelFile
from tests.firmware_bridge.frontend.programs import CSOURCE, SHA256


def with_facts(model: ModelFile, **changes: Any) -> ModelFile:
    return replace(model, manifest=replace(model.manifest, **changes))


def with_features(model: ModelFile, **changes: Any) -> ModelFile:
    return with_facts(model, features=replace(model.manifest.features, **changes))


def test_the_facts_are_the_models(model: ModelFile) -> None:
    facts = write_frontend(model, model_sha256=SHA256)["asc_facts.h"]
    defines = dict(re.findall(r"#define ASC_(\w+) (.+)", facts))
    assert defines["SAMPLE_RATE_HZ"] == "44100"
    assert defines["HOP_SAMPLES"] == "882"
    assert defines["NUM_CELLS"] == "10"
    assert defines["STEP_BYTES_PER_CELL"] == "2048"
    assert defines["MODEL_SHA256"] == f'"{SHA256}"'
    assert defines["FEATURES_ZERO_POINT"] == "11"
    assert np.float32(defines["LOGITS_SCALE"].removesuffix("f")) == np.float32(0.03723951056599617)
    assert defines["FRONTEND_FIXED"] == "0"


def test_the_same_model_gives_the_same_text(model: ModelFile) -> None:
    assert write_frontend(model, model_sha256=SHA256) == write_frontend(model, model_sha256=SHA256)


def test_the_arithmetic_is_a_default(model: ModelFile) -> None:
    fixed = write_frontend(model, model_sha256=SHA256, fixed_point=True)["asc_facts.h"]
    assert "#ifndef ASC_FRONTEND_FIXED\n#define ASC_FRONTEND_FIXED 1\n" in fixed


def test_every_fixed_source_is_there() -> None:
    assert all((CSOURCE / name).is_file() for name in SOURCES)


def test_constants_are_read_back_as_the_same_bits(rng: np.random.Generator) -> None:
    values = rng.standard_normal(1000).astype(np.float32) * 10.0 ** rng.integers(-9, 9, 1000)
    values = np.concatenate([values.astype(np.float32), np.array([0.0, 1.0, -8.0], np.float32)])
    constants = floats(values)
    assert all(re.fullmatch(r"-?\d+(\.\d+)?(e[+-]\d+)?f", one) for one in constants)
    read = np.array([np.float32(one.removesuffix("f")) for one in constants])
    assert np.array_equal(read, values)


def test_names_are_c_strings_and_end_no_comment() -> None:
    assert text("Xi'an \"\\?") == '"Xi\'an \\042\\134\\077"'
    assert text("Zürich") == '"Z\\303\\274rich"'
    assert comment_text("a*/b\n") == "a* /b "


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"fft_size": 2000}, "a power of two from 64 to 4096 points, fft_size is 2000"),
        ({"fft_size": 8192}, "fft_size is 8192"),
        ({"num_mels": 256}, "at most 255 mel bands, num_mels is 256"),
        ({"top_db": 1e4}, "top_db must be above 0 and at most 1000 for firmware, got 10000"),
        ({"fmax_hz": 60.0}, "read no bin of an FFT of 2048 points"),
        ({"num_mels": 40}, "export the model again"),
    ],
)
def test_front_ends_that_cannot_be_served(
    model: ModelFile, changes: dict[str, Any], said: str
) -> None:
    with pytest.raises(FirmwareError, match=said):
        write_frontend(with_features(model, **changes), model_sha256=SHA256)


def test_models_that_cannot_be_served(model: ModelFile) -> None:
    tries = [
        (with_facts(model, cell_frames=None), "has cells of none and a window of 500"),
        (with_facts(model, window_s=10.5), "a window of 525 frames"),
        (replace(model, encoder=None), "takes whole windows only"),
        (with_facts(model, scenes=("bus", "bar")), "export the model again"),
        (with_facts(model, mel_std=(1e-9,) * 64), "too fine for fixed point"),
        (with_facts(model, cities=tuple(f"city {n}" for n in range(255))), "at most 127 scenes"),
    ]
    for unfit, said in tries:
        with pytest.raises(FirmwareError, match=said):
            write_frontend(unfit, model_sha256=SHA256)


def test_a_microphone_of_another_rate_is_refused(model: ModelFile) -> None:
    write_frontend(model, model_sha256=SHA256, microphone_rate_hz=44_100)
    with pytest.raises(FirmwareError, match=r"44100 Hz and .* 16000 Hz cannot feed it"):
        write_frontend(model, model_sha256=SHA256, microphone_rate_hz=16_000)


def test_the_compiler_refuses_a_microphone_of_another_rate(
    model: ModelFile, tmp_path: Path
) -> None:
    for name, content in write_frontend(model, model_sha256=SHA256).items():
        (tmp_path / name).write_text(content)
    command = ["gcc", "-std=c99", f"-I{tmp_path}", "-fsyntax-only", str(CSOURCE / "asc_frontend.c")]
    right = subprocess.run([*command, "-DASC_MICROPHONE_RATE_HZ=44100"], capture_output=True)
    assert right.returncode == 0
    wrong = subprocess.run(
        [*command, "-DASC_MICROPHONE_RATE_HZ=16000"], capture_output=True, text=True
    )
    assert wrong.returncode != 0
    assert "set the microphone's clock to that rate" in wrong.stderr


def test_a_hash_of_another_form_is_refused(model: ModelFile) -> None:
    with pytest.raises(FirmwareError, match="64 hexadecimal digits in lower case, got '5A5A"):
        write_frontend(model, model_sha256=SHA256.upper())
