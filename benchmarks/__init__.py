"""Numbers about speed: of training here; of devices, nothing yet (docs/architecture.md)."""
