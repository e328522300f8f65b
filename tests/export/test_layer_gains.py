from __future__ import annotations

import pytest

from edge_asc.errors import ExportError
from edge_asc.export.layer_gains import layer_gains
from edge_asc.export.quantizer import quantize
from edge_asc.export.scale_faults import layer_of
from edge_asc.interpreter import Network
from tests.export.device_material import encoder, head


@pytest.mark.parametrize("layer", ["blocks.0.depthwise", "blocks.1.mix"])
def test_the_layer_with_a_range_ten_times_too_wide_gains_most(layer):
    ranges = dict(encoder().ranges)
    # What is joined must have one range: the pool beside a depthwise convolution suffers too.
    partner = layer.replace("depthwise", "pool")
    for name in ranges:
        if name.split("|")[0] in (layer, partner):
            ranges[name] = (0.0, 60.0)
    gains = layer_gains(encoder().float32, ranges, encoder().windows[:6])
    assert gains[0].layer in (layer, partner)
    assert gains[0].gain_db > 3.0
    assert [gain.gain_db for gain in gains] == sorted((g.gain_db for g in gains), reverse=True)


def test_every_layer_is_tried_once_and_gains_are_over_the_same_base():
    gains = layer_gains(head().float32, head().ranges, head().windows[:4])
    layers = {layer_of(name.split("|")[0]) for name in head().ranges}
    assert sorted(gain.layer for gain in gains) == sorted(layers)
    bases = [gain.snr_db - gain.gain_db for gain in gains]
    assert bases == pytest.approx([bases[0]] * len(bases))


def test_an_operator_in_float_whose_neighbours_are_int8_still_runs():
    """The mixed files that gains are measured with are real ones: each starts and answers."""
    mixed = quantize(head().float32, head().ranges, {"gru.state/2": "float"})
    assert Network(mixed).run(**head().windows[0]).shape == (1, 4)


def test_without_windows_it_is_an_error():
    with pytest.raises(ExportError, match="at least one, got none"):
        layer_gains(head().float32, head().ranges, [])
