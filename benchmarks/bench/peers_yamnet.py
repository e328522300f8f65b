"""A network of YAMNet's shape with random weights: what it costs, not what it says.

MobileNet v1 of width 1.0 on patches of 96 x 64, 521 classes, as yamnet.py of tensorflow/models.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from edge_asc.benchmarks.bench.peers import RANDOM, RATE_HZ, Peer
from edge_asc.benchmarks.bench.peers_list import PACKAGES, Form
from edge_asc.benchmarks.bench.peers_patches import RATE_HZ as PATCH_RATE_HZ
from edge_asc.benchmarks.bench.peers_patches import PatchNetwork, log_mel_patches
from edge_asc.benchmarks.bench.peers_torch import fastest
from edge_asc.benchmarks.bench.peers_workbench import Run, TfliteForms, Workbench, runtime
from edge_asc.export.onnx import OnnxNetwork, Part, write_onnx
from edge_asc.export.tflite import convert
from edge_asc.interpreter import runtime_name
from edge_asc.resample import resample

Array = npt.NDArray[np.float32]

NUM_CLASSES = 521

STEM_CHANNELS = 32
SEPARABLE = (
    (1, 64),
    (2, 128),
    (1, 128),
    (2, 256),
    (1, 256),
    (2, 512),
    *[(1, 512)] * 5,
    (2, 1024),
    (1, 1024),
)
"""Stride and channels of each depthwise separable layer"""

_BATCH_NORM_EPS = 1e-4


def _layer(in_channels: int, channels: int, kernel: int, stride: int, groups: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(in_channels, channels, kernel, stride, kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(channels, eps=_BATCH_NORM_EPS),
        nn.ReLU(),
    )


class YamnetShaped(nn.Module):
    """Patches (B, 1, 96, 64) -> scores (B, 521)."""

    def __init__(self, seed: int) -> None:
        torch.manual_seed(seed)
        super().__init__()
        layers = [_layer(1, STEM_CHANNELS, 3, 2, 1)]
        channels = STEM_CHANNELS
        for stride, wider in SEPARABLE:
            layers.append(_layer(channels, channels, 3, stride, channels))
            layers.append(_layer(channels, wider, 1, 1, 1))
            channels = wider
        self.layers = nn.Sequential(*layers)
        self.head = nn.Linear(channels, NUM_CLASSES)
        self.eval()

    def forward(self, features: Tensor) -> Tensor:
        """Map patches to scores."""
        return torch.sigmoid(self.head(self.layers(features).mean(dim=(2, 3))))


def yamnet_peer(bench: Workbench, name: str, form: Form) -> Peer:
    """A network of YAMNet's shape on all patches of a window at once. Raises ExportError."""
    patches = [log_mel_patches(resample(w, RATE_HZ, PATCH_RATE_HZ)) for w in bench.windows()]
    about = f"YAMNet's front end, and a network of its shape on {len(patches[0])} patches at once"
    network: Callable[[Array], Array]
    if form.runtime in PACKAGES:
        package = PACKAGES[form.runtime]
        software = runtime_name(package)
        forms = bench.kept("yamnet", partial(_tflite_forms, bench, patches))
        tflite = forms.int8 if form.arithmetic == "int8" else forms.float32
        network = PatchNetwork(name, tflite, "log-mel", package).run
    elif form.runtime == "onnxruntime":
        network = _mean_scores(OnnxNetwork(_onnx_form(bench, patches[0])).run)
        software = runtime("onnxruntime")
    else:
        eager = fastest(YamnetShaped(bench.seed), {"features": patches[0][:, None]})
        network, about = _mean_scores(eager.run), f"{about}, eager, {eager.format}"
        software = runtime("torch")
    return Peer(
        name,
        software,
        RANDOM,
        about,
        log_mel_patches,
        network,
        PATCH_RATE_HZ,
        form.arithmetic,
    )


def _mean_scores(run: Run) -> Callable[[Array], Array]:
    def scores(patches: Array) -> Array:
        mean: Array = run(features=patches[:, None]).mean(axis=0)
        return mean

    return scores


def _onnx_form(bench: Workbench, patches: Array) -> Path:
    example = {"features": torch.from_numpy(patches[:, None])}
    return write_onnx(Part("yamnet", YamnetShaped(bench.seed), example, "scores"), bench.folder)


def _tflite_forms(bench: Workbench, patches: list[Array]) -> TfliteForms:
    """Converted by onnx2tf, whose own min/max int8 it is, with ranges from the sound's patches."""
    calibration = {"features": np.concatenate(patches)[..., None]}
    path = _onnx_form(bench, patches[0])
    conversion = convert(path, bench.folder, calibration=calibration)
    assert conversion.int8 is not None  # since there was something to calibrate by
    return TfliteForms(conversion.float32, conversion.int8)
