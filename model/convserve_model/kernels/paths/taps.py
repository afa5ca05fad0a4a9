"""Depthwise convolution of several images as sums over taps, each a long run times the channel's weight."""

from functools import partial

import numpy as np

from convserve_model.kernels.parameters import Parameter
from convserve_model.kernels.paths.shifts import Shifts
from convserve_model.kernels.windows import Window
from convserve_model.protocols import Array, Call, Plan
from convserve_model.values import dataclass
from convserve_model.workspace import WorkSpace


@dataclass(frozen=True)
class Taps:
    """For one output channel per input channel and windows whose stride or dilation is 1, in each direction."""

    window: Window

    def pack(self, weight: Parameter) -> Plan:
        """[C,1,kh,kw] -> [C,kh,kw]."""
        still, calls = weight.still()
        return still[:, 0], calls

    def strip(self, x: Array, rows: range, space: WorkSpace) -> Plan:
        """What these output rows see of x [C,H,W,N], as planes."""
        return Shifts(self.window).planes(x, rows, space)

    def operand(self, strip: Array, space: WorkSpace) -> Plan:
        """The planes themselves."""
        return strip, []

    def correlate(self, packed: Array, operand: Array, out: Array, space: WorkSpace) -> list[Call]:
        """operand [C,sh,sw,h,w,N] -> out [C,rows,wo,N]."""
        shifts = Shifts(self.window)
        runs = zip(shifts.runs(operand, out.shape), shifts.groups, strict=True)
        results, ending = shifts.wide(out, space)
        calls: list[Call] = []
        more = space.empty(results.shape, out.dtype)
        for number, (run, (down, across)) in enumerate(runs):
            target = more if number else results
            calls.append(partial(np.einsum, "cijl,cij->cl", run, packed[:, down, across], out=target))
            if number:
                calls.append(partial(np.add, results, more, results))
        return [*calls, ending]
