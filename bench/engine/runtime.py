"""ONNX Runtime with every optimisation of the graph; it only infers."""

import onnxruntime

from bench.engine.cells import INFER, Array, Task
from bench.engine.onnx_graph import model
from bench.engine.work import Work


def prepare(task: Task, threads: int) -> Work:
    assert task.mode == INFER
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    graph = model(task.architecture, task.weights, len(task.x))
    return Inference(onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"]), task.x)


class Inference:
    """The logits of x."""

    def __init__(self, session: onnxruntime.InferenceSession, x: Array) -> None:
        self._session, self._inputs = session, {"x": x}

    def __call__(self) -> list[Array]:
        outputs: list[Array] = self._session.run(None, self._inputs)
        return outputs

    def answer(self) -> dict[str, Array]:
        return {"logits": self()[0]}
