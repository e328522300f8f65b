"""Numbers measured on devices: nothing is here yet; see docs/architecture.md."""
