"""The engine beside PyTorch and ONNX Runtime: the same networks, weights and data, a process for each side."""
