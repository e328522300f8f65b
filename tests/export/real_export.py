"""What the real converter made of a trained network with context, its tensors named."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from edge_asc.export.alignment import TapValue, name_tensors, tap_values
from edge_asc.export.onnx import Part, network_parts, to_tflite_layout
from edge_asc.training.checkpoint import Windows, load_checkpoint, load_windows
from edge_asc.training.models import DeviceNet
from edge_asc.training.models.device_net import BOUND

Inputs = dict[str, npt.NDArray[np.float32]]
EXAMPLE = 7
"""The test window by which tensors are told"""


@dataclass
class RealExport:
    """The network of `run` and what an export of it left in `folder`/work."""

    run: Path
    folder: Path

    @cached_property
    def network(self) -> DeviceNet:
        network = load_checkpoint(self.run / "checkpoint.safetensors").build_network()
        assert isinstance(network, DeviceNet)
        return network

    @cached_property
    def windows(self) -> Windows:
        return load_windows(self.run / "windows.safetensors").test

    @cached_property
    def parts(self) -> dict[str, Part]:
        return {part.name: part for part in network_parts(self.network)}

    def converted(self, name: str) -> bytes:
        """As it came, in float32."""
        return (self.folder / "work" / name / f"{name}_float32.tflite").read_bytes()

    def inputs(self, name: str, index: int = EXAMPLE) -> Inputs:
        """A test window's, in PyTorch's layout; the encoder's is its first cell."""
        window = self.windows.take(np.array([index]))
        context = {"city": window.city, "time": window.time}
        features = window.features[:, None].astype(np.float32)
        if name == "encoder":
            return {"features": features[:, :, :50]}
        if name == "whole":
            return {"features": features, **context}
        with torch.no_grad():
            return {"steps": self.network.encode(torch.from_numpy(features)).numpy(), **context}

    def taps(self, name: str) -> list[TapValue]:
        return tap_values(self.parts[name], self.inputs(name))

    def named(self, name: str) -> bytes:
        """In float32, with the taps' names."""
        inputs = to_tflite_layout(self.inputs(name))
        return name_tensors(self.converted(name), self.taps(name), inputs)

    @cached_property
    def ranges(self) -> dict[str, tuple[float, float]]:
        taps = [tap for name in self.parts for tap in self.taps(name)]
        return {"steps": (0.0, BOUND), **{tap.name: (tap.low, tap.high) for tap in taps}}
