"""Int8 TFLite networks as C99: constants, memory plan, calls of the kernels in csource/."""
