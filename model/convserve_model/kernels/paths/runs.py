"""Im2col by long runs: a few columns too many, and every tap is copied in one run for each channel.

Where an output's row is short, as a single image's is, runs of one row cost more than the columns between the rows.
"""

from functools import partial

import numpy as np

from convserve_model.kernels.parameters import Parameter
from convserve_model.kernels.paths.shifts import Shifts
from convserve_model.kernels.windows import Window
from convserve_model.protocols import Array, Call, Plan
from convserve_model.values import dataclass
from convserve_model.workspace import WorkSpace


@dataclass(frozen=True)
class Runs:
    """For windows whose stride or dilation is 1, in each direction."""

    window: Window
    groups: int = 1

    def pack(self, weight: Parameter) -> Plan:
        """[Cout,C/g,kh,kw] -> [g,Cout/g,CKK/g], taps in the order of their groups."""
        cout, c, kh, kw = weight.shape
        packed, start = np.empty((cout, c, kh * kw), weight.dtype), 0
        still, calls = weight.still()
        for down, across in Shifts(self.window).groups:
            part = still[:, :, down, across]
            taps = part.shape[2] * part.shape[3]
            calls.append(partial(np.copyto, packed[:, :, start : start + taps].reshape(part.shape, copy=False), part))
            start += taps
        return packed.reshape(self.groups, cout // self.groups, -1), calls

    def strip(self, x: Array, rows: range, space: WorkSpace) -> Plan:
        """What these output rows see of x [C,H,W,N], as planes."""
        return Shifts(self.window).planes(x, rows, space)

    def operand(self, strip: Array, space: WorkSpace) -> Plan:
        """The planes themselves."""
        return strip, []

    def correlate(self, packed: Array, operand: Array, out: Array, space: WorkSpace) -> list[Call]:
        """operand [C,sh,sw,h,w,N] -> out [Cout,rows,wo,N]."""
        shifts, g = Shifts(self.window), self.groups
        runs = shifts.runs(operand, out.shape)
        results, ending = shifts.wide(out, space)
        length, taps = runs[0].shape[3], [run.shape[1] * run.shape[2] for run in runs]
        columns = space.empty((len(operand), sum(taps), length), operand.dtype)
        calls: list[Call] = []
        start = 0
        for run, count in zip(runs, taps, strict=True):
            calls.append(partial(np.copyto, columns[:, start : start + count].reshape(run.shape), run))
            start += count
        products = columns.reshape(g, -1, length)
        return [*calls, partial(np.matmul, packed, products, results.reshape(g, -1, length, copy=False)), ending]
