"""The fully connected product."""

from dataclasses import dataclass

from convserve_model.protocols import Array, Backward, Gradients, Params, Run


@dataclass(frozen=True)
class MatMul:
    """y = weight @ x + bias with weight [out,in], PyTorch's Linear."""

    def forward(self, w: Params, *xs: Array, run: Run) -> tuple[Array, Backward]:
        """x [in,N] -> y [out,N]."""
        (x,) = xs
        y = w["weight"] @ x
        if "bias" in w:
            y += w["bias"][:, None]

        def backward(dy: Array) -> Gradients:
            grads: dict[str, Array] = {}
            if run.need_params:
                grads["weight"] = dy @ x.T
                if "bias" in w:
                    grads["bias"] = dy.sum(axis=1)
            return (w["weight"].T @ dy if run.need[0] else None,), grads

        return y, backward
