"""PyTorch -> ONNX: the whole-window network, and for streaming its encoder and head."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
import onnxsim
import torch
from torch import Tensor, nn

from edge_asc.context import TIME_FEATURES
from edge_asc.errors import ExportError
from edge_asc.training.models import SceneNetwork
from edge_asc.training.models.device_net import DeviceNet
from edge_asc.training.models.mobile_asc_net import MobileASCNet

Array = npt.NDArray[np.float32]

OPSET = 17
MAX_ERROR = 1e-4
"""Largest allowed difference between PyTorch and ONNX on logits and steps."""


@dataclass(frozen=True, slots=True)
class Part:
    """One network of a model file, with inputs that show their shapes."""

    name: str
    module: nn.Module
    example: dict[str, Tensor]
    output: str


class _Encoder(nn.Module):
    def __init__(self, network: MobileASCNet | DeviceNet) -> None:
        super().__init__()
        self.network = network

    def forward(self, features: Tensor) -> Tensor:
        return self.network.encode_cells(features)


class _Head(nn.Module):
    def __init__(self, network: MobileASCNet | DeviceNet) -> None:
        super().__init__()
        self.network = network

    def forward(
        self, steps: Tensor, city: Tensor | None = None, time: Tensor | None = None
    ) -> Tensor:
        return self.network.classify(steps, city, time)


def require_exportable(network: SceneNetwork) -> MobileASCNet | DeviceNet:
    """Return `network`; raise ExportError if it is one that only serves to compare with."""
    if isinstance(network, (MobileASCNet, DeviceNet)):
        return network
    raise ExportError(
        f"a network of variant {network.config.variant!r} serves to compare with and cannot be"
        " exported; 'edge' and 'paper' can: train with a recipe that has one of these"
    )


def network_parts(network: SceneNetwork) -> list[Part]:
    """The networks to export: `whole`, and for one with independent cells `encoder` and `head`.

    Raises:
        ExportError: see `require_exportable`.
    """
    network = require_exportable(network)
    config = network.config
    random = torch.Generator().manual_seed(0)
    context = {}
    if config.uses_context:
        context["city"] = torch.eye(config.num_cities)[:1]
        context["time"] = torch.rand(1, TIME_FEATURES, generator=random)
    window = torch.randn(1, 1, config.num_frames, config.num_mels, generator=random)
    parts = [Part("whole", network, {"features": window, **context}, "logits")]
    if config.cell_frames is not None:
        cell = window[:, :, : config.cell_frames]
        steps = torch.rand(1, config.num_steps, config.step_size, generator=random)
        parts.append(Part("encoder", _Encoder(network), {"features": cell}, "steps"))
        parts.append(Part("head", _Head(network), {"steps": steps, **context}, "logits"))
    # The exporter restores the training mode of the outermost module: a wrapper left in training
    # mode would put the network inside back into it.
    return [Part(part.name, part.module.eval(), part.example, part.output) for part in parts]


def write_onnx(part: Part, folder: Path) -> Path:
    """Write `part` to `folder`/NAME.onnx and check it in onnxruntime. Raises ExportError."""
    path = folder / f"{part.name}.onnx"
    with warnings.catch_warnings():
        # The older exporter keeps the GRU as one node; the newer one unrolls it and takes minutes.
        warnings.simplefilter("ignore", DeprecationWarning)
        # Shapes, steps and the batch size of 1 are fixed, now and on the device.
        warnings.filterwarnings("ignore", ".* might cause the trace to be incorrect")
        warnings.filterwarnings(
            "ignore", "Exporting a model to ONNX with a batch_size other than 1"
        )
        torch.onnx.export(
            part.module,
            tuple(part.example.values()),
            str(path),
            input_names=list(part.example),
            output_names=[part.output],
            opset_version=OPSET,
            dynamo=False,
        )
    simplified, valid = onnxsim.simplify(onnx.load(path))
    if not valid:
        raise ExportError(f"{path.name}: simplifying the ONNX graph changed its results")
    onnx.save(simplified, path)
    example = {name: values.numpy() for name, values in part.example.items()}
    with torch.no_grad():
        wanted = part.module(**part.example).numpy()
    error = float(np.abs(OnnxNetwork(path).run(**example) - wanted).max())
    if not error <= MAX_ERROR:
        raise ExportError(
            f"{path.name} differs from PyTorch by {error:.2g}, allowed are {MAX_ERROR:.0e}: the"
            " exporter or onnxruntime computes something else; use the versions of constraints.txt"
        )
    return path


class OnnxNetwork:
    """One ONNX network of one output, run by onnxruntime on one thread."""

    def __init__(self, path: Path) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(
            str(path), options, providers=["CPUExecutionProvider"]
        )

    def run(self, **inputs: Array) -> Array:
        """The output for `inputs` in PyTorch's layout."""
        (output,) = self._session.run(None, inputs)
        return np.asarray(output, np.float32)


def to_tflite_layout(inputs: Mapping[str, Array]) -> dict[str, Array]:
    """`inputs` with features (N, 1, T, M) turned to (N, T, M, 1), as TFLite networks take them."""
    return {
        name: np.ascontiguousarray(values.transpose(0, 2, 3, 1)) if name == "features" else values
        for name, values in inputs.items()
    }
