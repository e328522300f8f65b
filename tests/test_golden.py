"""Golden windows: what is packed comes out; arrays that are not the manifest's are refused."""

from __future__ import annotations

import io
import pickle
import zipfile
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_asc.errors import ModelFileError
from edge_asc.golden import allowed_error, golden_shapes, pack_golden, unpack_golden
from edge_asc.manifest import Manifest
from edge_asc.model_file import ModelFile, default_model_path


def npy(array: np.ndarray, **options: Any) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, **options)
    return buffer.getvalue()


def npz(arrays: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in arrays.items():
            archive.writestr(f"{name}.npy", content)
    return buffer.getvalue()


@pytest.fixture
def manifest(small_model: ModelFile) -> Manifest:
    return small_model.manifest


def test_what_was_packed_comes_out(small_model: ModelFile) -> None:
    packed = pack_golden(small_model.golden)
    assert packed == pack_golden(small_model.golden)
    found = unpack_golden(packed, small_model.manifest, "m")
    assert found.keys() == small_model.golden.keys()
    for name, array in small_model.golden.items():
        np.testing.assert_array_equal(found[name], array)
        assert found[name].dtype == np.float32


def test_arrays_that_are_not_contiguous_float32_are_packed_as_such(
    small_model: ModelFile,
) -> None:
    odd = {
        name: np.asfortranarray(array.astype(np.float64))
        for name, array in small_model.golden.items()
    }
    found = unpack_golden(pack_golden(odd), small_model.manifest, "m")  # type: ignore[arg-type]
    np.testing.assert_array_equal(found["features"], small_model.golden["features"])


def test_shapes_follow_the_manifest(manifest: Manifest) -> None:
    assert golden_shapes(manifest) == {
        "features": (1, 50, 64),
        "logits": (1, 2),
        "city": (1, 3),
        "time": (1, 8),
        "streamed_logits": (1, 2),
        "tflite-micro.logits": (1, 2),
    }
    golden = manifest.golden | {"windows": 4, "runtimes": {}}
    plain = replace(manifest, fusion="none", cell_frames=None, golden=golden)
    assert golden_shapes(plain) == {"features": (4, 50, 64), "logits": (4, 2)}


class Evil:
    def __reduce__(self) -> tuple[Any, ...]:
        return (pytest.fail, ("a pickle was loaded",))


LOGITS = np.zeros((1, 2), np.float32)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("logits", None, r"golden\.npz lacks logits\.npy"),
        ("extra", npy(LOGITS), r"that no model file has: 'extra\.npy'"),
        ("logits", npy(np.zeros((2, 1), np.float32)), r"float32 of shape \(1, 2\)"),
        ("logits", npy(np.zeros((1, 2), np.float64)), r"float32 of shape \(1, 2\)"),
        ("logits", npy(np.zeros((1, 2), ">f4")), r"float32 of shape \(1, 2\)"),
        ("logits", npy(np.zeros((3, 2), np.float32)), r"float32 of shape \(1, 2\)"),
        ("logits", npy(LOGITS).replace(b"(1, 2)", b"(2**9)"), r"float32 of shape \(1, 2\)"),
        ("logits", npy(LOGITS)[:-1], r"float32 of shape .* and 7 bytes"),
        ("logits", npy(LOGITS) + b"\0", r"float32 of shape .* and 9 bytes"),
        ("logits", b"", r"float32 of shape .* got b'' and 0 bytes"),
        ("logits", pickle.dumps(Evil()), r"float32 of shape"),
        ("features", npy(np.array([[Evil(), 1]]), allow_pickle=True), r"float32 of shape"),
        ("logits", npy(np.array([[1, np.nan]], np.float32)), "golden logits are not finite"),
        ("city", npy(np.array([[np.inf, 0, 0]], np.float32)), "golden city are not finite"),
        ("logits", bytes(1000), "says it holds 1000 bytes, at most 264 are allowed"),
    ],
)
def test_odd_arrays_are_refused(
    small_model: ModelFile, name: str, content: bytes | None, message: str
) -> None:
    arrays = {known: npy(array) for known, array in small_model.golden.items()}
    if content is None:
        del arrays[name]
    else:
        arrays[name] = content
    with pytest.raises(ModelFileError, match=message):
        unpack_golden(npz(arrays), small_model.manifest, "m")


def test_what_is_no_npz_is_refused(manifest: Manifest, small_model: ModelFile) -> None:
    for data in (b"", b"PK\5\6" + bytes(18), b"x" * 100):
        with pytest.raises(ModelFileError, match=r"m: golden\.npz"):
            unpack_golden(data, manifest, "m")
    with pytest.raises(ModelFileError, match="golden"):
        unpack_golden(b"prefix" + pack_golden(small_model.golden), manifest, "m")


def test_a_manifest_cannot_ask_for_arrays_that_fill_the_memory(manifest: Manifest) -> None:
    golden = manifest.golden | {"windows": 1000}
    greedy = replace(manifest, window_s=600.0, golden=golden)
    with pytest.raises(ModelFileError, match="would have 7680068000 bytes, allowed are 64000000"):
        unpack_golden(b"", greedy, "m")


@given(data=st.data())
@settings(max_examples=300, deadline=None)
def test_any_edit_is_read_or_refused(small_model: ModelFile, data: st.DataObject) -> None:
    packed = pack_golden(small_model.golden)
    at = data.draw(st.integers(0, len(packed) - 1))
    what = data.draw(st.binary(max_size=6))
    kept = data.draw(st.integers(0, 6))
    try:
        found = unpack_golden(packed[:at] + what + packed[at + kept :], small_model.manifest, "m")
    except ModelFileError:
        return
    for name, array in small_model.golden.items():
        np.testing.assert_array_equal(found[name], array)


@pytest.mark.parametrize(
    ("runtime", "quantization", "allowed"),
    [
        ("ai-edge-litert 2.1.0", "int8", 0.0),
        ("ai-edge-litert 2.1.0", "float32", 0.5),
        ("ai-edge-litert 2.1.1", "int8", 0.5),
        ("tflite-micro 0.dev9", "int8", 0.25),
        ("tflite-micro 0.dev9", "float32", 0.5),
        ("tflite-runtime 2.14.0", "int8", 0.5),
    ],
)
def test_only_the_interpreter_of_the_export_must_give_equal_logits(
    manifest: Manifest, runtime: str, quantization: str, allowed: float
) -> None:
    assert allowed_error(replace(manifest, quantization=quantization), runtime) == allowed


def test_equal_logits_are_asked_for_on_the_architecture_of_the_export_only() -> None:
    """One int8 step off on (emulated) aarch64, with the very LiteRT that made them on x86-64."""
    manifest = ModelFile.read(default_model_path()).manifest
    reference = manifest.golden["reference"]
    assert manifest.versions["machine"] == "x86_64"
    assert allowed_error(manifest, reference, "x86_64") == 0.0
    assert allowed_error(manifest, reference, "aarch64") == manifest.golden["bound_logits"] > 0.0
