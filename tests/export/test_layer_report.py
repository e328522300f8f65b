from __future__ import annotations

import math
import re
from dataclasses import replace

import numpy as np
import pytest

from edge_asc.export.gru_drift import GruDrift
from edge_asc.export.layer_errors import layer_errors
from edge_asc.export.layer_gains import LayerGain
from edge_asc.export.layer_names import LayerNames
from edge_asc.export.layer_report import drift_lines, gain_lines, layer_report_lines, step_lines
from edge_asc.export.quantizer import quantize
from tests.export.device_material import encoder, head
from tests.export.test_layer_errors import row, with_scale


@pytest.fixture(scope="module")
def errors():
    return layer_errors(head().float32, head().int8, head().windows[:3])


def test_every_layer_has_a_line_of_at_most_120_columns_with_its_figures(errors):
    lines = layer_report_lines(errors)
    assert max(map(len, lines)) <= 120
    assert [line.split()[0] for line in lines[2:]] == [error.name for error in errors]
    (line,) = [line for line in lines if line.startswith("gru.state ")]
    state = row(errors, "gru.state")
    figures = [float(number) for number in re.findall(r"-?\d+\.\d+|\d+", line)]
    assert figures == pytest.approx(
        [
            3,
            state.snr_db,
            state.mean_snr_db,
            state.cosine,
            state.own_snr_db,
            state.mean_own_snr_db,
            state.excess,
            100 * state.at_ends,
            100 * state.clipped,
            100 * state.levels_used,
            100 * state.range_used,
        ],
        abs=0.51,
    )


def test_columns_stand_under_their_heads(errors):
    extreme = replace(errors[0], snr_db=math.inf, own_snr_db=-math.inf, at_ends=1.0, steps=())
    float_row = replace(errors[0], dtype="float32", own_snr_db=143.2)
    lines = layer_report_lines([*errors, extreme, float_row])
    bars = [[m.start() for m in re.finditer(r"\|", line) if m.start() > 40] for line in lines]
    assert [found[:3] for found in bars] == [bars[0][:3]] * len(lines)
    assert "exact" in lines[-2]
    assert "-inf" in lines[-2]
    assert lines[-1].endswith("float")


def test_all_three_names_and_what_contradicts_stand_below_the_line():
    broken = with_scale(encoder().int8, "blocks.0.expand.weight", 3.0, 5)
    errors = layer_errors(encoder().float32, broken, encoder().windows[:2])
    names = {"blocks.0.expand": LayerNames("blocks.0.expand", "/blocks/blocks.0/Clip_output_0")}
    lines = layer_report_lines(errors, names)
    assert lines[2].startswith("blocks.0.expand ")
    assert lines[3].startswith("      contradiction: weight scale of channel 5 is")
    assert "      = PyTorch blocks.0.expand = ONNX /blocks/blocks.0/Clip_output_0" in lines


def test_names_of_several_steps_are_the_first_and_the_last(errors):
    names = {f"gru.state/{k}": LayerNames(f"gru.state/{k}", f"/Add_{k}") for k in (1, 2, 3)}
    lines = layer_report_lines(errors, names)
    assert "      = PyTorch gru.state/1 .. gru.state/3 = ONNX /Add_1 .. /Add_3" in lines


def test_long_names_keep_their_beginning_and_end(errors):
    long = replace(errors[0], name="blocks.0.depthwise|concatenation|reshape|pad")
    (line,) = layer_report_lines([long])[2:]
    assert line.startswith("blocks.0.depthwise|co...|reshape|pad ")


def test_the_state_step_by_step(errors):
    state = row(errors, "gru.state")
    wanted = "  ".join(f"{k}: {step.snr_db:.1f}" for k, step in enumerate(state.steps, start=1))
    assert step_lines(errors) == ["SNR of gru.state by step, dB", wanted]
    assert step_lines(layer_errors(encoder().float32, encoder().int8, encoder().windows[:1])) == []


def test_gains_name_the_base_and_the_first_ones():
    gains = [LayerGain(f"layer {k}", 34.0 - k, 2.0 - k) for k in range(4)]
    assert gain_lines(gains, limit=2) == [
        "all int8: SNR of the output 32.0 dB; with one layer in float:",
        "  layer 0                                34.0 dB  +2.0 dB",
        "  layer 1                                33.0 dB  +1.0 dB",
    ]


def test_drift_after_the_steps_that_there_are():
    error = np.linspace(0.0, 0.0599, 600).astype(np.float32)
    long = GruDrift(error, np.full(600, 40.0, np.float32))
    lines = drift_lines({"real windows": long})
    assert lines[1].split() == ["input", "20", "60", "600", "|", "20", "60", "600"]
    assert lines[2].split()[2:] == ["0.0019", "0.0059", "0.0599", "|", "40.0", "40.0", "40.0"]
    short = GruDrift(error[:60], np.full(60, np.inf, np.float32))
    assert drift_lines({"short": short})[2].split() == [
        "short",
        "0.0019",
        "0.0059",
        "|",
        *2 * ["exact"],
    ]


def test_a_layer_in_float_says_so():
    mixed = quantize(head().float32, head().ranges, {"logits": "float"})
    lines = layer_report_lines(layer_errors(head().float32, mixed, head().windows[:2]))
    assert lines[-1].startswith("logits ") or any(
        line.startswith("logits ") and line.endswith("float") for line in lines
    )
