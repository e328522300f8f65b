"""Golden windows: what a model gave at export, and how near to it an interpreter must come."""

from __future__ import annotations

import io
import math
import platform
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from edge_asc.archive import read_zip
from edge_asc.context import TIME_FEATURES
from edge_asc.errors import ModelFileError
from edge_asc.manifest import Manifest

Arrays = Mapping[str, npt.NDArray[np.float32]]

_MAX_ARRAY_BYTES = 64_000_000
_MAGIC = b"\x93NUMPY\x01\x00"
_MAX_HEADER_BYTES = 256


def golden_shapes(manifest: Manifest) -> dict[str, tuple[int, ...]]:
    """The arrays that the golden windows of a model have, with their shapes."""
    windows, num_scenes = manifest.golden["windows"], len(manifest.scenes)
    shapes: dict[str, tuple[int, ...]] = {
        "features": (windows, manifest.num_frames, manifest.features.num_mels),
        "logits": (windows, num_scenes),
    }
    if manifest.uses_context:
        shapes |= {"city": (windows, len(manifest.cities) + 1), "time": (windows, TIME_FEATURES)}
    if manifest.cell_frames is not None:
        shapes["streamed_logits"] = (windows, num_scenes)
    for runtime in manifest.golden["runtimes"]:
        shapes[f"{runtime}.logits"] = (windows, num_scenes)
    return shapes


def pack_golden(arrays: Arrays) -> bytes:
    """The arrays as a compressed .npz; the same arrays give the same bytes."""
    buffer = io.BytesIO()
    packed = {name: np.ascontiguousarray(array, "<f4") for name, array in sorted(arrays.items())}
    np.savez_compressed(buffer, **packed)
    return buffer.getvalue()


def unpack_golden(
    data: bytes, manifest: Manifest, source: str
) -> dict[str, npt.NDArray[np.float32]]:
    """The arrays of a .npz: those that the manifest needs, of its shapes, finite; no others.

    numpy's own reader would evaluate an array's header and believe its size. Raises
    ModelFileError, naming `source`.
    """
    shapes = golden_shapes(manifest)
    sizes = {f"{name}.npy": 4 * math.prod(shape) for name, shape in shapes.items()}
    if sum(sizes.values()) > _MAX_ARRAY_BYTES:
        raise ModelFileError(
            f"{source}: its golden windows would have {sum(sizes.values())} bytes, allowed are"
            f" {_MAX_ARRAY_BYTES}"
        )

    def max_bytes(name: str) -> int | None:
        return sizes[name] + _MAX_HEADER_BYTES if name in sizes else None

    files, begins_at = read_zip(data, f"{source}: golden.npz", max_bytes, comment_bytes=0)
    if begins_at != 0:
        raise ModelFileError(f"{source}: golden.npz does not begin as a zip; export it again")
    if missing := sizes.keys() - files.keys():
        raise ModelFileError(
            f"{source}: golden.npz lacks {', '.join(sorted(missing))}; export the model again"
        )
    return {name: _array(files[f"{name}.npy"], name, shapes[name], source) for name in shapes}


def allowed_error(manifest: Manifest, runtime: str, machine: str | None = None) -> float:
    """How far a golden logit may be off with `runtime`, as "ai-edge-litert 2.1.0", on `machine`.

    0 for an int8 model in the interpreter that made the golden logits, on the same architecture
    (None: this one): integers leave no room for rounding. Other interpreters round differently,
    within what was measured or stated at export; and so may the same one elsewhere: XNNPACK rounds
    a product that lies halfway between two integers up on ARM and to the even one on x86. The
    training has left no such products since; models of before have them.
    """
    golden = manifest.golden
    if manifest.quantization.startswith("float"):
        return float(golden["bound_logits"])
    machine = machine or platform.machine()
    same = runtime == golden["reference"] and manifest.versions.get("machine", machine) == machine
    if same and manifest.quantization == "int8":
        return 0.0
    measured = golden["runtimes"].get(runtime.split()[0], golden)
    return float(measured["bound_logits"])


def _array(data: bytes, name: str, shape: tuple[int, ...], source: str) -> npt.NDArray[np.float32]:
    """The array of an .npy file as numpy writes it: mark, length, header, values.

    https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
    """
    header_end = len(_MAGIC) + 2 + int.from_bytes(data[len(_MAGIC) : len(_MAGIC) + 2], "little")
    header = data[len(_MAGIC) + 2 : header_end].rstrip()
    wanted = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}".encode()
    values = data[header_end:]
    if not data.startswith(_MAGIC) or header != wanted or len(values) != 4 * math.prod(shape):
        raise ModelFileError(
            f"{source}: the golden {name} must be float32 of shape {shape}, as the manifest says,"
            f" got {header[:90]!r} and {len(values)} bytes; export the model again"
        )
    array = np.frombuffer(values, "<f4").reshape(shape).astype(np.float32)
    if not np.isfinite(array).all():
        raise ModelFileError(f"{source}: the golden {name} are not finite; export the model again")
    return array
