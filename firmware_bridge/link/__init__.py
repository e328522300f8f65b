"""The serial link between a microcontroller and its host; docs/link.md is the specification.

`frames`, `messages` and `adpcm` are the words, `host` the host's end, `source` a microcontroller's
microphone as a source of sound. `csource/` is the device's end.
"""

from __future__ import annotations

from pathlib import Path

C_SOURCES = Path(__file__).parent / "csource"
"""asc_frame, asc_adpcm and asc_link, each .h and .c"""

VERSION = 1
"""Of the link; ASC_LINK_VERSION in C"""
