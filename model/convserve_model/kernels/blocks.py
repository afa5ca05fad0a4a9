"""Strips of output rows, and blocks of them that followers can finish."""

from convserve_model.kernels.costs import rows_of_strip
from convserve_model.kernels.paths import Path
from convserve_model.protocols import ONE, Adjoint, Array, Call, Empty, Plan, Run, Shape
from convserve_model.values import dataclass
from convserve_model.workspace import WorkSpace


@dataclass(frozen=True)
class Block:
    """Strips whose rows the followers make into whole rows."""

    strips: list[range]
    rows: range
    finished: range


class Place:
    """Where a block is computed: once for the result, and later for its gradients."""

    def __init__(self, space: WorkSpace, empty: Empty) -> None:
        self.space, self.empty = space, empty


class Part:
    """A block while it is planned: its place, how its followers run there, and their adjoints."""

    def __init__(self, number: int, block: Block, run: Run) -> None:
        self.block = block
        self.adjoints: list[Adjoint] = []
        self._whole, self._number = run, number % run.sides.most
        space = run.space(self._number)
        place = self.place = Place(space, run.empty if run.backward else space.empty)
        self.run = run._replace(
            need=(run.backward,),
            need_params=False,
            empty=lambda shape, dtype: place.empty(shape, dtype),
            space=lambda part: place.space,
            sides=ONE,
            overwrite=True,
        )

    def unfollowed(self, dy: Array, empty: Empty | None = None) -> Plan:
        """dL/d(the block before the followers), from dL/dy of the whole output."""
        self.place.space = self._whole.space(self._number)
        self.place.empty = empty or self.place.space.empty
        d, calls = dy[:, self.block.finished.start : self.block.finished.stop], list[Call]()
        for adjoint in reversed(self.adjoints):
            (found,), more, *_ = adjoint(d)
            assert found is not None
            d, calls = found, calls + more
        return d, calls


def strips(path: Path, groups: int, cin: int, shape: Shape, *, back: bool = False) -> list[range]:
    """Rows of the output [Cout,ho,wo,N], cut by its shape and the path alone: never by the followers."""
    cout, ho, wo, n = shape
    step = rows_of_strip(path, groups, cin, cout, ho, wo, n, back=back)
    return [range(start, min(start + step, ho)) for start in range(0, ho, step)]


def blocks(strips: list[range], merged: int, finished: int) -> list[Block]:
    """The fewest strips in each block; `merged` rows become one, and the last block has what is left over."""
    found: list[Block] = []
    first = 0
    for position, strip in enumerate(strips):
        remaining = finished - strip.stop // merged
        if (strip.stop % merged and remaining) or (not remaining and position < len(strips) - 1):
            continue
        some = strips[first : position + 1]
        rows = range(some[0].start, strip.stop)
        found.append(Block(some, rows, range(rows.start // merged, strip.stop // merged)))
        first = position + 1
    return found
