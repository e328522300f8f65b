"""Every form runs in every runtime; slow ones get fewer windows, a refusal keeps its reason."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge_asc.errors import ExportError, InterpreterError
from edge_asc.export.onnx import network_parts
from edge_asc.export.runtimes import Run, Runtime, Survey, available_runtimes, load_module
from edge_asc.export.stages import (
    NetworkForm,
    NetworkShape,
    run_stages,
    streamed_logits,
    whole_logits,
)
from edge_asc.training.checkpoint import Windows, load_checkpoint, load_windows

SOUND_ONLY = NetworkShape(uses_context=False, cell_frames=2)


def load_sum(factor: float) -> Run:
    """A "network" whose two logits are the sum of what it hears times a factor, and 1."""

    def run(**inputs: np.ndarray) -> np.ndarray:
        (heard,) = inputs.values()
        total = factor * heard.reshape(len(heard), -1).sum(axis=1)
        return np.stack([total, np.ones_like(total)], axis=1)

    return run


def load_encoder(factor: float) -> Run:
    """Each cell becomes one step that holds its sum."""
    return lambda features: factor * features.sum(axis=(1, 2, 3)).reshape(1, 1, 1)


def load_part(part: tuple[str, float]) -> Run:
    kind, factor = part
    return load_encoder(factor) if kind == "encoder" else load_sum(factor)


def refuse(part: Any) -> Run:
    raise InterpreterError(f"cannot run {part}")


def runtime(
    name: str, load: Callable[[Any], Run] = load_part, *, slow: bool = False, batch: int = 1
) -> Runtime:
    return Runtime(f"{name} 1", name, "1", "TFLite", load, slow, batch)


@pytest.fixture
def windows() -> Windows:
    """Ten windows of four frames of three bands; window i holds the number i."""
    features = np.arange(10, dtype=np.float32)[:, None, None] * np.ones((1, 4, 3), np.float32)
    city = time = np.zeros((10, 8), np.float32)
    return Windows(features, city, time, np.zeros(10, np.int64), ["g"] * 10)


FORM = NetworkForm(
    "TFLite int8",
    "quantized",
    "TFLite",
    {"whole": ("whole", 1.0), "encoder": ("encoder", 1.0), "head": ("head", 1.0)},
    everywhere=True,
)


def test_both_ways_see_every_window_in_order(windows: Windows) -> None:
    stages, not_run = run_stages([FORM], Survey((runtime("a"),), {}), windows, SOUND_ONLY)
    assert [stage.way for stage in stages] == ["whole window", "encoder + head"]
    assert not_run == {}
    for stage in stages:
        np.testing.assert_array_equal(stage.logits[:, 0], 12.0 * np.arange(10))
        np.testing.assert_array_equal(stage.indices, np.arange(10))
        assert stage.stage == f"TFLite int8, a 1, {stage.way}"


def test_batches_change_nothing(windows: Windows) -> None:
    shape = NetworkShape(uses_context=False, cell_frames=None)
    one = whole_logits(load_sum(1.0), windows, shape)
    np.testing.assert_array_equal(whole_logits(load_sum(1.0), windows, shape, batch=4), one)


def test_slow_runtimes_get_some_windows_evenly_spread(windows: Windows) -> None:
    survey = Survey((runtime("fast"), runtime("slow", slow=True)), {})
    stages, _ = run_stages([FORM], survey, windows, SOUND_ONLY, slow_windows=4)
    slow = [stage for stage in stages if stage.runtime == "slow 1"]
    for stage in slow:
        np.testing.assert_array_equal(stage.indices, [0, 3, 6, 9])
        np.testing.assert_array_equal(stage.logits[:, 0], [0.0, 36.0, 72.0, 108.0])
    everything, _ = run_stages([FORM], survey, windows, SOUND_ONLY, slow_windows=None)
    assert {len(stage.indices) for stage in everything} == {10}


def test_a_form_that_is_not_shipped_is_run_by_the_first_runtime_only(windows: Windows) -> None:
    form = NetworkForm("TFLite float32", "float", "TFLite", {"whole": ("whole", 1.0)})
    survey = Survey((runtime("first"), runtime("second")), {})
    stages, _ = run_stages([form], survey, windows, SOUND_ONLY)
    assert [stage.runtime for stage in stages] == ["first 1"]


def test_a_refusal_is_a_fact_but_not_from_the_reference(windows: Windows) -> None:
    survey = Survey((runtime("first"), runtime("other", refuse)), {"third": "not installed"})
    stages, not_run = run_stages([FORM], survey, windows, SOUND_ONLY)
    assert {stage.runtime for stage in stages} == {"first 1"}
    assert not_run == {
        "third": "not installed",
        "other 1, TFLite int8": "cannot run ('whole', 1.0)",
    }
    with pytest.raises(ExportError, match="TFLite int8 does not run: cannot run"):
        run_stages([FORM], Survey((runtime("only", refuse),), {}), windows, SOUND_ONLY)


def test_without_a_runtime_the_reason_is_given(windows: Windows) -> None:
    with pytest.raises(ExportError, match="nothing here runs TFLite int8: litert: not installed"):
        run_stages([FORM], Survey((), {"litert": "not installed"}), windows, SOUND_ONLY)


def test_a_trained_network_streams_as_it_computes_whole_windows(trained_run: Path) -> None:
    checkpoint = load_checkpoint(trained_run / "checkpoint.safetensors")
    test = load_windows(trained_run / "windows.safetensors").test
    parts = {part.name: part for part in network_parts(checkpoint.build_network())}
    shape = NetworkShape(uses_context=True, cell_frames=checkpoint.network.cell_frames)
    form = NetworkForm("checkpoint", "device", "PyTorch", parts)
    stages, _ = run_stages([form], available_runtimes(), test, shape)
    whole, streamed = stages
    np.testing.assert_allclose(streamed.logits, whole.logits, atol=1e-5)
    runs = {name: load_module(part) for name, part in parts.items()}
    again = streamed_logits(runs["encoder"], runs["head"], test, shape)
    np.testing.assert_array_equal(again, streamed.logits)
    # The network was trained to tell these scenes: were features turned wrongly, it could not.
    assert (whole.logits.argmax(axis=1) == test.label).mean() > 0.9
