"""What to measure, and how long."""

from dataclasses import dataclass
from itertools import product

from bench.engine.cells import OURS, PYTORCH, RUNTIME, SIDES, TRAIN, Cell
from bench.engine.networks import NETWORKS


@dataclass(frozen=True)
class Plan:
    """Seconds are wall time: `seconds` of a cell's rounds together, `burst` of one side's counted calls in a round."""

    networks: tuple[str, ...] = tuple(NETWORKS)
    batches: tuple[int, ...] = (1, 8, 64, 256)
    modes: tuple[str, ...] = tuple(SIDES)
    threads: tuple[int, ...] = (1, 2)
    sides: tuple[str, ...] = (OURS, PYTORCH, RUNTIME)
    rounds: int = 25
    least_rounds: int = 5
    seconds: float = 3.0
    burst: float = 0.04
    peak_tries: int = 2
    memory: tuple[Cell, ...] = ()

    def groups(self) -> list[list[Cell]]:
        """The cells in order; the batches of a network share the processes of their sides."""
        modes = [mode for mode in self.modes if self.sides_of(mode)]
        outer = product(modes, self.threads, self.networks)
        return [[Cell(network, n, mode, threads) for n in self.batches] for mode, threads, network in outer]

    def sides_of(self, mode: str) -> tuple[str, ...]:
        return tuple(side for side in SIDES[mode] if side in self.sides)

    def training_cells(self) -> tuple[Cell, ...]:
        """Those whose memory is of interest."""
        return tuple(cell for cells in self.groups() for cell in cells if cell.mode == TRAIN)
