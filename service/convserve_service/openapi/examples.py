"""A body for each operation that takes JSON: what the page fills in. All are about the model `tiny`, and work."""

from typing import Any

PIXELS = [0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0]
X = {"name": "x", "shape": [1, 1, 4, 4], "datatype": "FP32", "data": PIXELS}
Y = {"name": "y", "shape": [1], "datatype": "INT64", "data": [1]}
EXAMPLES: dict[str, Any] = {
    "create": {
        "architecture": {
            "input": [1, 4, 4],
            "layers": [
                {"type": "conv2d", "name": "conv", "out_channels": 2, "kernel_size": 3, "padding": 1},
                {"type": "relu"},
                {"type": "max_pool2d", "kernel_size": 2},
                {"type": "flatten"},
                {"type": "linear", "name": "fc", "out_features": 2},
            ],
        },
        "labels": ["cross", "line"],
        "training": {"optimizer": {"name": "sgd", "learning_rate": 0.1, "momentum": 0.9}},
    },
    "predict": {"instances": [[PIXELS[0:4], PIXELS[4:8], PIXELS[8:12], PIXELS[12:16]]]},
    "index": {"ready": True},
    "load": {"parameters": {}},
    "unload": {"parameters": {"unload_dependents": False}},
    "explain": {"inputs": [X], "method": "integrated_gradients"},
    "v1_predict": {"instances": [[PIXELS[0:4], PIXELS[4:8], PIXELS[8:12], PIXELS[12:16]]]},
    "infer": {"inputs": [X], "outputs": [{"name": "logits"}, {"name": "conv"}]},
    "evaluate": {"inputs": [X, Y]},
    "gradients": {"inputs": [X, Y], "outputs": [{"name": "loss"}, {"name": "grad/x"}, {"name": "grad/fc.bias"}]},
    "train": {"inputs": [X, Y], "epochs": 3},
    "step": {
        "inputs": [
            {"name": "grad/conv.weight", "shape": [2, 1, 3, 3], "datatype": "FP32", "data": [0.1] * 18},
            {"name": "grad/conv.bias", "shape": [2], "datatype": "FP32", "data": [0.1, -0.1]},
            {"name": "grad/fc.weight", "shape": [2, 8], "datatype": "FP32", "data": [0.1] * 16},
            {"name": "grad/fc.bias", "shape": [2], "datatype": "FP32", "data": [0.1, -0.1]},
        ]
    },
    "rollback": {"version": "1"},
    "set_alias": {"version": "1"},
    "fit": {"dataset": "rows", "epochs": 5, "shuffle_seed": 0},
}
