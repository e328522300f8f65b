"""The front end in C99: log-mel, context and result, with tables that a model file gives.

`write_frontend` makes what depends on a model; `SOURCES` are the fixed files around it, which lie
in `firmware_bridge/csource`:

    asc.h, asc.c                                  sound -> result; the API
    asc_frontend.h, asc_frontend.c                sound -> features of a cell
    asc_logmel.h, asc_logmel_float.c, asc_logmel_fixed.c    a frame, in either arithmetic
    asc_fft_order.h, asc_frontend_tables.h        what these share
"""

from __future__ import annotations

from edge_asc.firmware_bridge.frontend.writer import SOURCES, write_frontend

__all__ = ["SOURCES", "write_frontend"]
