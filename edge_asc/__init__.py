"""Tell the acoustic scene from live sound on a small device.

The runtime: numpy, soxr, soundfile, sounddevice, click and one TFLite interpreter. Training,
export, the firmware bridge and the benchmarks are the sub-packages of the same names; no module of
the runtime imports them, except the command line inside a sub-command.
"""

__version__ = "0.1.0"
