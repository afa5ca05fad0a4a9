"""What a history must say by itself, whoever wrote it."""

from collections.abc import Sequence

from tests.crash.history import Row
from tests.crash.promises import demand


def check_chain(model: str, rows: Sequence[Row], keep: int) -> None:
    """Numbers without gaps, each the child of the one before, steps that add up, the newest states kept."""
    numbers = [row.version for row in rows]
    demand(numbers == list(range(1, len(rows) + 1)), "versions have no gaps", f"{model}: {_gap(numbers)}")
    for row in rows:
        where = f"{model} version {row.version} ({row.verb})"
        parent = None if row.version == 1 else row.version - 1
        demand(row.parent == parent, "a version's parent is the head it was made of", f"{where}: {row.parent}")
        step = _step(row, rows)
        demand(row.step == step, "step grows by exactly the steps of the verb", f"{where}: {row.step}, not {step}")
        demand(
            row.available or row.version <= len(rows) - keep, f"the newest {keep} states are kept", f"{where} is gone"
        )


def _step(row: Row, rows: Sequence[Row]) -> int:
    """The step that it must have."""
    if row.parent is None:
        return 0
    before, told = rows[row.parent - 1].step, row.hyperparameters
    if row.verb == "train":
        return before + int(told.get("epochs", 1)) * -(-int(told["rows"]) // int(told.get("batch_size", told["rows"])))
    if row.verb == "rollback":
        return rows[int(told["version"]) - 1].step
    return before + {"step": 1, "weights": 0, "fit": int(told.get("steps", 0))}[row.verb]


def _gap(numbers: Sequence[int]) -> str:
    at = next((at for at, number in enumerate(numbers, 1) if number != at), len(numbers))
    return f"{numbers[max(0, at - 3) : at + 2]} where {at} must be"
