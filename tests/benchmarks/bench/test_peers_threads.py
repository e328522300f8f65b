"""One thread is asked for, and looked after."""

from __future__ import annotations

import os

import pytest
import torch

from edge_asc.benchmarks.bench.peers_threads import (
    VARIABLES,
    check_one_thread,
    kernels,
    one_thread,
)
from edge_asc.benchmarks.bench.result import BenchError


@pytest.fixture(autouse=True)
def set_back(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in VARIABLES:
        monkeypatch.setenv(variable, "2")


def test_everything_is_asked_for_one_thread() -> None:
    torch.set_num_threads(2)
    one_thread()
    assert {os.environ[variable] for variable in VARIABLES} == {"1"}
    assert torch.get_num_threads() == 1
    check_one_thread()


def test_more_than_one_is_refused_by_name() -> None:
    one_thread()
    torch.set_num_threads(2)
    try:
        with pytest.raises(BenchError, match="torch: 2"):
            check_one_thread()
    finally:
        torch.set_num_threads(1)


def test_kernels_are_named_without_a_folder_of_this_machine() -> None:
    found = kernels()
    assert "openblas" in found["blas of numpy"]
    assert not any("/" in text for item in found.items() for text in item)
