"""DeviceNet: MobileASCNet rearranged into what an int8 interpreter computes, tensor by tensor.

```
x -> expand: Conv 5x3 - ReLU6 -> depthwise 3x3 - ReLU6 -.
 `-> pool: depthwise average - ReLU6 -------------------+- concatenate -> mix 1x1 - ReLU6 -> next x
```
Three things differ from MobileASCNet, none of which changes what a trained network computes but for
the bound of 6 (`folding.py` says how it is chosen):

- batch normalisation is folded into the weights;
- the two 1x1 convolutions whose results a residual block adds are one, over both inputs. Its sum
  is formed in 32 bits; the plain form first rounds both terms, which are unbounded, to 8 bits;
- every channel of every tensor in the encoder is scaled, and after a depthwise convolution shifted,
  to [0, 6]. ReLU6, which TFLite fuses into the convolution, bounds it there, and steps of 6/255
  resolve all channels alike. The next layer's weights undo it (Nagel et al., ICCV 2019, "Data-free
  quantization through weight equalization and bias correction").

The GRU is written out step by step. Its input is projected once for all steps, so that a step holds
only what its state needs.

Each tensor that an int8 interpreter keeps passes a `Tap`, which knows its range.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from edge_asc.context import TIME_FEATURES
from edge_asc.training.models.config import BLOCK_CHANNELS, BLOCKS, BlockSpec, NetworkConfig
from edge_asc.training.models.device_layers import (
    SIGMOID_RANGE,
    STATE_RANGE,
    TANH_RANGE,
    Layers,
    Taps,
    range_of_share,
)
from edge_asc.training.models.fusion import EARLY_FUSION_SIZE, EMBEDDING_SIZE
from edge_asc.training.models.mobile_asc_net import GRU_SIZE
from edge_asc.training.models.scene_network import SceneNetwork

BOUND = 6.0
"""Highest value of every tensor in the encoder; the lowest is 0."""

MAX_CONCATENATED = 10
"""TFLite Micro concatenates no more tensors at once; converters join concatenations of them."""


class DeviceBlock(nn.Module):
    """A residual block of MobileASCNet as int8 computes it."""

    def __init__(
        self, spec: BlockSpec, in_channels: int, out_channels: int, *, bounded: bool
    ) -> None:
        super().__init__()
        self._bounded = bounded
        pool = spec.stride if spec.pooled_shortcut else (1, 1)
        self.expand = nn.Conv2d(in_channels, out_channels, spec.kernel, spec.stride, spec.padding)
        self.depthwise = nn.Conv2d(out_channels, out_channels, 3, padding=1, groups=out_channels)
        # Channels within [0, 6] stay there when averaged; the features must be brought there.
        self.pool = (
            nn.Conv2d(1, 1, pool, spec.stride)
            if in_channels == 1
            else nn.AvgPool2d(pool, spec.stride)
        )
        self.mix = nn.Conv2d(out_channels + in_channels, out_channels, 1)
        bound = (0.0, BOUND) if bounded else None
        self.taps = Taps(expand=bound, depthwise=bound, pool=bound, mix=bound)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, in_channels, T, M) to (N, out_channels, T', M')."""
        inner = self.taps["expand"](self._bound(torch.relu(self.expand(x))))
        inner = self.taps["depthwise"](self._bound(self.depthwise(inner)))
        past = self.pool(x)
        past = self.taps["pool"](past if isinstance(self.pool, nn.AvgPool2d) else self._bound(past))
        mixed = self.mix(torch.cat((inner, past), dim=1))
        out: Tensor = self.taps["mix"](self._bound(torch.relu(mixed)))
        return out

    def _bound(self, x: Tensor) -> Tensor:
        return F.relu6(x) if self._bounded else x


