"""How far a long training is, told to a person as a bar or to a program as calls."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

Progress = Callable[[int, int, float], None]  # images done, images in all, the last loss


def reporter(progress: bool | Progress, total: int, unit: str = "images") -> AbstractContextManager[Progress]:
    """What to call after each step: the callable itself, a bar over `total`, or nothing."""
    if callable(progress):
        return nullcontext(progress)
    return _bar(total, unit) if progress else nullcontext(lambda done, total, loss: None)


@contextmanager
def _bar(total: int, unit: str) -> Iterator[Progress]:
    from tqdm import tqdm  # only who asks for a bar needs it

    with tqdm(total=total, unit=f" {unit}", unit_scale=True, desc="training") as bar:

        def report(done: int, total: int, loss: float) -> None:
            bar.set_postfix(loss=f"{loss:.4f}", refresh=False)
            bar.update(done - bar.n)

        yield report
