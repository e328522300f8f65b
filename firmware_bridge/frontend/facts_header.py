"""asc_facts.h: what C code must know of a model, as constants."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from edge_asc.context import TIME_FEATURES
from edge_asc.features import FeatureConfig
from edge_asc.firmware_bridge.frontend.c_text import comment_text, number, text
from edge_asc.firmware_bridge.frontend.network_facts import ContextCodes, NetworkFacts
from edge_asc.firmware_bridge.frontend.tables import LEVEL_BITS, Bands, FixedQuantizer
from edge_asc.interpreter import TensorSpec
from edge_asc.manifest import Manifest
from edge_asc.mel_bands import BLOCK_FRAMES

Defines = list[tuple[str, int | str]]
"""Name and value of each constant"""


def facts_header(
    manifest: Manifest,
    networks: NetworkFacts,
    bands: Bands,
    quantizer: FixedQuantizer,
    context: ContextCodes | None,
    *,
    fixed_point: bool,
    model_sha256: str,
) -> str:
    """The whole file."""
    groups = {
        "The model": _model(manifest, model_sha256),
        "Its sound": _sound(manifest.features, bands),
        "Its networks": _networks(manifest, networks),
        "Numbers of its inputs and outputs: (number - zero point) * scale": _scales(
            manifest, networks, quantizer
        ),
        "City and time": _context(manifest, context),
    }
    sections = [
        "\n".join([f"/* {title} */", *(f"#define ASC_{name} {value}" for name, value in defines)])
        for title, defines in groups.items()
    ]
    return _HEADER.format(
        name=comment_text(manifest.name),
        sections="\n\n".join(sections),
        fixed=int(fixed_point),
    )


_HEADER = """\
/* Facts of the model {name}, generated from its file: changes belong there. */
#ifndef ASC_FACTS_H
#define ASC_FACTS_H

/* 1: features in integers, for processors without floating point; 0: in single precision. */
#ifndef ASC_FRONTEND_FIXED
#define ASC_FRONTEND_FIXED {fixed}
#endif

{sections}

#ifdef __cplusplus
extern "C" {{
#endif
extern const char *const asc_scene_names[ASC_NUM_SCENES];
#if ASC_USES_CONTEXT
extern const char *const asc_city_names[ASC_NUM_CITIES];
#endif
#ifdef __cplusplus
}}
#endif

#endif
"""


def _model(manifest: Manifest, model_sha256: str) -> Defines:
    return [
        ("MODEL_NAME", text(manifest.name)),
        ("MODEL_SHA256", text(model_sha256)),
        ("MODEL_SHA256_BYTES", "{" + ", ".join(map(hex, bytes.fromhex(model_sha256))) + "}"),
        ("NUM_SCENES", len(manifest.scenes)),
    ]


def _sound(features: FeatureConfig, bands: Bands) -> Defines:
    points = features.fft_size // 2
    return [
        ("SAMPLE_RATE_HZ", features.sample_rate_hz),
        ("FFT_SIZE", features.fft_size),
        ("FFT_IS_POWER_OF_FOUR", int(points.bit_length() % 2 == 1)),
        ("WINDOW_SAMPLES", features.window_samples),
        ("HOP_SAMPLES", features.hop_samples),
        ("NUM_MELS", features.num_mels),
        ("NUM_MEL_WEIGHTS", len(bands.weights)),
        ("TOP_DB", number(features.top_db)),
        ("TOP_DB_FIXED", round(features.top_db * 2**LEVEL_BITS)),
    ]


def _networks(manifest: Manifest, networks: NetworkFacts) -> Defines:
    return [
        ("CELL_FRAMES", BLOCK_FRAMES),
        ("NUM_CELLS", manifest.num_frames // BLOCK_FRAMES),
        ("STEP_BYTES_PER_CELL", networks.step_bytes_per_cell),
        ("STEPS_ARE_MAPPED", int(networks.step_map is not None)),
    ]


def _scales(manifest: Manifest, networks: NetworkFacts, quantizer: FixedQuantizer) -> Defines:
    low, high = manifest.standardized_range
    ends = networks.features.quantize(_float32(low, high)).tolist()
    return [
        *_scale("FEATURES", networks.features),
        *_scale("LOGITS", networks.logits),
        ("STANDARDIZED_LOW", _signed(number(low))),
        ("STANDARDIZED_HIGH", _signed(number(high))),
        ("FEATURES_LOWEST", _signed(ends[0])),
        ("FEATURES_HIGHEST", _signed(ends[1])),
        ("QUANTIZE_SHIFT", quantizer.shift),
    ]


def _context(manifest: Manifest, context: ContextCodes | None) -> Defines:
    defines: Defines = [
        ("USES_CONTEXT", int(context is not None)),
        ("NUM_CITIES", len(manifest.cities)),
        ("TIME_FEATURES", TIME_FEATURES),
    ]
    if context is not None:
        defines += [
            ("CITY_ROW_UNKNOWN", len(manifest.cities)),
            ("CITY_CODE_ON", _signed(context.city_on)),
            ("CITY_CODE_OFF", _signed(context.city_off)),
            ("TIME_CODE_UNKNOWN", _signed(context.time_unknown)),
        ]
    return defines


def _scale(name: str, spec: TensorSpec) -> Defines:
    zero_point = _signed(spec.zero_point)
    return [(f"{name}_SCALE", number(spec.scale)), (f"{name}_ZERO_POINT", zero_point)]


def _float32(*values: float) -> npt.NDArray[np.float32]:
    return np.array(values, np.float32)


def _signed(constant: int | str) -> int | str:
    """In brackets if it is negative, so that it may stand behind an operator."""
    return f"({constant})" if str(constant).startswith("-") else constant
