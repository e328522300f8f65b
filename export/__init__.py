"""From a PyTorch checkpoint to a model file: ONNX, float and int8 TFLite, parity, manifest."""
