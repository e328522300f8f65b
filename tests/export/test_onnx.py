"""Which networks can be taken apart for export."""

from __future__ import annotations

from dataclasses import replace

import pytest

from edge_asc.errors import ExportError
from edge_asc.export.onnx import network_parts
from edge_asc.training.models import NetworkConfig, build

EDGE = NetworkConfig("edge", "none", num_scenes=3, num_cities=2, num_frames=100, cell_frames=50)


@pytest.mark.parametrize("variant", ["se_trans", "linear"])
def test_networks_that_only_serve_to_compare_with_are_refused(variant):
    network = build(replace(EDGE, variant=variant, cell_frames=None)).eval()
    with pytest.raises(ExportError, match=f"'{variant}'.*cannot be exported; 'edge' and 'paper'"):
        network_parts(network)


@pytest.mark.parametrize(
    ("variant", "cell_frames", "names"),
    [("edge", 50, ["whole", "encoder", "head"]), ("paper", None, ["whole"])],
)
def test_the_others_have_their_parts(variant, cell_frames, names):
    network = build(replace(EDGE, variant=variant, cell_frames=cell_frames)).eval()
    assert [part.name for part in network_parts(network)] == names
