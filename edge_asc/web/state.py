"""What the page is told when it opens: the model, and the last message of each kind."""

from __future__ import annotations

import threading
from typing import Any

import edge_asc
from edge_asc.manifest import Manifest


class LiveState:
    """Written by an output's thread, read by the server's."""

    def __init__(self, manifest: Manifest, source: str, *, live: bool) -> None:
        self._facts: dict[str, Any] = {
            "version": edge_asc.__version__,
            "source": source,
            "live": live,
            "model": _model(manifest),
        }
        self._latest: dict[str, dict[str, Any] | None] = dict.fromkeys(
            ("estimate", "gap", "event", "health")
        )
        self._lock = threading.Lock()

    def add(self, kind: str, values: dict[str, Any]) -> None:
        """The newest message of its kind, as JSON says it."""
        with self._lock:
            self._latest[kind] = values

    def values(self) -> dict[str, Any]:
        """All of it, as values that JSON knows."""
        with self._lock:
            return {**self._facts, "latest": dict(self._latest)}


def _model(manifest: Manifest) -> dict[str, Any]:
    """The card of a model, as far as people want to read it."""
    return {
        "name": manifest.name,
        "scenes": manifest.scenes,
        "trained_cities": manifest.trained_cities,
        "window_s": manifest.window_s,
        "variant": manifest.variant,
        "quantization": manifest.quantization,
        "temperature": manifest.temperature,
        "licence": manifest.licence,
        "demonstration": manifest.demonstration,
        "card": str(manifest.card.get("text", "")),
        "evaluation": manifest.card.get("evaluation", {}),
    }
