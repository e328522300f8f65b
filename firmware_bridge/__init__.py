"""Models and sound to and from microcontrollers: nothing is here yet; see docs/architecture.md."""
