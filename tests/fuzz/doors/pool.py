"""Cases that are changed on, in a file: so that a process grows only by what its door keeps of them."""

import os

from tests.fuzz.doors.case import pack, unpack
from tests.fuzz.doors.door import Case

MOST_KEPT = 2000


class Pool:
    """Cases by number, in a file that is empty at first; in memory there are only their places."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._places = [0]

    def __len__(self) -> int:
        return len(self._places) - 1

    def __getitem__(self, at: int) -> Case:
        start, stop = self._places[at : at + 2]
        return unpack(os.pread(self._descriptor, stop - start, start))

    def keep(self, case: Case) -> None:
        self._places.append(self._places[-1] + os.pwrite(self._descriptor, pack(case), self._places[-1]))
