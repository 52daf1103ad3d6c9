"""Networks as files that other runtimes read: ONNX, TorchScript, TensorRT and Triton."""
