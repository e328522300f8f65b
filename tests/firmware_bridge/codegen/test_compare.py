"""The command that holds a model's C beside the interpreters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from edge_asc.errors import FirmwareError
from edge_asc.firmware_bridge.codegen import compare as command
from edge_asc.firmware_bridge.codegen.host import HostModel
from edge_asc.firmware_bridge.codegen.vectors import Vector
from edge_asc.model_file import ModelFile


def test_equal_bytes_are_counted() -> None:
    done = CliRunner().invoke(command.main, ["--windows", "1", "--arith", "litert"])
    assert done.exit_code == 0, done.output
    lines = done.output.splitlines()
    assert len(lines) == 4
    assert lines[0].startswith("C beside ai-edge-litert ")
    assert lines[0].endswith(
        "1 random windows: encoder, 1 vectors, 0 unequal, largest difference 0, highest output the"
        " same in 1"
    )


def test_one_wrong_byte_ends_with_1(monkeypatch: pytest.MonkeyPatch) -> None:
    def off_by_three(host: HostModel, vectors: Sequence[Vector]) -> list[Vector]:
        changed = vectors[1].outputs[0].copy()
        changed.ravel()[5] ^= 3
        return [vectors[0], replace(vectors[1], outputs=[changed])]

    monkeypatch.setattr(command, "run_in_c", off_by_three)
    done = CliRunner().invoke(command.main, ["--windows", "1", "--arith", "litert"])
    assert done.exit_code == 1
    assert "head, 1 vectors, 1 unequal" in done.output


def test_a_difference_is_that_of_numbers_not_of_bytes() -> None:
    wanted = [Vector("head", {}, [np.array([-128, 3], np.int8)])]
    got = [Vector("head", {}, [np.array([127, 3], np.int8)])]
    (found,) = command.compare(got, wanted)
    assert (found.unequal_vectors, found.largest, found.same_highest) == (1, 255, 0)


def test_a_folder_without_sound_is_refused(small_model: ModelFile, tmp_path: Path) -> None:
    with pytest.raises(FirmwareError, match=r"holds no \*\.flac"):
        next(command.real_windows(small_model, tmp_path, 1))
