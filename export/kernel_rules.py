"""What TFLite's integer kernels demand of the scales around them."""

from __future__ import annotations

CARRIERS = ("CONCATENATION", "PAD", "RESHAPE", "STRIDED_SLICE", "TRANSPOSE")
"""Operators that move numbers and compute none: what comes out has the scale of what went in."""

KEEPS_SCALE = (*CARRIERS, "AVERAGE_POOL_2D", "MAX_POOL_2D")
"""Operators with one scale for input and output."""

FIXED_SCALES = {
    ("LOGISTIC", "int8"): (1 / 256, -128),
    ("TANH", "int8"): (1 / 128, 0),
    ("LOGISTIC", "int16"): (1 / 32768, 0),
    ("TANH", "int16"): (1 / 32768, 0),
}
"""Scale and zero point of the output, where they are not free."""

WEIGHTED = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED")
"""Operators with weights and a bias."""
