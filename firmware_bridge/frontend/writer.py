"""From a model file to the generated half of the C front end."""

from __future__ import annotations

import re

import numpy as np

from edge_asc.errors import FirmwareError
from edge_asc.firmware_bridge.frontend import tables
from edge_asc.firmware_bridge.frontend.c_text import (
    array,
    comment_text,
    floats,
    integers,
    names,
    pairs,
    unsigned,
)
from edge_asc.firmware_bridge.frontend.facts_header import facts_header
from edge_asc.firmware_bridge.frontend.limits import check_manifest
from edge_asc.firmware_bridge.frontend.network_facts import (
    ContextCodes,
    NetworkFacts,
    context_codes,
    network_facts,
)
from edge_asc.manifest import Manifest
from edge_asc.model_file import ModelFile

SOURCES = (
    "asc.h",
    "asc.c",
    "asc_frontend.h",
    "asc_frontend.c",
    "asc_frontend_tables.h",
    "asc_fft_order.h",
    "asc_logmel.h",
    "asc_logmel_float.c",
    "asc_logmel_fixed.c",
)
"""Fixed files of `firmware_bridge/csource` that the generated ones need beside them."""


def write_frontend(
    model: ModelFile,
    *,
    model_sha256: str,
    fixed_point: bool = False,
    microphone_rate_hz: int | None = None,
) -> dict[str, str]:
    """asc_facts.h and asc_frontend_tables.c, as text by their names.

    Both hold the tables of either arithmetic; `fixed_point` says which one a compiler takes that is
    not told by -DASC_FRONTEND_FIXED=0 or 1. `model_sha256` names the model to whoever talks to the
    device; hexadecimal, of 64 digits. `microphone_rate_hz`, if it is known, must be the model's.

    Raises FirmwareError for a model that the C front end cannot serve.
    """
    if not re.fullmatch(r"[0-9a-f]{64}", model_sha256):
        raise FirmwareError(
            f"model_sha256 must be 64 hexadecimal digits in lower case, got {model_sha256[:80]!r}"
        )
    manifest = model.manifest
    check_manifest(manifest, microphone_rate_hz)
    bands = tables.mel_bands_of(manifest.features)
    networks = network_facts(model)
    quantizer = tables.fixed_quantizer(manifest, networks.features)
    context = None
    if networks.city is not None and networks.time is not None:
        context = context_codes(manifest, networks.city, networks.time)
    facts = facts_header(
        manifest,
        networks,
        bands,
        quantizer,
        context,
        fixed_point=fixed_point,
        model_sha256=model_sha256,
    )
    parts = [
        _OPENING.format(name=comment_text(manifest.name)),
        names("asc_scene_names[ASC_NUM_SCENES]", manifest.scenes),
        _band_table(bands),
        "#if ASC_FRONTEND_FIXED",
        *_fixed_tables(manifest, bands, quantizer),
        "#else",
        *_float_tables(manifest, bands),
        "#endif",
        *_result_tables(manifest, networks),
        *_context_tables(manifest, context),
    ]
    return {"asc_facts.h": facts, "asc_frontend_tables.c": "\n\n".join(parts) + "\n"}


_OPENING = """\
/* Tables of the model {name}, generated from its file: changes belong there. */
#include "asc_frontend_tables.h\""""


def _band_table(bands: tables.Bands) -> str:
    rows = np.stack([bands.first_bin, bands.num_bins, bands.first_weight], axis=1).tolist()
    constants = [f"{{{first}, {count}, {weight}}}" for first, count, weight in rows]
    return array("asc_band_t asc_bands[ASC_NUM_MELS]", constants)


def _fixed_tables(
    manifest: Manifest, bands: tables.Bands, quantizer: tables.FixedQuantizer
) -> list[str]:
    features = manifest.features
    return [
        array("int32_t asc_window[ASC_HOP_SAMPLES + 1]", integers(tables.fixed_window(features))),
        array("int32_t asc_cosine[3 * ASC_FFT_SIZE / 4]", integers(tables.fixed_cosine(features))),
        array("uint32_t asc_mel_weights[ASC_NUM_MEL_WEIGHTS]", unsigned(bands.fixed_weights)),
        array("int32_t asc_band_offset[ASC_NUM_MELS]", integers(bands.fixed_offset)),
        array("uint32_t asc_root[385]", unsigned(tables.root_table())),
        array("int32_t asc_decibels[257]", integers(tables.decibel_table())),
        array("int32_t asc_quantize_slope[ASC_NUM_MELS]", integers(quantizer.slope)),
        array("int64_t asc_quantize_offset[ASC_NUM_MELS]", integers(quantizer.offset)),
    ]


def _float_tables(manifest: Manifest, bands: tables.Bands) -> list[str]:
    features = manifest.features
    slope, offset = tables.standardizing(manifest)
    return [
        array(
            "float asc_window[ASC_HOP_SAMPLES + 1]",
            floats(tables.rising_window(features) / 65536.0),
        ),
        array("float asc_cosine[3 * ASC_FFT_SIZE / 4]", floats(tables.cosine(features))),
        array("float asc_mel_weights[ASC_NUM_MEL_WEIGHTS]", floats(bands.weights)),
        array("float asc_standardize_slope[ASC_NUM_MELS]", floats(slope)),
        array("float asc_standardize_offset[ASC_NUM_MELS]", floats(offset)),
    ]


def _result_tables(manifest: Manifest, networks: NetworkFacts) -> list[str]:
    exponentials = tables.exponential_table(networks.logits, manifest.temperature)
    parts = [array("uint32_t asc_exponential[256]", unsigned(exponentials))]
    step_map = networks.step_map
    if step_map is not None:
        parts.append(array("int8_t asc_step_map[256]", integers(step_map)))
    return parts


def _context_tables(manifest: Manifest, context: ContextCodes | None) -> list[str]:
    if context is None:
        return []
    rows = np.array(context.city_rows)
    return [
        names("asc_city_names[ASC_NUM_CITIES]", manifest.cities),
        array("uint8_t asc_city_row[ASC_NUM_CITIES]", integers(rows)),
        array("int8_t asc_hour_code[24][2]", pairs(context.hours)),
        array("int8_t asc_month_code[12][2]", pairs(context.months)),
        array("int8_t asc_weekday_code[7][2]", pairs(context.weekdays)),
        array("int8_t asc_minute_code[60][2]", pairs(context.minutes)),
    ]
