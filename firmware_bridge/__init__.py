"""Models and sound to and from microcontrollers; docs/firmware.md and docs/link.md."""
