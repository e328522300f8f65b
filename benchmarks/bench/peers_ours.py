"""Our variants with random weights, in PyTorch and as they are exported."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import torch

from edge_asc.benchmarks.bench.peers import RANDOM, WINDOW_S, Peer
from edge_asc.benchmarks.bench.peers_list import PACKAGES, Form
from edge_asc.benchmarks.bench.peers_torch import fastest
from edge_asc.benchmarks.bench.peers_workbench import (
    TfliteForms,
    Workbench,
    runtime,
    whole_window,
)
from edge_asc.context import TIME_FEATURES
from edge_asc.export.alignment import name_tensors, tap_values
from edge_asc.export.onnx import OnnxNetwork, network_parts, to_tflite_layout, write_onnx
from edge_asc.export.precision import LADDER, quantize_parts
from edge_asc.export.tflite import convert
from edge_asc.features import FeatureConfig
from edge_asc.interpreter import Network, runtime_name
from edge_asc.mel_bands import BLOCK_FRAMES
from edge_asc.scenes import CITIES, SCENES
from edge_asc.training.models import NetworkConfig, build
from edge_asc.training.models.calibration_inputs import calibration_inputs
from edge_asc.training.models.config import Variant
from edge_asc.training.models.folding import all_seen, fold
from edge_asc.training.models.mobile_asc_net import MobileASCNet


def variant_peer(bench: Workbench, name: str, variant: Variant, form: Form) -> Peer:
    """`variant` in one of its forms. Raises ExportError and InterpreterError."""
    inputs, network = bench.context_inputs(), random_network(variant, bench.seed)
    about = f"our front end and the `{variant}` variant"
    if form.runtime == "PyTorch":
        example = {"features": bench.features(bench.windows()[0])[None, None], **inputs}
        eager = fastest(network, example)
        run, about = eager.run, f"{about} as it is trained, eager, {eager.format}"
        software = runtime("torch")
    elif form.runtime == "onnxruntime":
        run, about = OnnxNetwork(onnx_form(network, bench.folder)).run, f"{about} as ONNX"
        software = runtime("onnxruntime")
    else:
        package = PACKAGES[form.runtime]
        software = runtime_name(package)  # asked before a minute is spent on converting
        forms = bench.kept(variant, partial(tflite_forms, bench, network))
        tflite = forms.int8 if form.arithmetic == "int8" else forms.float32
        run, about = Network(tflite, package=package).run, f"{about} as it is exported"
    network_step = whole_window(run, inputs, last_axis=form.runtime in PACKAGES)
    return Peer(
        name, software, RANDOM, about, bench.features, network_step, quantization=form.arithmetic
    )


def random_network(variant: Variant, seed: int) -> MobileASCNet:
    """`edge` in cells, or `paper` over the whole window, for city and time."""
    torch.manual_seed(seed)
    cell_frames = BLOCK_FRAMES if variant == "edge" else None
    num_frames = FeatureConfig().num_frames(WINDOW_S)
    config = NetworkConfig(
        variant, "gated", len(SCENES), len(CITIES) + 1, num_frames, cell_frames=cell_frames
    )
    network = build(config)
    assert isinstance(network, MobileASCNet)
    return network.eval()


def onnx_form(network: MobileASCNet, folder: Path) -> Path:
    """The whole-window network as ONNX, its GRU one node. Raises ExportError."""
    (folder / "onnx").mkdir(exist_ok=True)
    return write_onnx(network_parts(network)[0], folder / "onnx")


def tflite_forms(bench: Workbench, network: MobileASCNet) -> TfliteForms:
    """The whole-window network as `edge-asc export` makes it; about a minute. Raises ExportError.

    Windows of the sound set the int8 ranges.
    """
    features = np.stack([bench.features(samples) for samples in bench.windows()])
    known = np.arange(len(features)) % len(CITIES)
    city = np.eye(len(CITIES) + 1, dtype=np.float32)[known]
    time = np.ones((len(features), TIME_FEATURES), np.float32)
    batches = calibration_inputs(network.config, features, city, time, known.tolist(), bench.seed)
    limits = bench.model.manifest.standardized_range
    part = network_parts(fold(network, batches, limits, all_seen))[0]
    path = write_onnx(part, bench.folder)
    conversion = convert(path, bench.folder, keep_layout=["city", "time"])
    names = zip(part.example, batches[0], strict=True)
    example = {name: values[:1].numpy() for name, values in names}
    taps = tap_values(part, example)
    float32 = name_tensors(conversion.float32, taps, to_tflite_layout(example))
    ranges = {tap.name: (tap.low, tap.high) for tap in taps}
    return TfliteForms(float32, quantize_parts({"whole": float32}, ranges, LADDER[0])["whole"])