class DeviceGRU(nn.Module):
    """PyTorch's GRU step by step; the two biases of a gate are one."""

    def __init__(self, in_size: int, size: int) -> None:
        super().__init__()
        self.size = size
        self.input_gates = nn.Linear(in_size, 2 * size)
        self.input_candidate = nn.Linear(in_size, size)
        self.state_gates = nn.Linear(size, 2 * size, bias=False)
        self.state_candidate = nn.Linear(size, size)
        measured = ("input_gates", "input_candidate", "state_gates", "state_candidate")
        self.taps = Taps(
            **dict.fromkeys((*measured, "gates_in", "reset", "candidate_in")),
            **dict.fromkeys(("gates", "share"), SIGMOID_RANGE),
            candidate=TANH_RANGE,
            new=STATE_RANGE,
            kept=range_of_share(*STATE_RANGE),
            state=STATE_RANGE,
        )

    def forward(self, steps: Tensor) -> list[Tensor]:
        """Map steps (B, S, in_size) to the S states, each (B, size)."""
        batch = len(steps)
        flat = steps.transpose(0, 1).reshape(-1, steps.shape[-1])  # (S * B, in_size)
        gates = self.taps["input_gates"](self.input_gates(flat))
        candidates = self.taps["input_candidate"](self.input_candidate(flat))
        states = [torch.zeros_like(candidates[:batch])]
        for begin in range(0, flat.shape[0], batch):
            # Slices: onnxruntime 1.23 refuses a simplified graph with a split in twenty.
            now = slice(begin, begin + batch)
            states.append(self.step(gates[now], candidates[now], states[-1]))
        return states[1:]

    def step(self, gates: Tensor, candidate: Tensor, state: Tensor) -> Tensor:
        """The state (B, size) after `state`; `gates` and `candidate` are what the input adds."""
        taps = self.taps
        gates_in = taps["gates_in"](gates + taps["state_gates"](self.state_gates(state)))
        reset, update = taps["gates"](torch.sigmoid(gates_in)).split(self.size, dim=1)
        remembered = taps["reset"](reset * taps["state_candidate"](self.state_candidate(state)))
        new = taps["candidate"](torch.tanh(taps["candidate_in"](candidate + remembered)))
        new = taps["new"](taps["share"](1.0 - update) * new)
        following: Tensor = taps["state"](new + taps["kept"](update * state))
        return following


