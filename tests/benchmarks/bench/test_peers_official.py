"""The official pipeline: librosa's feature as the baseline calls it, and SE-Trans."""

from __future__ import annotations

import numpy as np
import torch

from edge_asc.benchmarks.bench.peers_official import (
    exportable_se_trans,
    mel_basis,
    official_log_mel,
    se_trans,
)
from edge_asc.features import FeatureConfig, log_mel
from edge_asc.training.models import count_parameters


def test_the_feature_is_the_one_that_ours_equals(rng: np.random.Generator) -> None:
    samples = (0.1 * rng.standard_normal(441_000)).astype(np.float32)
    found = official_log_mel(samples)
    assert found.shape == (500, 64)
    assert found.dtype == np.float32
    # 1e-3 dB as docs/features.md has it
    np.testing.assert_allclose(found, log_mel(samples, FeatureConfig()), rtol=0, atol=1e-3)
    np.testing.assert_array_equal(found, official_log_mel(samples, mel_basis()))


def test_se_trans_has_the_published_size() -> None:
    # 436,858 without the layer of 74,912 that computes nothing, and a row for an unknown city
    assert count_parameters(se_trans(1)) == 436_858 - 74_912 + 16


def test_the_form_for_onnx_gives_the_same_logits(rng: np.random.Generator) -> None:
    features = torch.from_numpy(rng.standard_normal((1, 1, 500, 64)).astype(np.float32))
    inputs = {"features": features, "city": torch.eye(23)[:1], "time": torch.ones(1, 8)}
    with torch.inference_mode():
        wanted, found = se_trans(5)(**inputs), exportable_se_trans(5)(**inputs)
    torch.testing.assert_close(found, wanted, rtol=0, atol=1e-5)
