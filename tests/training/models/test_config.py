"""What a network can be, and what it cannot."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from edge_asc.training.models import config as config_module
from edge_asc.training.models.config import NetworkConfig

EDGE = NetworkConfig("edge", "gated", num_scenes=10, num_cities=22, num_frames=150, cell_frames=50)
SE_TRANS = replace(EDGE, variant="se_trans", fusion="early", cell_frames=None)
LINEAR = replace(SE_TRANS, variant="linear", fusion="none")


@pytest.mark.parametrize(
    ("config", "change", "message"),
    [
        (EDGE, {"variant": "tiny"}, "variant must be one of"),
        (EDGE, {"fusion": "late"}, "fusion must be one of"),
        (EDGE, {"num_scenes": 1}, "at least 2"),
        (EDGE, {"num_frames": 120}, "multiple of cell_frames=50"),
        (EDGE, {"cell_frames": 10, "num_frames": 150}, "too small"),
        (SE_TRANS, {"fusion": "gated"}, "must be one of .*'early'.* for variant 'se_trans'"),
        (SE_TRANS, {"cell_frames": 50}, "must be None for variant 'se_trans', got 50"),
        (SE_TRANS, {"num_frames": 3}, "3 frames x 64 mels is too small"),
        (EDGE, {"form": "int8"}, "form must be one of .*'bounded'.*, got 'int8'"),
        (SE_TRANS, {"form": "bounded"}, "form must be 'plain' for variant 'se_trans', got 'bound"),
        (LINEAR, {"fusion": "early"}, "for variant 'linear', got 'early'"),
        (LINEAR, {"cell_frames": 50}, "must be None"),
    ],
)
def test_impossible_networks_are_refused(config, change, message):
    with pytest.raises(ValueError, match=message):
        replace(config, **change)


@pytest.mark.parametrize("config", [EDGE, replace(EDGE, form="bounded"), SE_TRANS, LINEAR])
def test_a_config_comes_back_from_its_dictionary(config):
    assert NetworkConfig(**config.to_dict()) == config


def test_a_config_is_read_without_torch():
    """The file alone imports none of the heavy packages."""
    program = (
        f"import runpy, sys; runpy.run_path({str(Path(config_module.__file__))!r});"
        "print('torch' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "False"
