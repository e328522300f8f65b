"""The pipeline of the official CAS 2023 baseline: librosa's feature, and SE-Trans.

After feature_extraction.py and models/baseline.py of JishengBai/APSIPA2025GC-ASC (2025-07-21).
"""

from __future__ import annotations

from functools import partial

import librosa
import numpy as np
import numpy.typing as npt
import torch
from scipy.signal.windows import hann
from torch import Tensor, nn

from edge_asc.benchmarks.bench.peers import RANDOM, Peer
from edge_asc.benchmarks.bench.peers_list import Form
from edge_asc.benchmarks.bench.peers_torch import EagerNetwork, fastest
from edge_asc.benchmarks.bench.peers_workbench import Workbench, runtime, whole_window
from edge_asc.export.onnx import OnnxNetwork, Part, write_onnx
from edge_asc.features import Samples
from edge_asc.scenes import CITIES, SCENES
from edge_asc.training.models import NetworkConfig, build
from edge_asc.training.models.se_trans import NUM_STEPS, SETrans

Array = npt.NDArray[np.float32]

NUM_FRAMES = 500


def official_peer(bench: Workbench, name: str, form: Form, *, as_published: bool) -> Peer:
    """The pipeline as published, or as fast as it can be without other results.

    As published, mel weights are made anew for each clip. Raises ExportError.
    """
    inputs = bench.context_inputs()
    example = {"features": official_log_mel(bench.windows()[0])[None, None], **inputs}
    how = "as published" if as_published else "mel weights made once"
    about = f"librosa's log-mel, {how}, and SE-Trans"
    if form.runtime == "PyTorch":
        network = se_trans(bench.seed)
        eager = EagerNetwork(network) if as_published else fastest(network, example)
        run, about, software = eager.run, f"{about}, eager, {eager.format}", runtime("torch")
    else:
        tensors = {name: torch.from_numpy(values) for name, values in example.items()}
        part = Part("se_trans", exportable_se_trans(bench.seed), tensors, "logits")
        run, about = OnnxNetwork(write_onnx(part, bench.folder)).run, f"{about} as ONNX"
        software = runtime("onnxruntime")
    front_end = official_log_mel if as_published else partial(official_log_mel, basis=mel_basis())
    return Peer(name, software, RANDOM, about, front_end, whole_window(run, inputs))


def mel_basis() -> Array:
    """Weights of the mel bands, shape (64, 1025)."""
    basis: Array = librosa.filters.mel(
        sr=44_100, n_fft=2048, n_mels=64, fmin=50, fmax=22_050, htk=False
    )
    return basis


def official_log_mel(samples: Samples, basis: Array | None = None) -> Array:
    """What the baseline makes of a clip, shape (500, 64); its 501st frame is dropped.

    The baseline makes the `basis` anew for each clip, which is what None does.
    """
    # A Python number, so that float32 stays float32: numpy 1, which the baseline was written for,
    # kept it beside its own scalars, too; numpy 2 would compute in double precision.
    eps = float(np.spacing(1))
    spectrogram = np.abs(
        librosa.stft(
            samples + eps,
            n_fft=2048,
            win_length=1764,
            hop_length=882,
            center=True,
            window=hann(1764, sym=False),
        )
    )
    bands = np.dot(mel_basis() if basis is None else basis, spectrogram)
    frames: Array = librosa.power_to_db(bands).T[:NUM_FRAMES]
    return np.ascontiguousarray(frames, np.float32)


def se_trans(seed: int) -> SETrans:
    """The baseline's network with random weights, for city and time."""
    torch.manual_seed(seed)
    network = build(NetworkConfig("se_trans", "early", len(SCENES), len(CITIES) + 1, NUM_FRAMES))
    assert isinstance(network, SETrans)
    return network.eval()


class PoolAsProduct(nn.Module):
    """SE-Trans's adaptive pooling as a matrix product: ONNX has no pooling of 125 steps to 16."""

    def __init__(self, num_frames: int) -> None:
        super().__init__()
        shares = nn.functional.adaptive_avg_pool1d(torch.eye(num_frames)[None], NUM_STEPS)[0]
        self.shares = nn.Parameter(shares)
        """shape (num_frames, NUM_STEPS)"""

    def forward(self, maps: Tensor) -> Tensor:
        """Map (B, C, num_frames, M) to (B, C, NUM_STEPS, 1)."""
        pooled: Tensor = maps.mean(dim=3) @ self.shares
        return pooled[..., None]


def exportable_se_trans(seed: int) -> SETrans:
    """The same network as `se_trans`, in words that ONNX has."""
    network = se_trans(seed)
    network.pool = PoolAsProduct(NUM_FRAMES // 4)  # type: ignore[assignment]
    return network