class DeviceFusion(nn.Module):
    """Sound, city and time joined as by the modules of `fusion.py`, every part within [-1, 1]."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        size, hidden = GRU_SIZE + 2 * EMBEDDING_SIZE, EARLY_FUSION_SIZE
        self.city = nn.Linear(config.num_cities, EMBEDDING_SIZE, bias=False)
        self.time = nn.Linear(TIME_FEATURES, EMBEDDING_SIZE)
        ranges: dict[str, tuple[float, float] | None] = {"city": STATE_RANGE, "time": STATE_RANGE}
        self.output_size = size
        if config.fusion == "early":
            self.output_size = hidden
            self.layers = Layers(first=(size, hidden), second=(hidden, hidden))
            ranges |= dict.fromkeys(("first", "second"))
        else:
            # One gate decides what is dropped and what is taken in `edge`, two do in `paper`.
            gates = ("gate",) if config.variant == "edge" else ("gate", "take_gate")
            self.layers = Layers(**dict.fromkeys((*gates, "candidate"), (size, size)))
            ranges |= dict.fromkeys((*gates, "share"), SIGMOID_RANGE)
            ranges |= dict.fromkeys(f"{gate}_in" for gate in gates)
            ranges |= dict.fromkeys(("candidate", "old", "new", "sum"))
        self.taps = Taps(**ranges)

    def forward(self, sound: Tensor, city: Tensor, time: Tensor) -> Tensor:
        """Join `sound` (B, 64), one-hot `city` (B, num_cities) and `time` (B, 8)."""
        taps, layers = self.taps, self.layers
        where = taps["city"](self.city(city))
        when = taps["time"](torch.relu(self.time(time)))
        joined = torch.cat((sound, where, when), dim=1)
        if "first" in layers:
            hidden = taps["first"](torch.relu(layers["first"](joined)))
            early: Tensor = taps["second"](torch.relu(layers["second"](hidden)))
            return early
        dropped = self._gate("gate", joined)
        taken = self._gate("take_gate", joined) if "take_gate" in layers else dropped
        old = taps["old"](joined * taps["share"](1.0 - dropped))
        new = taps["new"](taps["candidate"](layers["candidate"](joined)) * taken)
        total: Tensor = taps["sum"](old + new)
        return total

    def _gate(self, name: str, joined: Tensor) -> Tensor:
        before = self.taps[f"{name}_in"](self.layers[name](joined))
        gate: Tensor = self.taps[name](torch.sigmoid(before))
        return gate


class DeviceNet(SceneNetwork):
    """The scenes of standardised log-mel windows, computed as on the device."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__(config)
        channels = (1, *BLOCK_CHANNELS)
        # City is one-hot; sine, cosine and the code for an unknown time lie within [-1, 1].
        self.taps = Taps(
            features=None, city=(0.0, 1.0), time=(-1.0, 1.0), sound=STATE_RANGE, logits=None
        )
        self.blocks = nn.Sequential(
            *(
                DeviceBlock(spec, channels[i], channels[i + 1], bounded=config.form == "bounded")
                for i, spec in enumerate(BLOCKS[config.variant])
            )
        )
        self.gru = DeviceGRU(config.step_size, GRU_SIZE)
        head_size = GRU_SIZE
        if config.uses_context:
            self.fusion = DeviceFusion(config)
            head_size = self.fusion.output_size
        self.head = nn.Linear(head_size, config.num_scenes)

    def encode_cells(self, cells: Tensor) -> Tensor:
        """Map independent cells, shape (N, 1, frames_per_cell, M), to (N, steps_per_cell, 1024)."""
        maps: Tensor = self.blocks(self.taps["features"](cells))  # (N, 128, steps, 8)
        # Mel outside, channel inside: the layout of TFLite, where this reshape then costs nothing.
        return maps.permute(0, 2, 3, 1).reshape(
            -1, self.config.steps_per_cell, self.config.step_size
        )

    def encode(self, features: Tensor) -> Tensor:
        """Map windows, shape (B, 1, num_frames, M), to GRU steps, shape (B, num_steps, 1024)."""
        cells = features.reshape(-1, 1, self.config.frames_per_cell, self.config.num_mels)
        return self.encode_cells(cells).reshape(-1, self.config.num_steps, self.config.step_size)

    def classify(
        self, steps: Tensor, city: Tensor | None = None, time: Tensor | None = None
    ) -> Tensor:
        """Map steps (B, S, 1024), one-hot city (B, num_cities) and time (B, 8) to logits.

        Raises:
            ValueError: context is missing, or was given to a network without context.
        """
        joined = self._mean(self.gru(steps))
        if self.config.uses_context:
            where, when = self.require_context(city, time)
            joined = self.fusion(joined, self.taps["city"](where), self.taps["time"](when))
        else:
            self.refuse_context(city, time)
        logits: Tensor = self.taps["logits"](self.head(joined))
        return logits

    def _mean(self, states: list[Tensor]) -> Tensor:
        """The mean of `states`, each (B, 64), in equal groups that are no larger than allowed.

        A number of steps that has no such divisor is taken at once; TFLite Micro then refuses.
        """
        while len(states) > 1:
            sizes = range(2, MAX_CONCATENATED + 1)
            size = max((n for n in sizes if len(states) % n == 0), default=len(states))
            groups = [states[i : i + size] for i in range(0, len(states), size)]
            stacked = [torch.cat(group).reshape(size, -1, GRU_SIZE) for group in groups]
            states = [self.taps["sound"](group.mean(dim=0)) for group in stacked]
        return states[0]

    def forward(
        self, features: Tensor, city: Tensor | None = None, time: Tensor | None = None
    ) -> Tensor:
        """Map windows (B, 1, num_frames, M) and their context to logits (B, num_scenes)."""
        return self.classify(self.encode(features), city, time)
