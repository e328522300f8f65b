"""Networks in eager PyTorch."""

from __future__ import annotations

import time
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

Array = npt.NDArray[np.float32]

FORMATS = {"contiguous": torch.contiguous_format, "channels last": torch.channels_last}
"""How images lie in memory; the first is PyTorch's own choice."""

_TRIES = 9


class EagerNetwork:
    """A module of one output, run without gradients; arrays in PyTorch's layout."""

    def __init__(self, module: nn.Module) -> None:
        torch.set_num_threads(1)
        self._module = module.eval()
        self.format = "contiguous"
        """One of FORMATS"""

    def run(self, **inputs: Array) -> Array:
        """The output for `inputs`."""
        with torch.inference_mode():
            tensors = {name: self._tensor(values) for name, values in inputs.items()}
            output: Array = self._module(**tensors).numpy()
        return output

    def choose_format(self, example: Mapping[str, Array]) -> None:
        """Take the memory format that is faster here for `example`.

        Both are tried in turn, and the fastest run of each counts: others may use the machine.
        """
        seconds: dict[str, list[float]] = {name: [] for name in FORMATS}
        for _ in range(_TRIES):
            for name, tries in seconds.items():
                self._use(name)
                began_s = time.thread_time()
                self.run(**example)
                tries.append(time.thread_time() - began_s)
        self._use(min(seconds, key=lambda name: min(seconds[name])))

    def _use(self, name: str) -> None:
        self.format = name
        self._module.to(memory_format=FORMATS[name])  # type: ignore[call-overload]

    def _tensor(self, values: Array) -> Tensor:
        tensor = torch.from_numpy(values)
        if tensor.dim() == 4:
            return tensor.contiguous(memory_format=FORMATS[self.format])
        return tensor


def fastest(module: nn.Module, example: Mapping[str, Array]) -> EagerNetwork:
    """`module` in the memory format that is faster here."""
    network = EagerNetwork(module)
    network.choose_format(example)
    return network
