"""The shortest case that can be found quickly and fails as another one did."""

from collections.abc import Callable
from time import monotonic

from tests.fuzz.doors.door import Case

SECONDS = 5.0


def smaller(case: Case, error: Exception, ask: Callable[[Case], object]) -> Case:
    """Pieces are taken out, large ones first, as long as an error of the same kind comes from the same line."""
    wanted, end = _place(error), monotonic() + SECONDS
    for part in range(len(case)):
        size = len(case[part])
        while size and monotonic() < end:
            at = 0
            while at < len(case[part]) and monotonic() < end:
                shorter = (*case[:part], case[part][:at] + case[part][at + size :], *case[part + 1 :])
                if _failure(shorter, ask) == wanted:
                    case = shorter
                else:
                    at += size
            size //= 2
    return case


def _failure(case: Case, ask: Callable[[Case], object]) -> object:
    try:
        ask(case)
    except Exception as error:
        return _place(error)
    return None


def _place(error: Exception) -> object:
    """Its kind, and the line that raised it."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return type(error), trace and (trace.tb_frame.f_code, trace.tb_lineno)
