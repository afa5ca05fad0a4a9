"""Why a network answers as it does: how much each element of x moves one of its outputs. Captum's definitions.

A method is a frozen dataclass of its numbers. All of them run in evaluation mode.
"""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import numpy as np

from convserve_model import targets
from convserve_model.errors import OptionError
from convserve_model.explain.grad_cam import GradCAM
from convserve_model.explain.slopes import InputXGradient, IntegratedGradients, Saliency, SmoothGrad
from convserve_model.explain.subject import Found, Method, Subject
from convserve_model.protocols import Array

METHODS: dict[str, type[Any]] = {
    "saliency": Saliency,
    "input_x_gradient": InputXGradient,
    "integrated_gradients": IntegratedGradients,
    "smoothgrad": SmoothGrad,
    "grad_cam": GradCAM,
}


def method(name: str, options: Mapping[str, Any]) -> Method:
    """One of METHODS with these numbers; OptionError where it has no such option."""
    if name not in METHODS:
        raise OptionError(f"method is {name!r}, but it must be one of {', '.join(METHODS)}", "method")
    known = [field.name for field in fields(METHODS[name])]
    for option in options:
        if option not in known:
            has = f"it has {', '.join(known)}" if known else "it has no options"
            raise OptionError(f"the method {name} takes no option {option!r}; {has}", option)
    made: Method = METHODS[name](**options)
    return made


@np.errstate(all="ignore")
def attributions(subject: Subject, method: Method, x: Array, target: Array | None = None) -> Found:
    """`explanation` shaped like x [N,C,H,W], the `target` [N] (by default the largest output), and what else the method
    tells, by row. What overflows becomes an infinity or a NaN without a warning."""
    subject.check()
    if target is None:
        target = subject.outputs(x).argmax(axis=1)
    target = targets.check_indices(target, len(x), subject.network.classes, "target")
    pieces = (slice(row, row + 1) for row in range(len(x))) if method.one_by_one else subject.pieces(len(x))
    parts = [method(subject, x[rows], target[rows]) for rows in pieces]
    return {**{name: np.concatenate([part[name] for part in parts]) for name in parts[0]}, "target": target}


__all__ = ["METHODS", "Method", "Subject", "attributions", "method"]
