"""Make torchaudio importable beside a torch without CUDA.

The libraries in torchaudio's x86-64 wheel are linked to CUDA: beside a CPU torch, importing
torchaudio fails on them. Its transforms are plain torch and work once they are gone. Does nothing
when torch has CUDA, or when run a second time.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path

import torch


def torchaudio_libraries() -> list[Path]:
    """The compiled libraries of the installed torchaudio, found without importing it."""
    spec = importlib.util.find_spec("torchaudio")
    if spec is None or spec.origin is None:
        raise SystemExit("torchaudio is not installed: pip install -e '.[train]'")
    return sorted((Path(spec.origin).parent / "lib").glob("*.so"))


def main() -> None:
    """Remove those libraries when torch cannot serve them, and say so."""
    if torch.version.cuda is not None:
        return
    for library in torchaudio_libraries():
        library.unlink()
        print(f"removed torchaudio/lib/{library.name}: it needs CUDA, and this torch has none")
    importlib.import_module("torchaudio")


if __name__ == "__main__":
    main()
